"""Whatever ends it, a restart goes on where it was: every change once, none lost."""

import random
import signal
import time

import pytest

from postgres import lsn_value, wait_until
from streaming import positions, replay, replay_rows, source_rows, ways
from test_snapshot import Writer

pytestmark = ways("pgoutput", "wal2arrow")

TABLES = "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY, v text)"


@pytest.fixture
def writer(db, job):
    db.sql(TABLES)
    db.sql("INSERT INTO t SELECT i, 'v' FROM generate_series(1, 5000) i; INSERT INTO u SELECT i, 'v' FROM generate_series(1, 100) i")
    writer = Writer(db, "t", "u")
    yield writer
    writer.stop()


def assert_whole(db, job):
    """Every position once, no hole in a transaction, and the copy equal to the source."""
    merged = {}
    for table in ("t", "u"):
        rows = job.rows(table)
        for lsn, seqs in positions(rows).items():
            merged.setdefault(lsn, []).extend(seqs)
        assert replay_rows(rows) == source_rows(db, table)
    assert all(sorted(seqs) == list(range(len(seqs))) for seqs in merged.values())


def assert_events_whole(db, job):
    ops = {"read": "R", "insert": "I", "update": "U", "delete": "D"}
    events, merged = job.events(*ops), {}
    for event in events:
        if event["event_type"] != "read":
            merged.setdefault(lsn_value(event["lsn"]), []).append(event["seq"])
    assert list(merged) == sorted(merged)
    assert all(seqs == list(range(len(seqs))) for seqs in merged.values())
    for table in ("t", "u"):
        changes = [(ops[e["event_type"]], e.get("data") or e["key_data"], e.get("key_data"), None)
                   for e in events if e["table"] == table]  # fmt: skip
        assert replay(changes) == source_rows(db, table)


def test_killed_again_and_again_under_load(db, job, writer):
    """Exactly once, in files and in events; the first kills fall into the snapshot."""
    pick = random.Random(3)
    sinks = [f"ipc:{job.ipc}?rotate_rows=200", f"jsonl:{job.jsonl}"]
    for _ in range(7):
        run = job.start("--batch-rows", "50", "--ack-interval", "50", snapshot="initial", to=sinks)
        time.sleep(pick.uniform(0.05, 1.5))
        assert run.alive(), run.err
        run.kill()
    wait_until(lambda: writer.rounds > 50, what="writes that are worth it")
    writer.stop()
    job.snapshot("--batch-rows", "50", to=sinks)
    assert_whole(db, job)
    assert_events_whole(db, job)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_stops_it_with_everything_delivered(db, job, writer, number):
    run = job.start("--ack-interval", "100", snapshot="initial", to=[f"ipc:{job.ipc}", f"jsonl:{job.jsonl}"])
    run.wait_for(lambda: job.files("t"), what="the snapshot")
    time.sleep(0.5)
    run.signal(number)
    assert run.wait().code == 0
    delivered = max(row["_commit_lsn"] for row in job.rows("t"))
    assert lsn_value(db.slot(job.slot)["confirmed_flush_lsn"]) > delivered
    writer.stop()
    job.snapshot(to=[f"ipc:{job.ipc}", f"jsonl:{job.jsonl}"])
    assert_whole(db, job)
    assert_events_whole(db, job)


def test_a_stream_without_changes_lets_the_server_forget_its_wal(db, job):
    db.sql(TABLES + "; CREATE TABLE other (id int)")
    job.tables = "public.t"
    job.setup()
    run = job.start("--ack-interval", "100")
    run.wait_for(lambda: db.slot(job.slot)["active"], what="the stream")
    db.sql("INSERT INTO other SELECT generate_series(1, 1000)")
    end = db.flush_lsn()
    run.wait_for(lambda: lsn_value(db.slot(job.slot)["confirmed_flush_lsn"]) >= end, what="the position to be confirmed")
    assert run.stop().code == 0


def test_a_big_transaction_that_was_cut_by_a_kill_comes_once(db, job):
    db.sql(TABLES)
    job.setup()
    run = job.start("--batch-rows", "100", to=[f"ipc:{job.ipc}?rotate_rows=1000", f"jsonl:{job.jsonl}"])
    run.wait_for(lambda: db.slot(job.slot)["active"], what="the stream")
    db.sql("INSERT INTO t SELECT i, 'v' FROM generate_series(1, 50000) i")
    run.wait_for(lambda: job.files("t"), what="the first files of the transaction")
    run.kill()
    job.stream("--batch-rows", "100", to=[f"ipc:{job.ipc}?rotate_rows=1000", f"jsonl:{job.jsonl}"])
    assert [row["_seq"] for row in job.rows("t")] == list(range(50_000))
    assert [event["seq"] for event in job.events("insert")] == list(range(50_000))


def test_a_big_transaction_whose_connection_breaks_comes_once(db, job):
    rows = 200_000
    db.sql(TABLES)
    job.setup()
    run = job.start("--batch-rows", "1000", "--ack-interval", "100", to=[f"ipc:{job.ipc}?rotate_rows=10000&rotate_s=1"])
    run.wait_for(lambda: db.slot(job.slot)["active"], what="the stream")
    db.sql(f"INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, {rows}) i")
    run.wait_for(lambda: job.files("t"), what="the first file of the transaction")
    run.signal(signal.SIGSTOP)  # the rest does not fit into the sockets' buffers
    assert db.value("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s", (job.slot,))
    run.signal(signal.SIGCONT)
    run.wait_for("trying again", what="the broken connection to be noticed")
    run.wait_for(lambda: sum(file.table.num_rows for file in job.files("t")) >= rows, what="every row")
    assert run.stop().code == 0
    assert [seq for file in job.files("t") for seq in file.table.column("_seq").to_pylist()] == list(range(rows))
    assert len({lsn for file in job.files("t") for lsn in file.table.column("_commit_lsn").unique().to_pylist()}) == 1
