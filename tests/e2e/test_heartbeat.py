"""A quiet publication holds no WAL, and its heartbeats are nobody's data."""

import pytest

from postgres import wait_until

MB = 1 << 20
RETAINED = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), {})::bigint FROM pg_replication_slots WHERE slot_name = %s"


@pytest.fixture
def quiet(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int, v text)")
    job.tables = "public.t"
    job.setup()
    return db


@pytest.fixture
def busy(quiet):
    """Another database of the same server; busy() writes some MB of WAL there and in another table here."""
    elsewhere = quiet.server.create_database(f"{quiet.name}_busy")
    elsewhere.sql("CREATE TABLE t (id int, v text)")

    def write():
        for database, table in ((elsewhere, "t"), (quiet, "other")):
            database.sql(f"INSERT INTO {table} SELECT i, repeat('x', 500) FROM generate_series(1, 8000) i")
        quiet.sql("CHECKPOINT")

    yield write
    elsewhere.drop()


def retained(job, position):
    return job.db.value(RETAINED.format(position), (job.slot,))


@pytest.mark.parametrize("heartbeat", ([], ["--heartbeat", "1"]), ids=["keepalives", "heartbeat"])
def test_wal_retained_stays_bounded_while_others_are_busy(quiet, job, busy, heartbeat):
    run = job.start("--ack-interval", "100", *heartbeat)
    run.wait_for(lambda: quiet.slot(job.slot)["active"], what="the stream")
    before = quiet.flush_lsn()
    for _ in range(6):
        busy()
        run.wait_for(lambda: retained(job, "confirmed_flush_lsn") < MB, what="the position to be confirmed")
        run.wait_for(lambda: retained(job, "restart_lsn") < 24 * MB, what="the WAL to be released")
    assert quiet.flush_lsn() - before > 40 * MB
    assert run.stop().code == 0
    assert job.rows("t") == []


def test_heartbeats_are_written_while_nothing_comes_and_reach_no_sink(quiet, job):
    quiet.sql("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", (f"peek_{quiet.name}",))
    said = lambda: quiet.sql("SELECT data FROM pg_logical_slot_peek_changes(%s, NULL, NULL)", (f"peek_{quiet.name}",))  # noqa: E731
    beats = lambda: sum("prefix: walrow," in data for (data,) in said())  # noqa: E731
    run = job.start("--heartbeat", "1", to=[f"jsonl:{job.jsonl}"])
    wait_until(lambda: beats() >= 2, what="two heartbeats")
    quiet.sql("SELECT pg_logical_emit_message(false, 'mine', 'a'), pg_logical_emit_message(true, 'walrow', 'b')")
    quiet.sql("INSERT INTO t VALUES (1)")
    assert run.stop().code == 0
    job.stream(to=[f"jsonl:{job.jsonl}"])
    messages = [(event["message_prefix"], event["transactional"]) for event in job.events("message")]
    assert messages == [("mine", False), ("walrow", True)]
    assert len(job.events("insert")) == 1


def test_without_it_nothing_is_written(quiet, job):
    quiet.sql("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", (f"peek_{quiet.name}",))
    run = job.start()
    run.wait_for(lambda: quiet.slot(job.slot)["active"], what="the stream")
    with pytest.raises(TimeoutError):
        wait_until(lambda: quiet.sql("SELECT FROM pg_logical_slot_peek_changes(%s, NULL, NULL)", (f"peek_{quiet.name}",)), timeout_s=3)
    run.stop()
