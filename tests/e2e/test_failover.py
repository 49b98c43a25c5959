"""The primary is gone and a standby with its slots is promoted: the stream goes on, or says why it cannot."""

import json
import os
import re
import signal
import urllib.parse

import duckdb
import pytest

from command import Walrow
from conftest import ROOT
from postgres import Database, lsn_value, run_as_server_user, wait_until
from readers import read_ipc, read_jsonl, read_parquet
from streaming import Job

TABLES = "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY)"
SINKS = {"ipc": "ipc:{}/lake", "parquet": "parquet:{}/files", "jsonl": "jsonl:{}/events.jsonl", "duckdb": "duckdb:{}/replica.duckdb"}


class Cluster(Database):
    """A database of a primary and its standby; what is asked of it, is asked of whichever is primary now."""

    def __init__(self, new_server):
        self.new_server, self.primary = new_server, new_server(conf={"hot_standby": "on"})
        self.standby = None
        database = self.primary.create_database("shop")
        super().__init__(self.primary, database.name)
        self.sql(TABLES)

    def add_standby(self):
        """A copy, with all the slots there are."""
        self.primary.stop()
        self.standby = self.new_server(standby_of=self.primary)
        self.primary.start()
        self.wait_replayed()

    def url(self, user="postgres", **more):
        hosts = [self.primary] + ([self.standby] if self.standby else [])
        words = {"host": ",".join(s.folder for s in hosts), "port": ",".join(str(s.port) for s in hosts),
                 "target_session_attrs": "read-write"}  # fmt: skip
        return f"postgresql://{user}@/{self.name}?{urllib.parse.urlencode(words | more)}"

    def wait_replayed(self):
        end = self.flush_lsn()

        def replayed():
            lsn = self.standby.sql("SELECT pg_last_wal_replay_lsn()::text")[0][0]
            return lsn is not None and lsn_value(lsn) >= end

        wait_until(replayed, timeout_s=60, what="the standby to have all")

    def wait_received(self, run):
        """Until walrow says it has what there is, durable or not."""
        end = self.flush_lsn()
        received = "SELECT write_lsn::text FROM pg_stat_replication WHERE application_name = 'walrow'"
        run.wait_for(lambda: any(lsn and lsn_value(lsn) >= end for (lsn,) in self.sql(received)), timeout=60, what="the rows")

    def detach(self):
        """From now on the primary writes for itself alone."""
        self.standby.configure(primary_conninfo="")
        wait_until(
            lambda: not self.primary.sql("SELECT 1 FROM pg_stat_replication WHERE application_name = 'walreceiver'"),
            timeout_s=60, what="the standby to let go",
        )  # fmt: skip

    def fail_over(self):
        self.primary.kill()
        self.standby.promote()
        self.server = self.standby

    def insert(self, first, last):
        self.sql(f"INSERT INTO t SELECT i, 'v' FROM generate_series({first}, {last}) i")


@pytest.fixture
def cluster(new_server):
    return Cluster(new_server)


@pytest.fixture
def sink_job(cluster, walrow, tmp_path):
    """sink_job("ipc", "jsonl"): a slot and its sinks, with the buffer where there are several."""

    def new(*kinds, tables="public.t", name=None):
        job = Job(cluster, walrow, tmp_path, name or "_".join(kinds), tables=tables)
        job.kinds = kinds
        job.to = [SINKS[kind].format(job.folder) for kind in kinds]
        job.setup()
        return job

    return new


@pytest.fixture
def crashing(tmp_path):
    """The build with crash points."""
    binary = os.environ.get("WALROW_CAMPAIGN_BIN") or os.path.join(ROOT, "build-campaign", "walrow")
    command = Walrow(os.path.abspath(binary), tmp_path)
    yield command
    command.close()


def stream(job, *args, code=0):
    return job.stream(*args, to=job.to, code=code)


def ids_in(job, kind, table="t"):
    """Of all inserts, in their order; of a replica, in order."""
    if kind == "duckdb":
        with duckdb.connect(f"{job.folder}/replica.duckdb", read_only=True) as connection:
            return [number for (number,) in connection.execute(f"SELECT id FROM public.{table} ORDER BY id").fetchall()]
    if kind == "jsonl":
        return [event["data"]["id"] for event in read_jsonl(f"{job.folder}/events.jsonl") if event["event_type"] == "insert"]
    lake = read_ipc(f"{job.folder}/lake") if kind == "ipc" else read_parquet(f"{job.folder}/files")
    return [row["id"] for row in lake.rows(f"public.{table}")]


def assert_ids(job, *expected, table="t"):
    for kind in job.kinds:
        assert ids_in(job, kind, table) == list(expected), f"{kind} of {job.kinds}"


def timeline_of(job, kind):
    if kind == "duckdb":
        with duckdb.connect(f"{job.folder}/replica.duckdb", read_only=True) as connection:
            return connection.execute("SELECT timeline FROM _walrow.state").fetchone()[0]
    path = {"jsonl": ".events.jsonl.walrow.json", "ipc": "lake/_walrow.json", "parquet": "files/_walrow.json"}[kind]
    with open(os.path.join(job.folder, path), encoding="utf-8") as file:
        return json.load(file)["timeline"]


# ---- it goes on ----


def test_what_was_read_before_and_what_comes_after_are_there_once(cluster, sink_job):
    jobs = [*map(sink_job, SINKS), sink_job(*SINKS)]
    cluster.add_standby()
    cluster.insert(1, 10)
    for job in jobs:
        stream(job)
        assert_ids(job, *range(1, 11))
    cluster.insert(11, 20)  # read from the promoted server
    cluster.wait_replayed()
    cluster.fail_over()
    cluster.insert(21, 30)
    for job in jobs:
        said = stream(job).err
        assert "on timeline 2 now, which branched off timeline 1" in said
        assert_ids(job, *range(1, 31))
        assert [timeline_of(job, kind) for kind in job.kinds] == [2] * len(job.kinds)
    cluster.insert(31, 31)
    for job in jobs:
        assert "branched off" not in stream(job).err, "that is remembered"
        assert_ids(job, *range(1, 32))


def test_a_running_stream_goes_on_with_the_other_host(cluster, sink_job):
    jobs = {"pushed": sink_job("ipc"), "pulled": sink_job("ipc", name="pulled"), "buffered": sink_job(*SINKS)}
    cluster.add_standby()
    runs = []
    for way, job in jobs.items():
        to = [f"{to}?rotate_s=1" if to.startswith(("ipc:", "parquet:")) else to for to in job.to]
        runs.append(job.start("--ack-interval", "100", "--transport", "pull" if way == "pulled" else "auto", to=to))
    jobs = jobs.values()
    cluster.insert(1, 10)
    for job, run in zip(jobs, runs):
        run.wait_for(lambda job=job: ids_in(job, "ipc") == list(range(1, 11)), timeout=60, what="the first rows")
    cluster.wait_replayed()
    cluster.fail_over()
    cluster.insert(11, 20)
    for job, run in zip(jobs, runs):
        run.wait_for(lambda job=job: ids_in(job, "ipc") == list(range(1, 21)), timeout=60, what="the rows after it")
        assert run.stop().code == 0
        assert "on timeline 2 now" in run.err
        assert_ids(job, *range(1, 21))
        assert [timeline_of(job, kind) for kind in job.kinds] == [2] * len(job.kinds)
        stream(job)
        assert_ids(job, *range(1, 21))


CRASHES = ["before-replace:2", "before-replace:3", "after-replace:3", "before-replace:4", "before-state:1", "after-state:1", "after-state:2"]


def test_killed_between_one_who_follows_and_the_next(cluster, sink_job, crashing):
    """Sinks and state follow one after the other; whoever was killed between them goes on."""
    jobs = {crash: sink_job(*SINKS, name=re.sub(r"\W", "_", crash)) for crash in CRASHES}
    cluster.add_standby()
    cluster.insert(1, 10)
    for job in jobs.values():
        stream(job)
    cluster.insert(11, 20)
    cluster.wait_replayed()
    cluster.fail_over()
    cluster.insert(21, 30)
    for crash, job in jobs.items():
        crashing(*job.arguments_of_stream(to=job.to), env={"WALROW_CRASH": crash}, code=-signal.SIGKILL)
        wait_until(lambda job=job: not cluster.slot(job.slot)["active"], what="the slot to be free")
        stream(job)
        assert_ids(job, *range(1, 31))
        assert [timeline_of(job, kind) for kind in job.kinds] == [2] * len(job.kinds), crash


def test_what_only_keepalives_confirmed_is_not_skipped(cluster, sink_job):
    """Nothing came for u, so what the old primary said it had read is not the new one's."""
    job = sink_job("ipc", tables="public.u")
    cluster.add_standby()
    cluster.detach()
    cluster.insert(1, 20_000)
    stream(job)
    ahead = cluster.flush_lsn()
    cluster.fail_over()
    cluster.sql("INSERT INTO u VALUES (1)")
    assert cluster.flush_lsn() < ahead
    stream(job)
    assert_ids(job, 1, table="u")


def test_what_is_in_no_file_for_good_is_forgotten(cluster, sink_job):
    """Rows that were never replicated came, but no file had ended with them."""
    job = sink_job("ipc")
    cluster.add_standby()
    cluster.insert(1, 10)
    stream(job)
    cluster.wait_replayed()
    cluster.detach()
    run = job.start("--ack-interval", "50", to=[job.to[0] + "?rotate_s=3600"])
    run.wait_for(lambda: cluster.slot(job.slot)["active"], what="the stream")
    cluster.insert(11, 20)
    cluster.wait_received(run)
    cluster.fail_over()
    cluster.insert(101, 110)
    run.wait_for("on timeline 2 now", timeout=60)
    run.wait_for(lambda: cluster.slot(job.slot)["active"], timeout=60, what="the stream")
    stopped = run.stop()
    assert stopped.code == 0 and "of timeline 1, which the server left" in stopped.err
    stream(job)
    assert_ids(job, *range(1, 11), *range(101, 111))


# ---- it cannot ----


def assert_refused(result):
    assert "which the server left at" in result.err and "bytes of WAL further than this server ever was" in result.err
    assert "walrow teardown --slot" in result.err


def test_what_was_delivered_and_never_replicated_is_refused(cluster, sink_job, walrow):
    jobs = [*map(sink_job, SINKS), sink_job(*SINKS)]
    behind = sink_job("ipc", name="behind")
    cluster.add_standby()
    cluster.insert(1, 10)
    stream(behind)
    cluster.wait_replayed()
    cluster.detach()
    cluster.insert(11, 20)
    for job in jobs:
        stream(job)
    cluster.fail_over()
    cluster.insert(101, 110)
    for job in jobs:
        before = cluster.slot(job.slot)
        assert_refused(stream(job, code=10))
        assert_ids(job, *range(1, 21))
        if len(job.kinds) == 1:  # sinks know it by themselves
            assert f"sink {job.to[0]}" in stream(job, "--state", "off", code=10).err
        assert cluster.slot(job.slot) == before
    stream(behind)
    assert_ids(behind, *range(1, 11), *range(101, 111))

    job = jobs[0]
    walrow("teardown", "-d", cluster.url(), "--slot", job.slot, "--publication", job.slot, "--yes", code=0)
    job.snapshot(to=[f"ipc:{job.folder}/again"])
    assert {row["id"] for row in read_ipc(f"{job.folder}/again").rows("public.t")} == {*range(1, 11), *range(101, 111)}


def test_a_running_stream_refuses_too(cluster, sink_job):
    job = sink_job("jsonl")
    cluster.add_standby()
    cluster.detach()
    run = job.start("--ack-interval", "50", to=job.to)
    run.wait_for(lambda: cluster.slot(job.slot)["active"], what="the stream")
    cluster.insert(1, 10)
    confirmed = cluster.flush_lsn()
    run.wait_for(lambda: lsn_value(cluster.slot(job.slot)["confirmed_flush_lsn"]) >= confirmed, what="the rows")
    cluster.fail_over()
    ended = run.wait()
    assert ended.code == 10
    assert_refused(ended)


def test_an_old_primary_that_comes_back_is_refused(cluster, sink_job):
    job = sink_job("ipc")
    cluster.add_standby()
    cluster.insert(1, 10)
    cluster.wait_replayed()
    cluster.fail_over()
    stream(job)
    cluster.standby.stop()
    cluster.primary.start()
    said = stream(job, code=10).err
    assert "followed timeline 2, and the server is on timeline 1" in said and "an old primary that came back" in said


def test_a_server_restored_on_a_timeline_of_its_own_is_refused(new_server, walrow, tmp_path):
    server = new_server()
    db = server.create_database("shop")
    db.sql(TABLES)
    job = Job(db, walrow, tmp_path, tables="public.t")
    job.setup()
    server.stop()
    backup = server.data + ".backup"
    run_as_server_user("cp", "-a", server.data, backup)
    server.start()
    db.sql("INSERT INTO t VALUES (1)")
    job.stream()
    server.stop()
    run_as_server_user("rm", "-r", server.data)
    run_as_server_user("mv", backup, server.data)
    run_as_server_user("touch", os.path.join(server.data, "recovery.signal"))
    server.settings["restore_command"] = "false"
    server.write_configuration()
    server.start()
    wait_until(lambda: not server.sql("SELECT pg_is_in_recovery()")[0][0], timeout_s=60, what="the end of recovery")
    said = job.stream(code=10)
    assert_refused(said)
    assert "or are younger than the backup" in said.err


def test_a_recording_ends_with_its_timeline(cluster, sink_job, walrow):
    job = sink_job("ipc")
    cluster.add_standby()
    words = job.arguments("record") + ["before.walrow"]
    run = walrow.start(*words)
    run.wait_for(lambda: cluster.slot(job.slot)["active"], what="the recording")
    cluster.insert(1, 10)
    cluster.wait_received(run)
    cluster.wait_replayed()
    cluster.fail_over()
    ended = run.wait()
    assert ended.code == 4 and "timeline 1, and the server that answers now is of" in ended.err
    assert "record what follows into another file" in ended.err
    walrow("decode", "before.walrow", "--to", job.to[0], code=0)
    assert_ids(job, *range(1, 11))
