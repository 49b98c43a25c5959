"""--wal2json-format 1: the documents of the real wal2json, byte for byte as it prints them, through jsonl:."""

import json
import os

import pytest

from equality import BY_FUNCTION, BY_PROCEDURE, PULL, SMALL_WINDOWS
from plugin import create_extension, needs_wal2json
from scenarios import BIG
from streaming import SETTINGS, Job
from test_wal2json_lines import EXAMPLE

pytestmark = needs_wal2json

WORK = (
    "INSERT INTO t SELECT i, 'v' || i, NULL FROM generate_series(1, 20) i",
    "BEGIN", "UPDATE t SET v = E'two\\nlines \"quoted\" ü' WHERE id < 5", "SELECT pg_logical_emit_message(true, 'in', 'side')",
    "SELECT pg_logical_emit_message(false, 'out', 'side')", "DELETE FROM t WHERE id > 15", "COMMIT",
    "CREATE TABLE empty_transaction (id int PRIMARY KEY)",
    "SELECT pg_logical_emit_message(false, 'walrow', 'alone')",
    f"INSERT INTO t VALUES (100, {BIG}, 1); TRUNCATE t",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quiet(arrow_server):
    """Format 1 has a document for every transaction, autovacuum's too."""
    for statement in ("ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"):
        arrow_server.sql(statement)
    yield
    for statement in ("ALTER SYSTEM RESET autovacuum", "SELECT pg_reload_conf()"):
        arrow_server.sql(statement)


@pytest.fixture
def db(arrow_server):
    database = arrow_server.create_database("classic")
    database.sql("CREATE TABLE t (id int PRIMARY KEY, v text, n int); CREATE TABLE keyless (v text)")
    yield database
    database.drop()


class Pair:
    """Two slots of wal2json that see the same: walrow's, and one that is asked with the same options."""

    def __init__(self, db, walrow, folder, **options):
        self.db, self.options = db, {"format-version": "1", "include-lsn": "on", **options}
        self.job = Job(db, walrow, folder, "classic", way="wal2json")
        self.real = f"real_{db.name}"
        for slot in (self.job.slot, self.real):
            db.sql(f"SELECT pg_create_logical_replication_slot('{slot}', 'wal2json')")

    def printed(self):
        options = [word for pair in self.options.items() for word in pair]
        with self.db.connect() as connection:
            for setting in SETTINGS:
                connection.execute(f"SET {setting}")
            rows = connection.execute(
                f"SELECT data FROM pg_logical_slot_get_changes('{self.real}', NULL, NULL, {', '.join(['%s'] * len(options))})", options)  # fmt: skip
            return "".join(f"{data}\n" for (data,) in rows).encode()

    def stream(self, *args, code=0, to=None, timeout=120, env=None):
        given = [word for name, value in self.options.items() if name != "format-version" for word in ("--plugin-option", f"{name}={value}")]
        return self.job.walrow(
            "stream", "-d", self.db.url(), "-S", self.job.slot, "--plugin", "wal2json", "--wal2json-format", "1", "--until", "now",
            *given, *args, "--to", to or f"jsonl:{self.job.jsonl}", code=code, timeout=timeout, env=env)  # fmt: skip

    def read(self):
        with open(self.job.jsonl, "rb") as file:
            return file.read()


OPTIONS = {
    "none": {},
    "all": {"include-xids": "on", "include-timestamp": "on", "include-type-oids": "on", "include-pk": "on", "include-default": "on",
            "include-not-null": "on", "include-column-positions": "on", "include-origin": "on"},
    "pretty": {"pretty-print": "on", "include-xids": "on"},
    "chunks": {"write-in-chunks": "on"},
    "pretty chunks": {"write-in-chunks": "on", "pretty-print": "on", "include-timestamp": "on", "include-xids": "on"},
    "filters": {"actions": "insert", "filter-msg-prefixes": "out", "add-tables": "public.t"},
}  # fmt: skip


def work(db, steps=WORK):
    with db.connect() as connection:
        for step in steps:
            connection.execute(step)


@pytest.fixture(params=["pushed", "pulled by function", "pulled by procedure"])
def how(request, db):
    """Arguments of stream, and what is said of them."""
    if request.param == "pushed":
        return ("--transport", "push"), ["changes are pushed"]
    if request.param.endswith("procedure"):
        create_extension(db)
        return PULL, [BY_PROCEDURE, "changes are pulled"]
    return PULL, [BY_FUNCTION, "changes are pulled"]


@pytest.mark.parametrize("name", OPTIONS)
def test_documents_are_as_wal2json_prints_them(db, walrow, tmp_path, name, how):
    args, says = how
    pair = Pair(db, walrow, tmp_path, **OPTIONS[name])
    work(db)
    real = pair.printed()
    assert real.count(b'"kind"') > 10
    said = pair.stream(*args, env=SMALL_WINDOWS).err
    assert [what for what in says if what not in said] == []
    assert pair.read() == real
    pair.stream(*args, env=SMALL_WINDOWS)
    assert pair.read() == real


@pytest.mark.parametrize("name", ["none", "chunks"])
def test_pushed_and_pulled_in_turn(db, walrow, tmp_path, name):
    """What one of them has read the other does not read again, a document outside of transactions neither."""
    pair = Pair(db, walrow, tmp_path, **OPTIONS[name])
    real = b""
    for i in range(1, 4):  # a message alone is not flushed
        db.sql(f"SELECT pg_logical_emit_message(false, 'walrow', '{i}'); INSERT INTO t VALUES ({i}, 'v', {i}), (-{i}, 'v', 0)")
        real += pair.printed()
        for transport in ("push", "pull", "push"):
            pair.stream("--transport", transport)
            assert pair.read() == real


@pytest.mark.parametrize("name", ["none", "chunks"])
def test_change_sets_of_a_few_bytes_and_a_buffer(db, walrow, tmp_path, name):
    """Chunks of one document in several change sets, through the log on disk."""
    pair = Pair(db, walrow, tmp_path, **OPTIONS[name])
    work(db)
    real = pair.printed()
    pair.stream("--batch-bytes", "1024", "--buffer", "on")
    assert pair.read() == real


def test_what_a_crash_left_is_cut_off(db, walrow, tmp_path):
    pair = Pair(db, walrow, tmp_path, **OPTIONS["chunks"])
    db.sql("INSERT INTO t VALUES (1, 'a', 1)")
    pair.stream()
    with open(pair.job.jsonl, "ab") as file:
        file.write(b'{"nextlsn":"0/')
    work(db, WORK[1:])
    pair.stream()
    assert pair.read() == pair.printed()


def test_the_example_of_the_documentation(db, walrow, tmp_path):
    db.sql("CREATE TABLE table3_with_pk (a SERIAL, b VARCHAR(30), c TIMESTAMP NOT NULL, PRIMARY KEY(a, c));"
           "CREATE TABLE table3_without_pk (a SERIAL, b NUMERIC(5,2), c TEXT)")  # fmt: skip
    pair = Pair(db, walrow, tmp_path, **{"pretty-print": "1", "add-msg-prefixes": "wal2json"})
    work(db, EXAMPLE)
    pair.stream()
    lone, transaction = pair.read().decode().split("\n}\n{\n")
    assert json.loads(lone + "}")["change"][0]["content"].startswith("this non-transactional message will be delivered")
    kinds = [change["kind"] for change in json.loads("{" + transaction)["change"]]
    assert kinds == ["insert", "insert", "insert", "message", "delete", "delete", "insert"]
    assert '"columnnames": ["a", "b", "c"],' in transaction
    assert pair.read() == pair.printed()


def test_a_document_of_many_megabytes(db, walrow, tmp_path):
    pair = Pair(db, walrow, tmp_path)
    db.sql("INSERT INTO t SELECT i, repeat('0123456789', 500000), i FROM generate_series(1, 21) i")
    pair.stream(timeout=300)
    line = max(pair.read().splitlines(), key=len)
    assert len(line) > 100 << 20
    assert [len(change["columnvalues"][1]) for change in json.loads(line)["change"]] == [5000000] * 21


def test_in_chunks_a_large_transaction_takes_little_memory(db, walrow, tmp_path):
    pair = Pair(db, walrow, tmp_path, **OPTIONS["chunks"])
    db.sql("INSERT INTO t SELECT i, repeat('0123456789', 10000), i FROM generate_series(1, 1000) i")
    report = str(tmp_path / "report.json")
    pair.stream("--report", report, timeout=300)
    text = pair.read()
    text = text[text.rindex(b'{"nextlsn"', 0, 10000) :]  # not what autovacuum may have done before
    assert len(text) > 100_000_000 and len(json.loads(text)["change"]) == 1000
    with open(report, encoding="utf-8") as file:
        assert json.load(file)["peak_rss_bytes"] < 100_000_000


def test_bytes_that_are_not_utf8_stay_what_they_are(arrow_server, walrow, tmp_path):
    ascii_db = arrow_server.create_database("classic_ascii", "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        ascii_db.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
        pair = Pair(ascii_db, walrow, tmp_path)
        with ascii_db.connect() as connection:
            connection.execute("SET client_encoding = 'SQL_ASCII'")
            connection.execute(r"INSERT INTO t VALUES (1, E'caf\351')")
        pair.stream()
        assert b'"columnvalues":[1,"caf\xe9"]' in pair.read()
    finally:
        ascii_db.drop()


@pytest.mark.parametrize("sink", ["ipc:lake", "parquet:lake", "duckdb:f.duckdb", "arrow:-", "jsonl:-?include-xids=off"])
def test_sinks_that_need_changes_are_refused(walrow, tmp_path, sink):
    result = walrow("stream", "-d", "host=nowhere", "--plugin", "wal2json", "--wal2json-format", "1", "--to", sink)
    assert result.code == 2 and sink in result.err and "wal2json's documents" in result.err


@pytest.mark.parametrize(
    "arguments, says",
    [(("--tables", "public.t"), "add-tables"), (("--snapshot", "only"), "--snapshot only"), (("--plugin-option", "include-lsn=off"), "no positions"),
     (("--plugin", "pgoutput"), "--plugin wal2json"), (("--plugin-option", "format-version=2"), "--wal2json-format")],
)  # fmt: skip
def test_what_it_cannot_do_is_refused(db, walrow, arguments, says):
    result = walrow("stream", "-d", db.url(), "--plugin", "wal2json", "--wal2json-format", "1", "--to", "null:", *arguments)
    assert result.code == 2 and says in result.err


def test_check_and_setup_ask_nothing_of_tables(db, walrow, tmp_path):
    """Of one without a key neither, which batches could not be made of."""
    job = Job(db, walrow, tmp_path, "classic", way="wal2json")
    arguments = ("-d", db.url(), "-S", job.slot, "--plugin", "wal2json", "--wal2json-format", "1", "--plugin-option", "write-in-chunks=on")
    plan = walrow("setup", *arguments, "--dry-run", "--json", code=0).json
    assert [one["action"] for one in plan["actions"]] == ["create slot"]
    assert walrow("check", *arguments, "--json", code=0).json["ok"]
    walrow("setup", *arguments, code=0)
    findings = walrow("check", *arguments, "--json", code=0).json["findings"]
    assert [one for one in findings if one["severity"] == "error" or one["object"].startswith("public.")] == []
    assert walrow("check", *arguments, "--plugin-option", "include-lsn=off", code=2)
    db.sql("INSERT INTO keyless VALUES ('a')")
    job.walrow("stream", *arguments, "--until", "now", "--to", f"jsonl:{job.jsonl}", code=0)
    with open(job.jsonl, encoding="utf-8") as file:
        assert [change["table"] for change in json.load(file)["change"]] == ["keyless"]


def test_a_file_keeps_its_format(db, walrow, tmp_path):
    pair = Pair(db, walrow, tmp_path)
    db.sql("DROP TABLE keyless; INSERT INTO t VALUES (1, 'a', 1)")
    pair.stream()
    result = pair.job.stream(to=[f"jsonl:{pair.job.jsonl}"], code=10)
    assert "wal2json-v1" in result.err and os.path.getsize(pair.job.jsonl) > 0
