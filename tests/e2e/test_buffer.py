"""The buffer between stream and sinks: a slow sink holds back neither the others nor the server's WAL."""

import os
import subprocess

import pytest

from postgres import lsn_value, wait_until
from readers import read_jsonl

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (0, 'first')"


def insert(db, first, last, width=10):
    db.sql(f"INSERT INTO t SELECT i, repeat(md5(i::text), {width}) FROM generate_series({first}, {last}) i")


@pytest.fixture
def blocked(db, job, walrow):
    """A stream into jsonl:- that nobody reads, and into the ipc: folder; the process."""
    started = []

    def start(*args):
        words = job.arguments_of_stream(*args, until=None, snapshot="initial", to=["jsonl:-", f"ipc:{job.ipc}?rotate_rows=1000"])
        process = subprocess.Popen([walrow.binary, *words], env=walrow.environment(None), cwd=walrow.folder,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # fmt: skip
        started.append(process)
        wait_until(lambda: db.slot(job.slot) and db.slot(job.slot)["active"], what="the stream")
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def shop(db, job):
    db.sql(TABLE)
    return db


def test_a_blocked_sink_holds_back_neither_the_others_nor_the_wal(shop, job, blocked):
    blocked("--ack-interval", "100")
    insert(shop, 1, 5000)
    end = shop.flush_lsn()
    wait_until(lambda: len([row for row in job.rows("t") if row["_op"] == "I"]) >= 4000, what="rows in the other sink")
    wait_until(lambda: lsn_value(shop.slot(job.slot)["confirmed_flush_lsn"]) >= end, what="the WAL to be released")


def test_what_a_sink_had_not_taken_comes_at_the_next_start(shop, job, blocked):
    process = blocked("--ack-interval", "100")
    insert(shop, 1, 5000)
    end = shop.flush_lsn()
    wait_until(lambda: lsn_value(shop.slot(job.slot)["confirmed_flush_lsn"]) >= end, what="the WAL to be released")
    process.kill()
    process.wait()
    wait_until(lambda: not shop.slot(job.slot)["active"], what="the slot to be free")
    out = job.stream(snapshot="initial", to=["jsonl:-", f"ipc:{job.ipc}"]).out
    seen = [event["data"]["id"] for event in read_jsonl(out) if event["event_type"] == "insert"]
    assert sorted(set(seen)) == list(range(1, 5001))
    assert sorted(row["id"] for row in job.rows("t")) == list(range(5001)), "and the other sink has each once"


def test_past_its_bound_the_stream_waits(shop, job, blocked, walrow):
    blocked("--ack-interval", "100", "--buffer-bytes", "1MB", "--batch-rows", "500")
    shop.sql("INSERT INTO t SELECT i, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 100) j) "
             "FROM generate_series(1, 5000) i")  # fmt: skip
    end = shop.flush_lsn()
    db = os.path.join(walrow.folder, "state", "walrow", job.slot, "db")
    size = lambda: sum(os.path.getsize(os.path.join(db, name)) for name in os.listdir(db))  # noqa: E731
    with pytest.raises(TimeoutError):
        wait_until(lambda: lsn_value(shop.slot(job.slot)["confirmed_flush_lsn"]) >= end, timeout_s=4)
    assert size() < 12 << 20, "5000 rows of 3 kB do not compress"


def test_without_the_buffer_what_is_in_it_is_not_passed_over(shop, job, blocked):
    process = blocked("--ack-interval", "100")
    insert(shop, 1, 5000)
    end = shop.flush_lsn()
    wait_until(lambda: lsn_value(shop.slot(job.slot)["confirmed_flush_lsn"]) >= end, what="the WAL to be released")
    process.kill()
    process.wait()
    wait_until(lambda: not shop.slot(job.slot)["active"], what="the slot to be free")
    said = job.stream("--buffer", "off", to=["jsonl:-"], code=10).err
    assert "change sets that a sink does not have yet" in said and "--buffer on" in said


def test_one_sink_has_none_unless_it_is_asked_for(shop, job, walrow):
    job.stream(snapshot="initial")
    insert(shop, 1, 10)
    job.stream("--buffer", "on")
    assert [row["id"] for row in job.rows("t")] == list(range(11))
    job.stream("--buffer", "off")


def test_a_sink_left_out_for_a_while_is_told(shop, job, tmp_path):
    both = [f"ipc:{job.ipc}", f"jsonl:{tmp_path / 'events'}"]
    job.stream(snapshot="initial", to=both)
    insert(shop, 1, 10)
    job.stream(to=both[:1])
    said = job.stream(to=both, code=10).err
    assert "was left out for a while" in said
    job.stream(to=both[:1])


def test_no_state_no_buffer(job, shop):
    assert "--state off" in job.stream("--state", "off", "--buffer", "on", code=2).err
    job.stream("--state", "off", to=[f"ipc:{job.ipc}", "null:"], snapshot="initial")
