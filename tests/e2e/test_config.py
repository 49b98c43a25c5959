"""--config: a YAML file with the command line's names. The command line wins over the environment, that over the file."""

import signal

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


# ---- read again at run time ---------------------------------------------------------------------------------


@pytest.fixture
def running(db, job, config):
    """A stream that takes an hour for a change set, unless the file says otherwise; lines for the file."""
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    job.setup()
    run = job.start("--config", config("batch-delay: 3600000", "log-level: warn"), to=[f"jsonl:{job.jsonl}"])
    run.wait_for(lambda: db.slot(job.slot)["active"], what="the stream")
    return run


def test_sighup_takes_over_what_may_change(db, job, running, config):
    db.sql("INSERT INTO t VALUES (1)")
    config("batch-delay: 10", "ack-interval: 50", "slot: other", "snapshot: never", "strict: true")
    running.signal(signal.SIGHUP)
    running.wait_for("--batch-delay is 10 now, it was 3600000")
    running.wait_for(lambda: len(job.events("insert")) == 1, what="the change")
    assert "--ack-interval is 50 now, it was 1000" in running.err
    assert "--strict has changed: that takes a restart" in running.err
    assert "--slot" not in running.err  # the command line's
    assert running.stop().code == 0


@pytest.mark.parametrize("buffer", ["off", "on"])
def test_sighup_changes_the_limits_of_files(db, job, config, buffer):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    job.setup()
    hours, parquet = f"ipc:{job.ipc}?rotate_s=3600", f"parquet:{job.ipc}-parquet?rotate_s=3600"
    run = job.start("--config", config(f"to: ['{hours}', '{parquet}']"), "--buffer", buffer, to=[])
    run.wait_for(lambda: db.slot(job.slot)["active"], what="the stream")
    for number in range(5):
        db.sql("INSERT INTO t VALUES (%s)", (number,))
    assert job.files("t") == []
    config(f"to: ['ipc:{job.ipc}?rotate_s=3600&rotate_rows=2', '{parquet}&partition=day']")
    run.signal(signal.SIGHUP)
    run.wait_for(f"from now on sink ipc:{job.ipc}?rotate_s=3600&rotate_rows=2")
    run.wait_for(f"{parquet}&partition=day takes a restart")
    db.sql("INSERT INTO t SELECT generate_series(5, 8)")
    run.wait_for(lambda: len(job.files("t")) > 1, what="files of two rows, after what was open")
    config(f"to: ['{hours}']")
    run.signal(signal.SIGHUP)
    run.wait_for("--to has other sinks: that takes a restart")
    assert run.stop().code == 0
    assert [row["id"] for row in job.rows("t")] == list(range(9))
    assert max(file.table.num_rows for file in job.files("t")[1:]) <= 2


def test_sighup_changes_the_log_level(running, config):
    config("batch-delay: 3600000", "log-level: info")
    running.signal(signal.SIGHUP)
    running.wait_for("--log-level is info now, it was warn")  # which is news of level info
    assert running.stop().code == 0


def test_a_file_that_is_wrong_by_now_changes_nothing(db, job, running, config):
    file = config("batch-delay: 10", "batch-rows: none")
    running.signal(signal.SIGHUP)
    running.wait_for("all goes on as before")
    assert f"{file}, line 2: --batch-rows" in running.err
    assert "--batch-delay is" not in running.err
    db.sql("INSERT INTO t VALUES (1)")
    assert running.stop().code == 0
