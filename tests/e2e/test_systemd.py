"""A service manager is told when the stream runs, how it does, and that it stops: sd_notify(3)."""

import os
import signal
import socket
import time

import pytest

from postgres import free_port, wait_until

TABLE = "CREATE TABLE t (id int PRIMARY KEY)"


class Manager:
    """The end of NOTIFY_SOCKET that systemd has."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.setblocking(False)
        self.heard = []

    def listen(self):
        try:
            while True:
                self.heard.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return self.heard

    def wait_for(self, message):
        wait_until(lambda: any(heard.startswith(message) for heard in self.listen()), what=message)


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path):
    name = str(tmp_path / "notify") if request.param == "file" else f"@walrow-test-{os.getpid()}"
    manager = Manager(name)
    yield manager
    manager.socket.close()


def start(job, manager, *args, **env):
    words = job.arguments_of_stream(*args, to=["null:"], until=None)
    return job.walrow.start(*words, env={"NOTIFY_SOCKET": manager.name} | env)


def test_a_stream_tells_when_it_runs_and_when_it_stops(db, job, manager):
    db.sql(TABLE)
    job.setup()
    run = start(job, manager)
    manager.wait_for("READY=1")
    manager.wait_for("STATUS=streaming: 0 changes")
    db.sql("INSERT INTO t VALUES (1)")
    manager.wait_for("STATUS=streaming: 1 changes in 1 transactions")
    assert "STOPPING=1" not in manager.listen()
    assert run.stop().code == 0
    heard = manager.listen()
    assert (heard.count("READY=1"), heard.count("STOPPING=1")) == (1, 1)
    assert "WATCHDOG=1" not in heard


def test_it_is_not_ready_before_the_server_is(job, manager):
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    run = start(job, manager, "-d", nowhere, WATCHDOG_USEC="400000")
    run.wait_for("trying again in")
    manager.wait_for("WATCHDOG=1")
    assert "READY=1" not in manager.listen()
    assert run.stop().code == 0
    assert manager.listen()[-1] == "STOPPING=1"


def test_the_watchdog_hears_of_a_stream_that_turns(db, job, manager):
    db.sql(TABLE)
    job.setup()
    run = start(job, manager, WATCHDOG_USEC="400000")
    watched = lambda: manager.listen().count("WATCHDOG=1")  # noqa: E731
    wait_until(lambda: watched() > 3, what="the watchdog")
    run.signal(signal.SIGSTOP)
    time.sleep(0.2)
    before = watched()
    time.sleep(0.5)
    assert watched() == before
    run.signal(signal.SIGCONT)
    wait_until(lambda: watched() > before, what="the watchdog")
    assert run.stop().code == 0


def test_another_process_is_watched(db, job, manager):
    db.sql(TABLE)
    job.setup()
    run = start(job, manager, WATCHDOG_USEC="100000", WATCHDOG_PID="1")
    manager.wait_for("STATUS=")
    assert run.stop().code == 0
    assert "WATCHDOG=1" not in manager.listen()


def test_a_failure_is_an_end_too(job, manager):
    run = start(job, manager, PGOPTIONS="-c no_such_setting=1")
    assert run.wait().code == 3
    assert manager.listen() == ["STOPPING=1"]
