"""--where, --columns and --events: what is handed on, so that a copy of the wanted rows is the wanted rows."""

import json
import os
import random
import time

import pytest

from plugin import needs_wal2json
from postgres import wait_until
from streaming import Job, read_jsonl
from test_sink_duckdb import Replica

WAYS = ["binary", "wal2arrow", pytest.param("wal2json", marks=needs_wal2json)]
EVERY_WAY = pytest.mark.parametrize("way", WAYS, indirect=True)

TABLES = """
    CREATE TABLE by_value (id int PRIMARY KEY, status text, total numeric(9,2), note text);
    CREATE TABLE by_key (id int PRIMARY KEY, status text, total numeric(9,2), note text);
    CREATE TABLE by_row (id int PRIMARY KEY, status text, total numeric(9,2), note text);
    ALTER TABLE by_row REPLICA IDENTITY FULL; ALTER TABLE by_row ALTER note SET STORAGE EXTERNAL;
"""
WANTED = "total > 50 and status <> 'x'"
WHERE = {"by_value": WANTED, "by_key": "id % 3 = 1", "by_row": WANTED + " and (note is null or length(note) > 3)"}


def where(tables=WHERE):
    return [word for table in tables for word in ("--where", f"public.{table}: {WHERE[table]}")]


class Shop:
    """Random changes, among them of keys, of which many go over the line between wanted and not."""

    def __init__(self, db, seed):
        self.db, self.random, self.next_id = db, random.Random(seed), 0

    def row(self):
        pick = self.random
        total = pick.choice(["NULL", str(pick.randint(0, 100)), "50", "50.01"])
        status = pick.choice(["NULL", "'x'", "'open'", "'shut'"])
        note = pick.choice(["NULL", "'hi'", "'a note'", "repeat('long', 2000)"])
        return status, total, note

    def statement(self, table):
        pick, (status, total, note) = self.random, self.row()
        some, kind = f"id % 17 = {pick.randrange(17)}", pick.randrange(10)
        if table == "by_value" and "long" in note:
            note = "'not so long'"  # what is not sent again would be missing where a row comes to be wanted
        if kind < 4:
            self.next_id += 1
            return f"INSERT INTO {table} VALUES ({self.next_id}, {status}, {total}, {note})"
        if kind < 5:
            return f"DELETE FROM {table} WHERE {some}"
        if kind < 6:
            self.next_id += 1
            return f"UPDATE {table} SET id = {self.next_id} WHERE id = (SELECT min(id) FROM {table} WHERE {some})"
        if kind < 7:
            return f"UPDATE {table} SET note = {note} WHERE {some}"
        return f"UPDATE {table} SET total = {total}, status = {status} WHERE {some}"

    def run(self, n):
        pick = self.random
        for _ in range(n):
            statements = [self.statement(pick.choice(list(WHERE))) for _ in range(pick.randint(1, 4))]
            self.db.sql("; ".join(["BEGIN", *statements, pick.choice(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"])]))


def assert_is_what_is_wanted(db, replica, columns="*"):
    for table, condition in WHERE.items():
        wanted = db.sql(f"SELECT {columns} FROM {table} WHERE {condition} ORDER BY id")
        have = replica.query(f"SELECT * FROM {table} ORDER BY id").to_pylist()
        assert [tuple(row.values()) for row in have] == [tuple(row) for row in wanted], table


# ---- the outcome ----------------------------------------------------------------------------------------------


@EVERY_WAY
@pytest.mark.parametrize("columns", ["*", "id, total, note"])
def test_a_copy_has_the_rows_that_are_wanted(db, job, columns):
    """Rows that are there, and changes in small sets, in one, and from the buffer."""
    db.sql(TABLES)
    shop, replica = Shop(db, 3), Replica(job)
    filters = where() + ([] if columns == "*" else ["--columns", f"public.by_*: {columns}"])
    shop.run(60)
    replica.run(*filters)
    assert_is_what_is_wanted(db, replica, columns)
    for args in (["--batch-rows", 3], ["--batch-rows", 65536], ["--batch", "transaction"], ["--buffer", "on"]):
        shop.run(50)
        replica.run(*filters, *args)
        assert_is_what_is_wanted(db, replica, columns)


@EVERY_WAY
def test_files_and_events_agree(db, job):
    db.sql(TABLES)
    job.setup()
    Shop(db, 4).run(150)
    sinks = [f"ipc:{job.ipc}", f"jsonl:{job.jsonl}"]
    job.stream(*where(), "--columns", "public.by_key: id,total", "--events", "insert,update,delete", to=sinks)
    names = {"I": "insert", "U": "update", "D": "delete"}
    files = sorted((r["_commit_lsn"], r["_seq"], names[r["_op"]], r["id"]) for t in WHERE for r in job.rows(t))
    events = job.events("insert", "update", "delete")
    as_row = lambda e: (e["data"] or e["key_data"])["id"]  # noqa: E731
    assert [(f[1], f[2], f[3]) for f in files] == [(e["seq"], e["event_type"], as_row(e)) for e in events]
    assert len(files) > 50 and job.table("by_key").schema.names[7:] == ["id", "total"]
    assert json.loads(job.table("by_key").schema.metadata[b"walrow.key"]) == ["id"]
    for event in job.events("insert"):
        assert event["table"] == "by_key" or event["data"]["total"] > 50


def test_killed_again_and_again(db, job):
    """The position is in the file, whatever of the stream was handed on."""
    db.sql(TABLES)
    shop, replica, pick = Shop(db, 5), Replica(job), random.Random(5)
    shop.run(100)
    filters = [*where(), "--batch-rows", "5", "--ack-interval", "20"]
    for _ in range(5):
        run = replica.start(*filters)
        shop.run(pick.randint(5, 40))
        time.sleep(pick.uniform(0, 0.5))
        assert run.alive(), run.err
        run.kill()
    replica.run(*filters)
    assert_is_what_is_wanted(db, replica)


def test_positions_go_on_where_nothing_is_wanted(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    job.setup()
    run = job.start("--where", "public.t: false", "--ack-interval", "50", to=[f"jsonl:{job.jsonl}"])
    db.sql("INSERT INTO t SELECT i, 'v' FROM generate_series(1, 1000) i")
    lsn = db.sql("SELECT pg_current_wal_flush_lsn()::text")[0][0]
    confirmed = f"SELECT confirmed_flush_lsn >= '{lsn}' FROM pg_replication_slots WHERE slot_name = '{job.slot}'"
    run.wait_for(lambda: db.sql(confirmed)[0][0], what="the slot to move")
    assert run.stop().code == 0
    assert job.events("insert", "update", "delete") == []


def test_a_report_counts_what_was_handed_on(db, job, tmp_path):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 1000) i")
    job.stream("--where", "public.t: id <= 10", "--report", str(tmp_path / "report"), to=["null:"], snapshot="initial")
    assert json.loads((tmp_path / "report").read_text())["changes"]["R"] == 10


def test_snapshots_in_chunks_of_which_some_are_empty(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 1000) i")
    db.sql("CREATE TABLE none (id int PRIMARY KEY); INSERT INTO none VALUES (1), (2)")
    replica = Replica(job)
    filters = ["--where", "public.t: id between 300 and 310 or id = 777", "--where", "public.none: false"]
    job.stream(*filters, "--batch-rows", 50, to=[replica.uri, f"ipc:{job.ipc}"], snapshot="initial")
    wanted = [*range(300, 311), 777]
    assert [row["id"] for row in replica.query("FROM t ORDER BY id").to_pylist()] == wanted
    assert [row["id"] for row in job.rows("t")] == wanted
    assert replica.query("FROM none").num_rows == 0 and job.rows("none") == []
    db.sql("UPDATE t SET id = 2000 WHERE id = 777; INSERT INTO none VALUES (3)")
    job.stream(*filters, to=[replica.uri, f"ipc:{job.ipc}"], snapshot="initial")
    assert [row["id"] for row in replica.query("FROM t ORDER BY id").to_pylist()] == wanted[:-1]


def test_a_recording_is_filtered_too(db, job, walrow, tmp_path):
    db.sql(TABLES)
    job.setup()
    Shop(db, 6).run(100)
    filters = [*where(), "--columns", "public.by_row: id,status", "--events", "insert,update,delete,message"]
    walrow(*job.arguments("record"), tmp_path / "recording", "--until", "now", code=0)
    decoded = walrow("decode", tmp_path / "recording", *filters, "--to", f"jsonl:{tmp_path / 'decoded'}", code=0)
    assert "warn" not in decoded.err
    job.stream(*filters, to=[f"jsonl:{job.jsonl}"])
    assert read_jsonl(tmp_path / "decoded") == job.events() != []


def test_a_pattern_that_matches_no_table_of_a_recording_is_said(db, job, walrow, tmp_path):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'a')")
    walrow(*job.arguments("record"), tmp_path / "recording", "--until", "now", code=0)
    filters = ["--where", "public.t: id > 0", "--where", "public.tt: id > 0", "--columns", "other.*: id"]
    decoded = walrow("decode", tmp_path / "recording", *filters, "--to", "null:", code=0)
    said = [line for line in decoded.err.splitlines() if line.startswith("warn: ")]
    assert said == [
        'warn: --where "public.tt: id > 0": no change came of a table that matches',
        'warn: --columns "other.*: id": no change came of a table that matches',
    ]
    decoded = walrow("decode", tmp_path / "recording", "--tables", "public.tt", "--to", "null:", code=0)
    assert "warn: --tables matches no table of the recording, which has public.t\n" in decoded.err


def test_a_table_may_change_under_a_filter(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    job.setup()
    filters = ["--where", "public.t: id > 1", "--columns", "public.t: id,v"]
    db.sql("INSERT INTO t VALUES (1, 'a'), (2, 'b'); ALTER TABLE t ADD w int; INSERT INTO t VALUES (3, 'c', 4)")
    job.stream(*filters)
    assert [(row["id"], row["v"]) for row in job.rows("t")] == [(2, "b"), (3, "c")]
    assert "w" not in job.table("t").schema.names
    db.sql("ALTER TABLE t RENAME v TO vv; INSERT INTO t VALUES (4, 'd', 5)")
    assert 'no column "v"' in job.stream(*filters, code=2).err
    job.stream("--where", "public.t: id > 1", "--columns", "public.t: id,vv")
    assert [row["id"] for row in job.rows("t")] == [2, 3, 4]


# ---- mistakes -------------------------------------------------------------------------------------------------

MISTAKES = {
    "where 'totl > 5'": (["--where", "public.t: totl > 5"], ['"public.t: totl > 5"', "table public.t", "totl", "columns id, total"]),
    "where 'id ='": (["--where", "public.t: id ="], ["syntax error"]),
    "where without a table": (["--where", "id > 5"], ["no table is named"]),
    "where of no table": (["--where", "public.u: id > 5"], ["matches none of the tables"]),
    "columns without the key": (["--columns", "public.t: total"], ['"id" is of the key', "add it"]),
    "columns that are none": (["--columns", "public.t: id,totl"], ['no column "totl"', "did you mean total?"]),
    "events": (["--events", "insert,upsert"], ['unknown event "upsert"', "events are insert"]),
}


@pytest.mark.parametrize("args, texts", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_are_found_before_anything_is_made(db, job, args, texts):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, total int)")
    failed = job.stream(*args, to=["null:"], snapshot="initial", code=2)
    assert all(text in failed.err for text in texts), failed.err
    assert db.sql(f"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{job.slot}'")[0][0] == 0
    assert db.sql("SELECT count(*) FROM pg_publication")[0][0] == 0


@pytest.mark.parametrize("args", [["--where", "id > 5"], ["--columns", "public.(: id"], ["--events", "upsert"]])
def test_what_needs_no_server_is_said_without_one(walrow, args):
    failed = walrow("stream", "-d", "host=nowhere", "--to", "null:", *args, code=2)
    assert args[1] in failed.err


def test_an_expression_that_fails_for_a_row_ends_the_stream(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    job.setup()
    db.sql("INSERT INTO t VALUES (1, '12'), (2, 'twelve')")
    failed = job.stream("--where", "public.t: cast(v as int) > 5", code=2)
    assert "--where fails for a row of public.t" in failed.err and "try_cast" in failed.err
    job.stream("--where", "public.t: try_cast(v as int) > 5")
    assert [row["id"] for row in job.rows("t")] == [1]


def test_where_says_what_it_needs(db, job, tmp_path):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    env = {"WALROW_DUCKDB": str(tmp_path / "none.so")}
    failed = job.stream("--where", "public.t: id > 1", to=["null:"], snapshot="initial", code=2, env=env)
    assert "--where needs libduckdb" in failed.err and "WALROW_DUCKDB" in failed.err
    job.stream("--columns", "public.t: id", "--events", "insert", to=["null:"], snapshot="initial", env=env)


def test_documents_have_no_rows_to_filter(db, walrow):
    failed = walrow("stream", "-d", db.url(), "--plugin", "wal2json", "--wal2json-format", "1", "--events", "insert", "--to", "jsonl:-", code=2)
    assert "documents of format 1 come whole" in failed.err and "--plugin-option actions" in failed.err


def test_check_says_it_too(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, total int)")
    args = [*job.arguments("check"), "--plugin", "pgoutput", "--json"]
    found = job.walrow(*args, "--where", "public.t: totl > 5", code=2).json["findings"]
    (finding,) = [f for f in found if f["id"] == "filters"]
    assert finding["severity"] == "error" and "totl" in finding["message"] and "id, total" in finding["fix"]
    found = job.walrow(*args, "--where", "public.t: total > 5", "--columns", "public.t: id", code=0).json["findings"]
    assert [f for f in found if f["id"] == "filters"] == []


def test_a_row_that_comes_to_be_wanted_lacks_what_was_not_sent(db, job):
    """Under REPLICA IDENTITY DEFAULT nobody has it; under FULL the server sends it."""
    for identity in ("DEFAULT", "FULL"):
        db.sql(f"CREATE TABLE {identity}_ (id int PRIMARY KEY, n int, big text); ALTER TABLE {identity}_ REPLICA IDENTITY"
               f" {identity}; ALTER TABLE {identity}_ ALTER big SET STORAGE EXTERNAL;"
               f" INSERT INTO {identity}_ VALUES (1, 0, repeat('big', 3000))")  # fmt: skip
    replica = Replica(job)
    filters = ["--where", "public.*: n > 0"]
    replica.run(*filters)
    db.sql("UPDATE default_ SET n = 1; UPDATE full_ SET n = 1")
    replica.run(*filters)
    assert [len(row["big"] or "") for row in replica.query("FROM default_ UNION ALL FROM full_").to_pylist()] == [0, 9000]
