#!/usr/bin/env python3
"""The campaign: streams under load, broken again and again, and the proof that nothing is lost or doubled.

    make campaign CYCLES=500 SEED=1

Each cycle breaks one thing (see FAULTS) while a workload runs and walrow streams it: with a buffer into several sinks, and
without into one. In the end every sink is held against what test_decoding says was committed (campaign_check.py). The
seed decides what is broken and when, but not where the processes are at that moment: a run is not repeated exactly.
"""

import argparse
import collections
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from campaign_check import Truth, delivered_events, delivered_rows, events_of, judge, judge_replica
from campaign_check import rows_of_files, rows_of_log, source_of
from campaign_report import commit_of_source, write_report
from campaign_work import TABLES, Work
from command import Walrow
from oracle import Oracle
from plugin import plugin_conf
from postgres import Database, Postgres, lsn_value, wait_until
from proxy import Proxy

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OPTIONS = ("--snapshot", "never", "--batch-rows", "300", "--ack-interval", "50", "--receive-timeout", "2")
ROTATE = "rotate_rows=2000&rotate_s=1"
SINK_FAILED, STATE_FAILED = 9, 10


def crash_points():
    """The names in the source."""
    command = ["grep", "-rhoP", r'WALROW__CRASH_POINT\("\K[^"]+', os.path.join(ROOT, "src")]
    return sorted(set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()))


def without_path(sink):
    """parquet:?rotate_s=1"""
    return sink[: sink.index(":") + 1] + "".join(sink.partition("?")[1:])


class Disk:
    """Where sinks and states are: as root a file system of its own, which can be made full."""

    def __init__(self, folder):
        self.folder, self.mounted = os.path.join(folder, "disk"), False
        os.mkdir(self.folder)
        if os.geteuid() == 0:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16G", "none", self.folder], check=True)
            self.mounted = True

    def resize(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.folder], check=True, capture_output=True)

    def fill(self):
        used = shutil.disk_usage(self.folder).used
        for room in (1 << 16, 1 << 20, 1 << 22):  # what came meanwhile must fit
            with contextlib.suppress(subprocess.CalledProcessError):
                return self.resize(used + room)

    def free(self):
        self.resize("16G")

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "--lazy", self.folder], check=True)


class Stream:
    """One slot and its walrow, which is started again whenever it has ended."""

    def __init__(self, campaign, name, plugin, sinks):
        self.campaign, self.name, self.plugin = campaign, name, plugin
        self.folder = os.path.join(campaign.disk.folder, name)
        self.sinks = [sink.format(self.folder) for sink in sinks]
        self.state = os.path.join(self.folder, "state")
        self.run, self.peak_rss, self.starts = None, [], 0
        os.mkdir(self.folder)

    def words(self, command):
        db = self.campaign.db
        url = db.url(host="127.0.0.1", port=self.campaign.proxy.port)
        names = ["--tables", "public.*", "-S", self.name, "--publication", "campaign", "--plugin", self.plugin]
        return [command, "-d", url, *names]

    def stream_words(self, *args):
        sinks = [word for sink in self.sinks for word in ("--to", sink)]
        return [*self.campaign.prefix, *self.words("stream"), *OPTIONS, "--state", self.state, *args, *sinks]

    def setup(self):
        self.campaign.walrow(*self.campaign.prefix, *self.words("setup"), code=0)

    def start(self, crash=None):
        self.run = self.campaign.walrow.start(*self.stream_words(), env={"WALROW_CRASH": crash} if crash else None)
        self.starts += 1

    def alive(self):
        return self.run is not None and self.run.alive()

    def kill(self):
        self.note_memory()
        self.run.kill()

    def note_memory(self):
        """Of the process as it is."""
        with contextlib.suppress(FileNotFoundError, StopIteration):
            with open(f"/proc/{self.run.pid}/status", encoding="ascii") as status:
                line = next(line for line in status if line.startswith("VmHWM"))
                self.peak_rss.append(int(line.split()[1]) << 10)

    def confirmed_lsn(self):
        return lsn_value(self.campaign.db.slot(self.name)["confirmed_flush_lsn"])

    def state_bytes(self):
        paths = [os.path.join(parent, name) for parent, _, names in os.walk(self.state) for name in names]
        return sum(os.path.getsize(path) for path in paths)

    def finish(self):
        """Everything up to now, in a run of its own."""
        if self.alive():
            self.kill()
        self.campaign.wait_for_slot(self)
        self.campaign.walrow(*self.stream_words("--until", "now"), code=0, timeout=300)


class Campaign:
    def __init__(self, folder, binary, seed):
        self.pick, self.seed = random.Random(seed), seed
        self.disk = Disk(folder)
        self.walrow = Walrow(binary, folder)
        self.prefix, self.verbose, self.commit = [], False, commit_of_source()
        if os.geteuid() == 0:  # whom a directory's mode does not stop otherwise
            self.walrow.binary = "setpriv"
            self.prefix = ["--bounding-set", "-dac_override,-dac_read_search", binary]
        conf = {"wal_sender_timeout": "3s", "log_min_messages": "warning"}
        self.server = Postgres(conf=plugin_conf(**conf), tcp=True)
        self.proxy = Proxy(self.server.port)
        self.db = self.server.create_database("campaign")
        self.db.sql(TABLES)
        databases = ["duckdb:{}/replica.duckdb", "duckdb:{}/log.duckdb?mode=append"]
        self.streams = [
            Stream(self, "several", "pgoutput", [f"parquet:{{}}/parquet?{ROTATE}", "jsonl:{}/events.jsonl", *databases]),
            Stream(self, "ipc", "wal2arrow", [f"ipc:{{}}/ipc?{ROTATE}"]),
            Stream(self, "jsonl", "pgoutput", ["jsonl:{}/events.jsonl"]),
        ]
        for stream in self.streams:
            stream.setup()
        self.truth = Truth(Oracle(self.db))
        self.work = Work(self.db, seed)
        self.faults, self.points, self.unreached = collections.Counter(), collections.Counter(), collections.Counter()
        self.state_bytes, self.cycles, self.began = [], 0, time.time()

    def close(self):
        self.work.stopping.set()
        self.walrow.close()
        self.server.close()
        self.disk.close()

    # -- cycles --

    def cycle(self):
        stream = self.pick.choices(self.streams, [6, 2, 2])[0]
        name, fault = self.pick.choices(FAULTS, [weight for weight, _, _ in FAULTS])[0][1:]
        if not stream.alive():
            stream.start()
        time.sleep(self.pick.uniform(0.1, 1.2))
        began = time.monotonic()
        allowed = fault(self, stream) or set()
        self.faults[name] += 1
        if self.verbose:
            took = time.monotonic() - began
            print(f"{self.cycles}: {stream.name}, {name}, {took:.1f} s", file=sys.stderr, flush=True)
        for each in self.streams:
            self.look_at(each, allowed, name)
        self.cycles += 1
        if self.cycles % 10 == 0:
            self.truth.read()
        self.state_bytes.append(sum(each.state_bytes() for each in self.streams))

    def look_at(self, stream, allowed, fault):
        """It runs, or ended as the fault allows."""
        if stream.run is None:
            return
        if stream.alive():
            stream.note_memory()
            return
        ended, stream.run = stream.run, None
        code = ended.process.returncode
        if code not in allowed | {-signal.SIGKILL, 0}:
            where = f"seed {self.seed}, cycle {self.cycles}, {fault}"
            raise AssertionError(f"{where}: {stream.name} ended with {code}\n{ended.err}")

    def wait_for_slot(self, stream):
        wait_until(lambda: not self.db.slot(stream.name)["active"], what=f"the slot {stream.name}")

    def expect_progress(self, stream):
        """What is committed now is confirmed soon."""
        goal = self.db.flush_lsn()
        stream.run.wait_for(lambda: stream.confirmed_lsn() >= goal, timeout=60, what="progress")

    # -- the end --

    def verdicts(self):
        self.work.stop()
        self.proxy.heal()
        for stream in self.streams:
            stream.finish()
        self.truth.read()
        source, verdicts = source_of(self.db), {}
        for stream in self.streams:
            for sink in stream.sinks:
                verdicts[f"{stream.name}, {without_path(sink)}"] = self.judge(sink, source)
        return verdicts

    def judge(self, sink, source):
        kind, path = sink.split("?")[0].split(":", 1)
        if kind == "jsonl":
            return judge(self.truth, delivered_events(events_of(path)), source)
        if kind == "duckdb" and "mode=append" not in sink:
            return judge_replica(path, source)
        rows = rows_of_log(path) if kind == "duckdb" else rows_of_files(path, {"ipc": ".arrow"}.get(kind, ".parquet"))
        return judge(self.truth, delivered_rows(rows), source)

    def staged_files(self):
        """Left over in directories of tables."""
        return [name for parent, _, names in os.walk(self.disk.folder) for name in names
                if name.startswith(".") and name.endswith((".arrow", ".parquet", ".new", ".snapshot"))]  # fmt: skip


# ---- faults: each returns the exit statuses it excuses --------------------------------------------------------


def kill(campaign, stream):
    stream.kill()


def kill_all(campaign, stream):
    for each in campaign.streams:
        if each.alive():
            each.kill()


def crash(campaign, stream):
    """At a named place, at one of its passings."""
    point = campaign.pick.choice(crash_points())
    stream.kill()
    campaign.wait_for_slot(stream)
    stream.start(f"{point}:{campaign.pick.choice([1, 1, 2, 3, 5, 10, 30])}")
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not stream.alive(), timeout_s=3)
    campaign.points[point] += not stream.alive()
    campaign.unreached[point] += stream.alive()
    if stream.alive():
        stream.kill()


def stop(campaign, stream):
    """An orderly one: 0, with everything delivered."""
    stream.note_memory()
    assert stream.run.stop().code == 0, stream.run.err


def pause(campaign, stream):
    stream.run.signal(signal.SIGSTOP)
    time.sleep(campaign.pick.uniform(1, 4))
    stream.run.signal(signal.SIGCONT)


def kill_server(campaign, stream):
    campaign.server.kill()
    time.sleep(campaign.pick.uniform(0, 0.5))
    campaign.server.start()
    campaign.expect_progress(stream)


def restart_server(campaign, stream):
    campaign.server.restart("immediate")
    campaign.expect_progress(stream)


def terminate_walsender(campaign, stream):
    campaign.db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
    campaign.expect_progress(stream)


def cut_connections(campaign, stream):
    campaign.proxy.cut()
    campaign.expect_progress(stream)


def refuse_connections(campaign, stream):
    campaign.proxy.refuse()
    time.sleep(campaign.pick.uniform(0.1, 1))
    campaign.proxy.heal()
    campaign.expect_progress(stream)


def swallow_traffic(campaign, stream):
    campaign.proxy.swallow()
    time.sleep(campaign.pick.uniform(1, 4))
    campaign.proxy.heal()
    campaign.expect_progress(stream)


def fill_disk(campaign, stream):
    campaign.disk.fill()
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not stream.alive(), timeout_s=3)
    campaign.disk.free()
    kill_all(campaign, stream)  # or an error that is on its way would be the next fault's
    return {SINK_FAILED, STATE_FAILED}


def forbid_writing(campaign, stream):
    folders = [parent for parent, _, _ in os.walk(stream.folder) if not parent.startswith(stream.state)]
    for folder in folders:
        os.chmod(folder, 0o555)
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not stream.alive(), timeout_s=4)
    for folder in folders:
        os.chmod(folder, 0o755)
    kill_all(campaign, stream)
    return {SINK_FAILED}


FAULTS = [
    (6, "kill -9 of walrow", kill),
    (2, "kill -9 of every walrow", kill_all),
    (10, "kill -9 of walrow at a named place", crash),
    (2, "SIGTERM", stop),
    (2, "SIGSTOP for seconds", pause),
    (2, "kill -9 of PostgreSQL", kill_server),
    (2, "immediate restart of PostgreSQL", restart_server),
    (2, "walsenders terminated", terminate_walsender),
    (2, "connections reset", cut_connections),
    (2, "connections refused for a while", refuse_connections),
    (2, "connections blackholed for seconds", swallow_traffic),
    (2, "directories read-only for a while", forbid_writing),
]
if os.geteuid() == 0:
    FAULTS.append((2, "disk full for a while", fill_disk))


# ---- the command ----------------------------------------------------------------------------------------------


def run(folder, binary, cycles, seed, report=None, seconds=None, verbose=False):
    """Whether nothing was lost, doubled or left behind. seconds: begin no cycle after so many."""
    campaign = Campaign(folder, binary, seed)
    try:
        campaign.verbose = verbose
        for stream in campaign.streams:
            stream.start()
        campaign.work.start()
        while campaign.cycles < cycles and (seconds is None or time.time() - campaign.began < seconds):
            campaign.cycle()
        verdicts = campaign.verdicts()
        return write_report(campaign, verdicts, report)
    finally:
        campaign.close()


def main():
    parser = argparse.ArgumentParser(description="break walrow again and again, and see whether anything is lost or doubled")
    parser.add_argument("--cycles", type=int, default=500)
    parser.add_argument("--seconds", type=float, help="begin no cycle after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", help="a file for it, in Markdown")
    parser.add_argument("--verbose", action="store_true", help="a line for each cycle")
    asked = parser.parse_args()
    binary = os.environ.get("WALROW_CAMPAIGN_BIN") or os.path.join(ROOT, "build-campaign", "walrow")
    with tempfile.TemporaryDirectory(prefix="walrow-campaign-") as folder:
        os.chmod(folder, 0o755)
        well = run(folder, os.path.abspath(binary), asked.cycles, asked.seed, asked.report, asked.seconds, asked.verbose)
        return 0 if well else 1


if __name__ == "__main__":
    # mounts of our own, which end with us
    if os.geteuid() == 0 and "WALROW_CAMPAIGN_INSIDE" not in os.environ:
        os.environ["WALROW_CAMPAIGN_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    sys.exit(main())
