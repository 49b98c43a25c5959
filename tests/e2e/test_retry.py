"""What heals by waiting is waited for, from the very start on; what does not is said at once."""

import contextlib
import signal
import subprocess

import pytest

from postgres import clean_environment, free_port, lsn_text, wait_until
from streaming import Job

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text)"


@pytest.fixture
def restless(new_server, walrow, tmp_path):
    """A job on a server of its own, which may be stopped."""
    server = new_server()
    db = server.create_database("restless")
    db.sql(TABLE)
    job = Job(db, walrow, tmp_path)
    job.setup()
    return job


def insert(job, *ids):
    for number in ids:
        job.db.sql("INSERT INTO t VALUES (%s, 'x')", (number,))


def ids(job):
    return [row["id"] for row in job.rows("t")]


def wait_for_ids(job, run, *expected):
    run.wait_for(lambda: ids(job) == list(expected), what=f"{expected}, not {ids(job)}")


def to_ipc(job):
    return [f"ipc:{job.ipc}?rotate_s=1"]


@contextlib.contextmanager
def held(job, replication_job=None):
    """pg_recvlogical streams from the job's slot; gives its process."""
    slot = (replication_job or job).slot
    command = ["pg_recvlogical", "-d", job.db.dsn(), "-S", slot, "--start", "-f", "/dev/null", "-o", "proto_version=1",
               "-o", f"publication_names={slot}"]  # fmt: skip
    process = subprocess.Popen(command, env=clean_environment(), stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: job.db.slot(slot)["active"], what="pg_recvlogical to stream")
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


# ---- once it runs -------------------------------------------------------------------------------------------


def test_a_terminated_walsender_is_connected_again(db, job):
    db.sql(TABLE)
    job.setup()
    run = job.start(to=to_ipc(job))
    for number in (1, 2, 3):
        insert(job, number)
        wait_for_ids(job, run, *range(1, number + 1))
        assert db.value("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s", (job.slot,))
    insert(job, 4)
    wait_for_ids(job, run, 1, 2, 3, 4)
    assert run.stop().code == 0
    assert "administrator command" in run.err


def test_a_stopped_walsender_is_left_and_its_slot_waited_for(restless):
    """A process that is stopped keeps its connection open, and the slot."""
    run = restless.start("--receive-timeout", "2", to=to_ipc(restless))
    insert(restless, 1)
    wait_for_ids(restless, run, 1)
    pid = restless.db.slot(restless.slot)["active_pid"]
    subprocess.run(["kill", "-STOP", str(pid)], check=True)
    try:
        insert(restless, 2)
        run.wait_for("the server has said nothing for 2 s")
        run.wait_for(f"is active for PID {pid}")
    finally:
        subprocess.run(["kill", "-CONT", str(pid)], check=True)
    wait_for_ids(restless, run, 1, 2)
    assert run.stop().code == 0


def test_the_other_host_is_asked_when_the_first_is_gone(new_server, walrow, tmp_path):
    """Two addresses of one server: the first goes away while it streams."""
    server = new_server(tcp=True)
    db = server.create_database("hosts")
    db.sql(TABLE)
    job = Job(db, walrow, tmp_path)
    job.setup()
    url = f"postgresql://postgres@/{db.name}?host=127.0.0.1,{server.folder}&port={server.port},{server.port}"
    run = job.start("-d", url, to=to_ipc(job))
    insert(job, 1)
    wait_for_ids(job, run, 1)
    server.settings["listen_addresses"] = ""
    server.write_configuration()
    server.restart()
    insert(job, 2)
    wait_for_ids(job, run, 1, 2)
    assert run.stop().code == 0


def test_another_server_in_the_place_of_the_first_is_refused(new_server, walrow, tmp_path):
    first, second = (new_server(tcp=True, unique=True) for _ in range(2))
    jobs = []
    for server in (first, second):
        db = server.create_database("twins")
        db.sql(TABLE)
        jobs.append(Job(db, walrow, tmp_path))
        jobs[-1].setup()
    url = f"postgresql://postgres@127.0.0.1:{first.port},127.0.0.1:{second.port}/twins"
    run = jobs[0].start("-d", url, to=to_ipc(jobs[0]))
    insert(jobs[0], 1)
    wait_for_ids(jobs[0], run, 1)
    first.stop()
    result = run.wait()
    assert result.code == 4
    assert "another server answers" in result.err


def test_a_server_that_does_not_come_back_is_given_up_when_asked(restless):
    run = restless.start("--retry-max", "3", to=to_ipc(restless))
    insert(restless, 1)
    wait_for_ids(restless, run, 1)
    restless.db.server.stop()
    result = run.wait()
    assert result.code == 3
    assert "given up after 4 failures in a row: --retry-max" in result.err


# ---- from the very start ------------------------------------------------------------------------------------


def test_a_server_that_is_not_up_yet_is_waited_for(restless):
    restless.db.server.stop()
    run = restless.start(to=to_ipc(restless))
    run.wait_for("trying again in")
    restless.db.server.start()
    insert(restless, 1)
    wait_for_ids(restless, run, 1)
    assert run.stop().code == 0


def test_a_server_that_never_comes_up_is_given_up_when_asked(restless):
    restless.db.server.stop()
    result = restless.stream("--retry-seconds", "1", code=3)
    assert "--retry-seconds" in result.err
    assert restless.stream("--retry-max", "0", code=3).err.count("trying again") == 0


def test_waiting_for_a_server_ends_when_asked(restless):
    restless.db.server.stop()
    run = restless.start(to=to_ipc(restless))
    run.wait_for("trying again in")
    assert run.stop().code == 0


def test_an_active_slot_is_waited_for_and_its_holder_named(db, job):
    db.sql(TABLE)
    job.setup()
    with held(job):
        pid = db.slot(job.slot)["active_pid"]
        run = job.start(to=to_ipc(job))
        run.wait_for(f"is active for PID {pid}")
        assert run.alive()
    insert(job, 1)
    wait_for_ids(job, run, 1)
    assert run.stop().code == 0


def test_a_free_wal_sender_is_waited_for(new_server, walrow, tmp_path):
    server = new_server(conf={"max_wal_senders": 1})
    db = server.create_database("full")
    db.sql(TABLE)
    job, other = Job(db, walrow, tmp_path), Job(db, walrow, tmp_path, slot="other")
    job.setup(), other.setup()
    with held(other):
        run = job.start(to=to_ipc(job))
        run.wait_for("max_wal_senders")
        assert run.alive()
    insert(job, 1)
    wait_for_ids(job, run, 1)
    assert run.stop().code == 0


def test_a_recording_goes_on_after_a_restart(restless, walrow, tmp_path):
    file = tmp_path / "changes.walrow"
    run = walrow.start(*restless.arguments("record"), file)
    insert(restless, 1)
    run.wait_for(lambda: file.exists(), what="the recording")
    restless.db.server.restart()
    run.wait_for("trying again in")
    insert(restless, 2)
    wait_until(lambda: restless.db.slot(restless.slot)["active"], what="the recording to go on")
    insert(restless, 3)
    received = f"SELECT bool_and(write_lsn >= '{lsn_text(restless.db.flush_lsn())}') FROM pg_stat_replication"
    wait_until(lambda: restless.db.value(received), what="all to be received")
    assert run.stop().code == 0
    walrow("decode", file, "--to", f"jsonl:{restless.jsonl}", code=0)
    assert [event["data"]["id"] for event in restless.events("insert")] == [1, 2, 3]


# ---- at once ------------------------------------------------------------------------------------------------


def test_what_does_not_heal_is_said_at_once(db, job, walrow):
    db.sql(TABLE)
    missing = walrow(*job.arguments_of_stream("--no-setup"))
    assert missing.code == 5
    job.setup()
    db.sql(f"DROP PUBLICATION {job.slot}")
    insert(job, 1)
    assert walrow(*job.arguments_of_stream("--no-setup")).code == 6
    wrong = walrow(*job.arguments_of_stream("-d", db.url(user="nobody_of_that_name")))
    assert wrong.code == 3
    assert all("trying again" not in result.err for result in (missing, wrong))


@pytest.mark.parametrize("command", ["check", "tables", "setup", "status"])
def test_other_commands_do_not_wait_for_a_server(walrow, command):
    result = walrow(command, "-d", f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    assert result.code == 3
    assert "trying again" not in result.err
