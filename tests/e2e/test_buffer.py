"""The buffer between stream and sinks: a slow sink holds back neither the others nor the server's WAL."""

import contextlib
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


def size_of(folder):
    """Of its files, which may go meanwhile."""
    size = 0
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            size += os.path.getsize(os.path.join(folder, name))
    return size


def test_past_its_bound_the_stream_waits(shop, job, blocked, walrow):
    blocked("--ack-interval", "100", "--buffer-bytes", "1MB", "--batch-rows", "500")
    shop.sql("INSERT INTO t SELECT i, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 100) j) "
             "FROM generate_series(1, 5000) i")  # fmt: skip
    end = shop.flush_lsn()
    with pytest.raises(TimeoutError):
        wait_until(lambda: lsn_value(shop.slot(job.slot)["confirmed_flush_lsn"]) >= end, timeout_s=4)
    assert size_of(os.path.join(walrow.folder, "state", "walrow", job.slot, "db")) < 12 << 20, "5000 rows of 3 kB do not compress"


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


# ---- sinks that come and go ----


@pytest.fixture
def sinks(job, walrow):
    """sinks("remove", uri): what is listed then."""
    return lambda *args, code=0: walrow("sinks", *args, "-S", job.slot, *(["--json"] if code == 0 else []), code=code)


def known(result):
    return {sink["uri"]: sink for sink in result.json["sinks"]}


def test_a_sink_that_is_left_out_is_asked_for_and_can_be_forgotten(shop, job, tmp_path, sinks):
    both = [f"ipc:{job.ipc}", f"jsonl:{tmp_path / 'events'}"]
    job.stream(snapshot="initial", to=both)
    insert(shop, 1, 10)
    for buffer in ("auto", "on", "off"):
        said = job.stream("--buffer", buffer, to=both[:1], code=10).err
        assert f"walrow sinks remove {both[1]}" in said
    assert set(known(sinks("remove", both[1]))) == {both[0]}
    job.stream(to=both[:1])
    assert [row["id"] for row in job.rows("t")] == list(range(11)), "and nothing was lost by asking"


def test_what_waits_for_a_sink_is_listed_and_forgotten_with_it(shop, job, blocked, sinks):
    process = blocked("--ack-interval", "100")
    insert(shop, 1, 5000)
    ipc = f"ipc:{job.ipc}"
    wait_until(lambda: len([row for row in job.rows("t") if row["_op"] == "I"]) >= 4000, what="rows in the other sink")
    wait_until(lambda: known(sinks("list"))["jsonl:-"]["waiting"] > 0, what="something to wait, beside the stream")
    assert "in use by process" in sinks("remove", "jsonl:-", code=10).err
    process.kill()
    process.wait()
    wait_until(lambda: not shop.slot(job.slot)["active"], what="the slot to be free")
    waiting = known(sinks("list"))["jsonl:-"]
    assert waiting["waiting"] > 0 and waiting["waiting_bytes"] > 1000 and waiting["cursor"] > 0
    assert "jsonl:-" not in known(sinks("remove", "jsonl:-"))
    job.stream(to=[ipc])
    assert sorted(row["id"] for row in job.rows("t")) == list(range(5001)), "what the other waits for stays"
    job.stream("--buffer", "off", to=[ipc])


def test_a_sink_that_is_added_has_the_tables_read_and_all_that_comes(shop, job, tmp_path, sinks):
    ipc, events = f"ipc:{job.ipc}", f"jsonl:{tmp_path / 'events'}"
    job.stream(snapshot="initial", to=[ipc])
    insert(shop, 1, 10)
    assert known(sinks("add", events))[events]["cursor"] == 1
    assert "known already" in sinks("add", events, code=2).err
    assert f"--to {events}" in job.stream(to=[ipc], code=10).err
    job.stream(snapshot="initial", to=[ipc, events])
    assert [row["id"] for row in job.rows("t")] == list(range(11))
    seen = {event["data"]["id"] for event in read_jsonl(tmp_path / "events") if event["event_type"] in ("read", "insert")}
    assert seen == set(range(11))


def test_sinks_says_what_it_cannot(shop, job, sinks):
    assert "there is no state" in sinks("add", "null:", code=10).err
    assert known(sinks()) == {}
    job.stream(to=["null:"])
    assert "walrow sinks list" in sinks("remove", "parquet:nowhere", code=2).err
    assert sinks("add", "nothing:at-all", code=2).err
    assert "needs a URI" in sinks("add", code=2).err
    assert "does not know" in sinks("drop", "null:", code=2).err


def test_no_state_no_buffer(job, shop):
    assert "--state off" in job.stream("--state", "off", "--buffer", "on", code=2).err
    job.stream("--state", "off", to=[f"ipc:{job.ipc}", "null:"], snapshot="initial")
