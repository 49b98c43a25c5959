"""It stays up, small and answering whatever a sink does, and leaves when it is told to, with nothing doubled."""

import fcntl
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from postgres import lsn_value, wait_until
from readers import read_jsonl
from streaming import Job

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text)"
LIMIT = 100 << 20
buffers = pytest.mark.parametrize("buffer", ["off", "on"])


@pytest.fixture
def shop(db, job):
    db.sql(TABLE)
    job.setup()
    return db


def insert(db, first, last, width=1):
    """One transaction; rows of 32 * width bytes, which the server does not compress."""
    db.sql(f"INSERT INTO t SELECT i, repeat(md5(i::text), {width}) FROM generate_series({first}, {last}) i")


@pytest.fixture
def blocked(walrow):
    """blocked(job, ...): a stream into jsonl:- that nobody reads, unless its stdout is; the process."""
    started = []

    def start(job, *args):
        words = job.arguments_of_stream(*args, until=None, to=["jsonl:-"])
        process = subprocess.Popen([walrow.binary, *words], env=walrow.environment(None), cwd=walrow.folder,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        started.append(process)
        wait_until(lambda: job.db.slot(job.slot)["active"], what="the stream")
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for_full_pipe(process):
    """Until it has printed more than fits: what is left of a pipe's room is less than a write of PIPE_BUF bytes."""
    room = fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ)
    waiting = lambda: struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, bytes(4)))[0]  # noqa: E731
    wait_until(lambda: waiting() > room - select.PIPE_BUF, what="the pipe to be full")


def free(job):
    wait_until(lambda: not job.db.slot(job.slot)["active"], what="the slot to be free")


def peak_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


# ---- told to stop ----


@buffers
def test_told_twice_it_leaves_whatever_a_sink_does(shop, job, blocked, buffer):
    process = blocked(job, "--buffer", buffer)
    insert(shop, 1, 20_000)
    wait_for_full_pipe(process)
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    free(job)
    seen = [event["data"]["id"] for event in read_jsonl(job.stream("--buffer", buffer, to=["jsonl:-"]).out) if event["event_type"] == "insert"]
    assert seen == list(range(1, 20_001))


# ---- a sink that blocks ----


def test_a_sink_blocked_for_longer_than_the_servers_patience_costs_no_connection(new_server, walrow, tmp_path, blocked):
    server = new_server(conf={"wal_sender_timeout": "2s"})
    db = server.create_database("patience")
    db.sql(TABLE)
    job = Job(db, walrow, tmp_path)
    job.setup()
    process = blocked(job, "--batch-bytes", "1MB", "--buffer", "off")
    pid = db.slot(job.slot)["active_pid"]
    insert(db, 1, 200_000, width=4)
    time.sleep(7)
    assert db.slot(job.slot)["active_pid"] == pid
    process.send_signal(signal.SIGTERM)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0 and b"trying again" not in said
    seen = [event["data"]["id"] for event in read_jsonl(out.decode()) if event["event_type"] == "insert"]
    assert seen and seen == list(range(1, len(seen) + 1))


def test_memory_is_bounded_whatever_a_sink_does(shop, job, blocked):
    process = blocked(job, "--batch-bytes", "16MB", "--ack-interval", "100", "--buffer", "off")
    for i in range(10):  # transactions of 20 MB
        insert(shop, 20_000 * i + 1, 20_000 * (i + 1), width=32)
    end = shop.flush_lsn()
    time.sleep(5)
    assert lsn_value(shop.slot(job.slot)["confirmed_flush_lsn"]) < end
    assert process.poll() is None
    assert peak_bytes(process.pid) < LIMIT


# ---- the server leaves ----


@buffers
def test_a_server_that_shuts_down_fast_is_not_kept_waiting(new_server, walrow, tmp_path, buffer):
    server = new_server()
    db = server.create_database("leaving")
    db.sql(TABLE)
    job = Job(db, walrow, tmp_path)
    job.setup()
    run = job.start("--buffer", buffer)  # files that stay open for minutes
    run.wait_for(lambda: db.slot(job.slot)["active"], what="the stream")
    insert(db, 1, 50_000)
    stopped_at = time.monotonic()
    server.stop("fast")
    assert time.monotonic() - stopped_at < 30
    server.start()
    insert(db, 50_001, 50_010)
    assert run.stop().code == 0
    job.stream("--buffer", buffer)
    assert [row["id"] for row in job.rows("t")] == list(range(1, 50_011))
