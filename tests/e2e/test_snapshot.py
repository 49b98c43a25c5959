"""Existing rows, read once, and the changes after them: no gap, no overlap."""

import os
import subprocess
import threading

import pytest

from postgres import wait_until
from readers import read_ipc
from streaming import own_values, positions, replay, replay_rows, source_rows, ways

ROWS = "CREATE TABLE {0} (id int PRIMARY KEY, v text); INSERT INTO {0} SELECT i, 'v' || i FROM generate_series(1, {1}) i"


class Writer(threading.Thread):
    """Writes to tables (id, v) until told to stop; every transaction moves, adds and deletes rows."""

    def __init__(self, db, *tables):
        super().__init__(daemon=True)
        self.db, self.tables, self.stopping, self.rounds = db, tables, threading.Event(), 0
        self.start()

    def run(self):
        with self.db.connect(autocommit=False) as connection:
            while not self.stopping.is_set():
                n = self.rounds
                for table in self.tables:
                    connection.execute(f"INSERT INTO {table} VALUES ({1_000_000 + n}, 'new')")
                    connection.execute(f"UPDATE {table} SET v = 'round {n}' WHERE id = {n * 37 % 5000 + 1}")
                    connection.execute(f"UPDATE {table} SET id = -id WHERE id = {n * 91 % 5000 + 1}")
                    connection.execute(f"DELETE FROM {table} WHERE id = {n * 53 % 5000 + 1}")
                connection.commit()
                self.rounds += 1

    def stop(self):
        self.stopping.set()
        self.join(30)
        assert not self.is_alive()


@pytest.fixture
def writing(db):
    """writing("t", ...): a writer in the background."""
    writers = []

    def write(*tables):
        writers.append(Writer(db, *tables))
        wait_until(lambda: writers[-1].rounds > 3, what="the writer's first transactions")
        return writers[-1]

    yield write
    for writer in writers:
        writer.stop()


def test_rows_are_read_once_and_the_stream_goes_on(db, job):
    db.sql(ROWS.format("t", 3))
    job.snapshot()
    db.sql("INSERT INTO t VALUES (4, 'v4')")
    job.snapshot()
    assert [(row["_op"], row["id"], row["v"]) for row in job.rows("t")] == [
        ("R", 1, "v1"), ("R", 2, "v2"), ("R", 3, "v3"), ("I", 4, "v4"),
    ]  # fmt: skip


def test_rows_carry_the_consistent_point_minus_one(db, job):
    db.sql(ROWS.format("t", 2))
    job.snapshot()
    first, second = job.rows("t")
    (file,) = job.files("t")
    assert first["_commit_lsn"] == second["_commit_lsn"] < db.flush_lsn()
    assert (first["_seq"], second["_seq"], first["_old"], first["_unchanged"]) == (0, 0, None, None)
    assert file.name == f"{first['_commit_lsn']:016x}_r-00000000.arrow"


def test_an_empty_table_and_an_only_snapshot(db, job):
    db.sql("CREATE TABLE empty (id int PRIMARY KEY); " + ROWS.format("t", 2))
    job.stream(snapshot="only", until=None)
    assert (job.ops("t"), job.rows("empty")) == ("RR", [])


def test_never_reads_nothing(db, job):
    db.sql(ROWS.format("t", 2))
    job.stream(snapshot="never")
    assert job.lake == {}


def test_partitions_are_read_through_their_root(db, new_job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); "
           "CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10); CREATE TABLE high PARTITION OF t DEFAULT; "
           "INSERT INTO t VALUES (1, 'a'), (11, 'b')")  # fmt: skip
    job = new_job("root", tables="public.t")
    job.snapshot()
    assert list(job.lake) == ["public.t"]
    assert sorted(row["id"] for row in job.rows("t")) == [1, 11]


@ways("pgoutput", "wal2arrow")
def test_writes_while_it_runs_leave_no_gap_and_no_overlap(db, job, writing):
    db.sql(ROWS.format("t", 5000) + ";" + ROWS.format("u", 5000))
    writer = writing("t", "u")
    run = job.start("--batch-rows", "500", snapshot="initial", to=[f"ipc:{job.ipc}?rotate_s=1"])
    run.wait_for(lambda: "U" in job.ops("t") and "U" in job.ops("u"), what="changes behind both snapshots")
    wait_until(lambda n=writer.rounds: writer.rounds > n + 20, what="some more writes")
    writer.stop()
    assert run.stop().code == 0
    job.snapshot()
    for table in ("t", "u"):
        assert replay_rows(job.rows(table)) == source_rows(db, table)
        assert job.ops(table).count("R") >= 4000


@ways("pgoutput", "wal2arrow")
def test_a_slot_that_setup_made_earlier_gets_its_snapshot(db, job, writing):
    db.sql(ROWS.format("t", 5000))
    job.setup()
    writer = writing("t")
    db.sql("INSERT INTO t VALUES (-999999, 'between')")
    job.snapshot()
    writer.stop()
    job.snapshot()
    assert replay_rows(job.rows("t")) == source_rows(db, "t")


def test_killed_in_the_second_table_the_first_stays_and_the_second_is_read_again(db, job):
    db.sql(ROWS.format("a", 1000) + ";" + ROWS.format("b", 150_000))
    run = job.start("--batch-rows", "1000", snapshot="initial")
    run.wait_for(lambda: job.files("a"), what="the first table's file")
    run.kill()
    (before,) = job.files("a")
    assert job.files("b") == [], "the second table was finished too soon for this test"
    db.sql("UPDATE a SET v = 'x' WHERE id = 1; UPDATE b SET v = 'x' WHERE id = 1; DELETE FROM b WHERE id = 2;"
           "INSERT INTO b VALUES (-1, 'y')")  # fmt: skip
    job.snapshot()
    assert job.files("a")[0].name == before.name
    assert job.ops("a") == "R" * 1000 + "U"
    assert job.ops("b") == "R" * 150_000  # its own point is after those changes
    assert replay_rows(job.rows("b")) == source_rows(db, "b")


@ways("pgoutput", "wal2arrow")
def test_a_table_made_while_streaming_is_found_and_read_once(db, job):
    db.sql(ROWS.format("t", 1))
    run = job.start(snapshot="initial")
    run.wait_for(lambda: db.slot(job.slot) and db.slot(job.slot)["active"], what="the stream")
    db.sql(ROWS.format("later", 100))
    run.wait_for("later", what="the new table")
    db.sql("INSERT INTO later VALUES (1000, 'after'); UPDATE later SET v = 'x' WHERE id = 1")
    db.sql("INSERT INTO t VALUES (2, 'v2')")
    assert wait_until(lambda: db.sql("SELECT 1 FROM pg_publication_tables WHERE tablename = 'later'"))
    assert run.stop().code == 0
    job.snapshot()
    assert replay_rows(job.rows("later")) == source_rows(db, "later")
    assert replay_rows(job.rows("t")) == source_rows(db, "t")
    assert all(seqs == list(range(len(seqs))) for seqs in positions(job.rows("later")).values())


def test_jsonl_has_the_same_rows_and_changes(db, job, writing):
    db.sql(ROWS.format("t", 2000))
    writer = writing("t")
    job.snapshot(to=[f"jsonl:{job.jsonl}"])
    writer.stop()
    job.snapshot(to=[f"jsonl:{job.jsonl}"])
    ops = {"read": "R", "insert": "I", "update": "U", "delete": "D"}
    changes = [(ops[e["event_type"]], e.get("data") or e["key_data"], e.get("key_data"), None)
               for e in job.events(*ops)]  # fmt: skip
    assert replay(changes) == source_rows(db, "t")


def test_nothing_of_an_unfinished_table_is_visible(db, job):
    db.sql(ROWS.format("t", 200_000))
    run = job.start("--batch-rows", "1000", snapshot="initial")
    run.wait_for(lambda: any(files for _, _, files in os.walk(job.ipc)), what="the first bytes")
    run.kill()
    assert job.lake == {} or len(job.rows("t")) == 200_000


def test_rows_of_every_snapshot_chunk_are_there_once(db, job):
    db.sql(ROWS.format("t", 5000))
    job.stream("--batch-rows", "100", snapshot="initial", to=[f"ipc:{job.ipc}?rotate_rows=1000"])
    assert len(job.files("t")) >= 5
    assert sorted(row["id"] for row in job.rows("t")) == list(range(1, 5001))
    assert own_values(job.rows("t")[0]) == {"id": 1, "v": "v1"}


def test_a_sink_that_comes_later_takes_nothing_from_the_first(db, job, tmp_path):
    """Its rows are read at a later point; the first one gets every change before that all the same."""
    db.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    job.snapshot()
    db.sql("INSERT INTO t VALUES (2)")
    second = tmp_path / "second"
    job.snapshot(to=[f"ipc:{job.ipc}", f"ipc:{second}"])
    assert [row["id"] for row in job.rows("t")] == [1, 2]
    assert [(row["_op"], row["id"]) for row in read_ipc(second).rows("public.t")] == [("R", 1), ("R", 2)]


# ---- status beside it ---------------------------------------------------------------------------------------


def snapshot_status(job):
    """What status says of the snapshot, by table; None before there is a slot."""
    found = job.walrow(*job.arguments("status"), "--json")
    return found.json["snapshot"] if found.code == 0 else None


def test_status_says_how_far_a_snapshot_is(db, job, walrow):
    db.sql(ROWS.format("a", 100_000) + ";" + ROWS.format("b", 10) + "; ANALYZE")
    limits = ["--batch-rows", "1000", "--batch-bytes", "1MB", "--buffer", "off"]
    words = job.arguments_of_stream(*limits, until=None, snapshot="initial", to=["jsonl:-"])
    with subprocess.Popen([walrow.binary, *words], env=walrow.environment(None), stdout=subprocess.PIPE) as process:
        try:  # nobody reads what it prints: it stays in the middle
            found = wait_until(lambda: (s := snapshot_status(job)) and s["tables"] and s["tables"][0]["rows"] and s)
            assert found["state"] == "running"
            a, b = found["tables"]
            assert (a["table"], a["total"], a["done"]) == ("public.a", 100_000, False) and 0 < a["rows"] < 100_000
            assert b == {"table": "public.b", "rows": 0, "total": 10, "done": False}
            assert "000 rows of about 100000\n" in job.walrow(*job.arguments("status"), code=0).out
        finally:
            process.kill()
    job.snapshot(to=[f"jsonl:{job.jsonl}"])
    found = snapshot_status(job)
    assert (found["state"], [table["rows"] for table in found["tables"]]) == ("done", [100_000, 10])


def test_status_lists_the_tables_that_were_read(db, job):
    db.sql(ROWS.format("a", 5) + "; CREATE TABLE b (id int PRIMARY KEY)")
    job.snapshot("--batch-rows", "2")
    done = {"total": None, "done": True}
    assert snapshot_status(job) == {
        "state": "done", "tables": [{"table": "public.a", "rows": 5, **done}, {"table": "public.b", "rows": 0, **done}]
    }  # fmt: skip
    assert "public.a: 5 rows, done" in job.walrow(*job.arguments("status"), code=0).out
