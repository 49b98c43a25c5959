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


def is_calm(pid, over_s=1):
    """It used next to no processor time."""
    before = cpu_ticks(pid)
    time.sleep(over_s)
    return cpu_ticks(pid) - before <= 5


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13]))


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


def rows_of(width):
    """Rows of 32 * width bytes, 60 MB of them but not more than 100,000, in transactions of 20 MB."""
    rows = min(100_000, (60 << 20) // (32 * width))
    return [(i * rows // 3 + 1, (i + 1) * rows // 3, width) for i in range(3)]


LOADS = {
    "small rows": [(5000 * i + 1, 5000 * (i + 1), 1) for i in range(20)],
    "large rows": rows_of(32 * 1024),
    "rows": rows_of(32),
    "one transaction": [(1, 100_000, 20)],
}


def fill(db, load):
    for transaction in LOADS[load]:
        insert(db, *transaction)


@pytest.mark.parametrize("load", LOADS)
def test_memory_is_bounded_whatever_a_sink_does(shop, job, blocked, load):
    process = blocked(job, "--batch-bytes", "16MB", "--ack-interval", "100", "--buffer", "off")
    fill(shop, load)
    # nothing more is read once the queue is full, or all was
    wait_until(lambda: is_calm(process.pid), what="the stream to wait for its sink", timeout_s=120)
    assert process.poll() is None
    assert lsn_value(shop.slot(job.slot)["confirmed_flush_lsn"]) < shop.flush_lsn()
    assert peak_bytes(process.pid) < LIMIT


@pytest.mark.parametrize("load", LOADS)
def test_memory_is_bounded_with_the_buffer_too(shop, job, blocked, load):
    """A sink that is blocked, one that is not: all that comes goes through the buffer."""
    process = blocked(job, "--batch-bytes", "16MB", "--ack-interval", "100", "--to", f"ipc:{job.ipc}?rotate_s=1")
    fill(shop, load)
    end = shop.flush_lsn()
    wait_until(lambda: lsn_value(shop.slot(job.slot)["confirmed_flush_lsn"]) >= end, what="the buffer to have all", timeout_s=120)
    count = max(last for _, last, _ in LOADS[load])
    in_files = lambda: sum(file.table.num_rows for file in job.files("t"))  # noqa: E731
    wait_until(lambda: in_files() == count, what="the other sink to have all", timeout_s=120, interval_s=0.5)
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
