"""--config: a YAML file with the command line's names. The command line wins over the environment, that over the file."""

import pytest

TABLE = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)"


@pytest.fixture
def config(tmp_path):
    """config("slot: a", ...) writes them as lines of a file; its path."""

    def write(*lines):
        path = tmp_path / "walrow.yaml"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def test_a_stream_is_described_by_a_file(db, walrow, tmp_path, config):
    db.sql(TABLE)
    jsonl = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    file = config(
        f"source: '{db.url()}'", f"slot: config_{db.name}", "publication: config", "tables: [public.t]", "until: now",
        "plugin: pgoutput", "to:", *(f"  - jsonl:{path}" for path in jsonl),
    )  # fmt: skip
    walrow("stream", "--config", file, code=0)
    assert [path.read_text().count('"read"') for path in jsonl] == [2, 2]


def test_the_same_file_serves_the_other_commands(db, walrow, config):
    db.sql(TABLE)
    file = config(f"source: '{db.url()}'", "tables: public.*", "to: ['null:']", "json: true")
    assert [table["name"] for table in walrow("tables", "--config", file, code=0).json] == ["t"]


def test_command_line_wins_over_environment_over_file(db, walrow, config):
    db.sql("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY)")
    file = config(f"source: '{db.url()}'", "tables: public.a", "json: true")

    def tables(*args, **kwargs):
        return [table["name"] for table in walrow("tables", "--config", file, *args, code=0, **kwargs).json]

    assert tables() == ["a"]
    assert tables(env={"TABLES": "public.b"}) == ["b"]
    assert tables("--tables", "public.c", env={"TABLES": "public.b"}) == ["c"]


def test_what_is_wrong_is_said_with_its_line_and_the_nearest_name(walrow, config):
    file = config("slot: lake", "batch-row: 7")
    result = walrow("stream", "--config", file, code=2)
    assert f"walrow: {file}, line 2: unknown option \"batch-row\"" in result.err
    assert "did you mean --batch-rows" in result.err
    file = config("batch-rows: many", "slot: lake")
    assert f"{file}, line 1: --batch-rows: \"many\" is not a whole number" in walrow("check", "--config", file, code=2).err


def test_a_missing_file_is_a_usage_error(walrow, tmp_path):
    assert "cannot read the configuration" in walrow("check", "--config", tmp_path / "none.yaml", code=2).err
