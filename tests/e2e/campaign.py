#!/usr/bin/env python3
"""The campaign: streams under load, broken again and again, and the proof that nothing is lost or doubled.

    make campaign CYCLES=500 SEED=1

Each cycle breaks one thing (see FAULTS) while a workload runs and walrow streams it: with a buffer into several sinks, and
without into one; with --kafka also into a real broker, which is broken, too. In the end every sink is held against what
test_decoding says was committed (campaign_check.py). The seed decides what is broken and when, but not where the processes
are at that moment: a run is not repeated exactly.
"""

import argparse
import collections
import contextlib
import os
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

import duckdb

from broker import Kafka
from campaign_check import Truth, delivered_events, delivered_rows, events_of, events_of_topics, judge, judge_replica
from campaign_check import rows_of_files, rows_of_log, source_of
from campaign_disk import Disk, Durable, build_preload
from campaign_faults import BROKER_FAULTS, FAULTS
from campaign_report import WAYS, commit_of_source, write_report
from campaign_work import TABLES, Work
from command import Walrow
from oracle import Oracle
from plugin import create_extension, drop_extension, plugin_conf
from postgres import Database, Postgres, lsn_value, wait_until
from proxy import Proxy

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OPTIONS = ("--batch-rows", "300", "--ack-interval", "50", "--receive-timeout", "2")
# Small enough that what gathers while a stream is broken is pulled, and what comes then is pushed.
SWITCHING = {
    "WALROW_PULL_ABOVE": "300000", "WALROW_PUSH_BELOW": "50000", "WALROW_PULL_WINDOW": "100000", "WALROW_LOOK_EVERY_MS": "1",
}  # fmt: skip
TRANSPORTS = "|".join(WAYS)
SUFFIXES = {"ipc": ".arrow", "parquet": ".parquet"}
ROTATE = "rotate_rows=2000&rotate_s=1"
COPY = "read.duckdb"
KAFKA_POINTS = "-kafka-commit"


def crash_points(with_kafka):
    """The names in the source."""
    command = ["grep", "-rhoP", r'WALROW__CRASH_POINT\("\K[^"]+', os.path.join(ROOT, "src")]
    names = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    return sorted(name for name in names if with_kafka or not name.endswith(KAFKA_POINTS))


def without_path(sink):
    """parquet:?rotate_s=1, kafka:?timeout_s=2"""
    scheme, _, rest = sink.partition(":")
    parameters = [re.sub("publish=.*/", "publish=", word) for word in rest.partition("?")[2].split("&") if word]
    return f"{scheme}:" + "?" * bool(parameters) + "&".join(parameters)


class Stream:
    """One slot and its walrow, which is started again whenever it has ended."""

    def __init__(self, campaign, name, plugin, sinks, tuning=None):
        self.campaign, self.name, self.plugin, self.tuning = campaign, name, plugin, tuning or {}
        self.folder = os.path.join(campaign.disk.folder, name)
        self.sinks = [sink.format(self.folder) for sink in sinks]
        self.state = os.path.join(self.folder, "state")
        self.run, self.peak_rss, self.starts, self.transports = None, [], 0, collections.Counter()
        os.mkdir(self.folder)
        notes = os.path.join(campaign.folder, name)
        self.durable = Durable(self.folder, notes + ".disk") if campaign.disk.mounted else None
        self.clock = notes + ".clock"
        self.set_clock(0)

    def words(self, command):
        db = self.campaign.db
        url = db.url(host="127.0.0.1", port=self.campaign.proxy.port, application_name=self.name)
        names = ["--tables", "public.*", "-S", self.name, "--publication", "campaign", "--plugin", self.plugin]
        return [command, "-d", url, *names]

    def stream_words(self, *args):
        sinks = [word for sink in self.sinks for word in ("--to", sink)]
        return [*self.campaign.prefix, *self.words("stream"), *OPTIONS, "--state", self.state, *args, *sinks]

    def environment(self, crash=None):
        env = self.tuning | {"LD_PRELOAD": self.campaign.preload, "WALROW_CLOCK_SHIFT": self.clock}
        return env | (self.durable.environment() if self.durable else {}) | ({"WALROW_CRASH": crash} if crash else {})

    def set_clock(self, shift_s):
        """How far the time of day is from the machine's."""
        with open(self.clock, "r+b" if os.path.exists(self.clock) else "wb", buffering=0) as file:
            file.write(struct.pack("=q", shift_s))

    def setup(self):
        self.campaign.walrow(*self.campaign.prefix, *self.words("setup"), code=0)

    def start(self, crash=None):
        if self.durable:
            self.durable.tidy()
        self.check_copy()
        self.run = self.campaign.walrow.start(*self.stream_words(), env=self.environment(crash))
        self.starts += 1

    def alive(self):
        return self.run is not None and self.run.alive()

    def kill(self, allowed=frozenset()):
        """allowed: exit statuses that are excused if it has ended before."""
        self.note_memory()
        self.run.kill()
        self.check_end(allowed)

    def check_end(self, allowed=frozenset()):
        """Ended by a signal of ours, in order, or as the fault allows."""
        code = self.run.process.returncode
        self.transports.update(re.findall(TRANSPORTS, self.run.err))
        assert code in {-signal.SIGKILL, 0, *allowed}, f"{self.name} ended with {code}\n{self.run.err}"

    def note_memory(self):
        """Of the process as it is."""
        with contextlib.suppress(FileNotFoundError, StopIteration):
            with open(f"/proc/{self.run.pid}/status", encoding="ascii") as status:
                line = next(line for line in status if line.startswith("VmHWM"))
                self.peak_rss.append(int(line.split()[1]) << 10)

    def confirmed_lsn(self):
        return lsn_value(self.campaign.db.slot(self.name)["confirmed_flush_lsn"])

    def state_bytes(self):
        total = 0
        for path in (os.path.join(parent, name) for parent, _, names in os.walk(self.state) for name in names):
            with contextlib.suppress(FileNotFoundError):  # RocksDB is at work
                total += os.path.getsize(path)
        return total

    def check_copy(self):
        """For readers: whole at any moment."""
        if os.path.exists(path := os.path.join(self.folder, COPY)):
            with duckdb.connect(path, read_only=True) as connection:
                connection.execute("SELECT end_lsn FROM _walrow.state").fetchall()

    def catch_up(self):
        """Everything up to now, in a run of its own."""
        if self.alive():
            self.kill()
        self.campaign.wait_for_slot(self)
        self.campaign.walrow(*self.stream_words("--until", "now"), env=self.environment(), code=0, timeout=300)

    def finish(self):
        """What was confirmed has to be there whatever comes."""
        self.catch_up()
        if self.durable:
            self.durable.lose_power()
        self.check_copy()


class Campaign:
    def __init__(self, folder, binary, seed, with_kafka=False):
        self.pick, self.seed = random.Random(seed), seed
        faults = FAULTS + (BROKER_FAULTS if with_kafka else [])
        self.deck = [(name, fault) for count, name, fault in faults for _ in range(count)]
        self.pick.shuffle(self.deck)
        self.folder, self.disk, self.preload = folder, Disk(folder), build_preload(folder)
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
        databases = [f"duckdb:{{0}}/replica.duckdb?publish={{0}}/{COPY}&publish_s=1", "duckdb:{0}/log.duckdb?mode=append"]
        self.streams = [
            Stream(self, "several", "pgoutput", [f"parquet:{{0}}/parquet?{ROTATE}", "jsonl:{0}/events.jsonl", *databases]),
            Stream(self, "ipc", "wal2arrow", [f"ipc:{{}}/ipc?{ROTATE}"], SWITCHING),
            Stream(self, "jsonl", "pgoutput", ["jsonl:{}/events.jsonl"], SWITCHING),
        ]
        self.kafka, self.weights = None, [6, 2, 2]
        if with_kafka:
            self.kafka = Kafka()
            self.streams.append(Stream(self, "kafka", "wal2arrow", [self.kafka.uri("shop", "?timeout_s=2&linger.ms=1")]))
            self.weights = [4, 1, 1, 6]
        for stream in self.streams:
            stream.setup()
            stream.catch_up()
        self.truth = Truth(Oracle(self.db))
        self.work = Work(self.db, seed)
        self.all_points = crash_points(with_kafka)
        self.faults, self.points, self.unreached = collections.Counter(), collections.Counter(), collections.Counter()
        self.state_bytes, self.cycles, self.interrupted, self.began = [], 0, 0, time.time()

    def close(self):
        self.work.stopping.set()
        self.walrow.close()
        if self.kafka is not None:
            self.kafka.close()
        self.server.close()
        self.disk.close()

    # -- cycles --

    def cycle(self):
        """The seed says which fault is next, whatever the cycles before have drawn."""
        self.pick = random.Random(f"{self.seed}, cycle {self.cycles}")
        self.vary_extension()
        stream = self.pick.choices(self.streams, self.weights)[0]
        name, fault = self.deck[self.cycles % len(self.deck)]
        if not stream.alive():
            stream.start()
        time.sleep(self.pick.uniform(0.1, 0.8))
        began = time.monotonic()
        self.say(f"seed {self.seed}, cycle {self.cycles}: {name}, {stream.name}")
        allowed = fault(self, stream) or set()
        self.say(f"  {time.monotonic() - began:.1f} s")
        self.faults[name] += 1
        for each in self.streams:
            self.look_at(each, allowed)
        self.cycles += 1
        if self.cycles % len(self.deck) == 0:
            self.pick.shuffle(self.deck)
        if self.cycles % 10 == 0:
            self.truth.read()
        self.state_bytes.append(sum(each.state_bytes() for each in self.streams))

    def vary_extension(self):
        """There in every other cycle: what is pulled is pulled by its procedure, or else by function."""
        change = drop_extension if self.cycles % 2 else create_extension
        change(self.db)

    def say(self, text):
        if self.verbose:
            print(text, file=sys.stderr, flush=True)

    def look_at(self, stream, allowed):
        """It runs, or ended as the fault allows."""
        if stream.run is None:
            return
        if stream.alive():
            stream.note_memory()
            return
        stream.check_end(allowed)
        stream.run = None

    def restart(self, stream, crash=None):
        if stream.run is not None:
            stream.kill()
        self.wait_for_slot(stream)
        stream.start(crash)

    def wait_for_slot(self, stream):
        wait_until(lambda: not self.db.slot(stream.name)["active"], timeout_s=120, what=f"the slot {stream.name}")

    def expect_progress(self, stream):
        """What is committed now is confirmed soon."""
        goal = self.db.flush_lsn()
        stream.run.wait_for(lambda: stream.confirmed_lsn() >= goal, timeout=180, what="progress")

    # -- the end --

    def verdicts(self):
        self.work.stop()
        self.ended = time.time()
        self.proxy.heal()
        for stream in self.streams:
            stream.finish()
        self.truth.read()
        source, verdicts = source_of(self.db, self.work.late), {}
        for stream in self.streams:
            for sink in stream.sinks:
                verdicts[f"{stream.name}, {without_path(sink)}"] = self.judge(sink, source)
        return verdicts

    def judge(self, sink, source):
        kind, path = sink.split("?")[0].split(":", 1)
        if kind == "kafka":
            events = events_of_topics(self.kafka, path.rpartition("/")[2])
            return judge(self.truth, delivered_events(events, by_table=True), source)
        if kind == "jsonl":
            return judge(self.truth, delivered_events(events_of(path)), source)
        if kind == "duckdb" and "mode=append" not in sink:
            return judge_replica(path, source)
        rows = rows_of_log(path, source) if kind == "duckdb" else rows_of_files(path, SUFFIXES[kind])
        return judge(self.truth, delivered_rows(rows), source)

    def left_files(self):
        """What no sink should have when all is delivered: staged files and work space."""
        return [os.path.join(parent, name) for stream in self.streams for parent, _, names in os.walk(stream.folder)
                for name in names if name.endswith((".new", ".snapshot", ".walrow")) or ".tmp" in parent
                or name.startswith(".") and name.endswith((".arrow", ".parquet"))]  # fmt: skip


# ---- the command ----------------------------------------------------------------------------------------------


def run(folder, binary, cycles, seed, with_kafka=False, report=None, seconds=None, verbose=False):
    """Whether nothing was lost, doubled or left behind. seconds: begin no cycle after so many."""
    campaign = Campaign(folder, binary, seed, with_kafka)
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
    parser.add_argument("--kafka", action="store_true", help="into topics of a real broker, too, which is broken as well")
    parser.add_argument("--report", help="a file for it, in Markdown")
    parser.add_argument("--verbose", action="store_true", help="a line for each cycle")
    asked = parser.parse_args()
    binary = os.environ.get("WALROW_CAMPAIGN_BIN") or os.path.join(ROOT, "build-campaign", "walrow")
    with tempfile.TemporaryDirectory(prefix="walrow-campaign-") as folder:
        os.chmod(folder, 0o755)
        binary = os.path.abspath(binary)
        well = run(folder, binary, asked.cycles, asked.seed, asked.kafka, asked.report, asked.seconds, asked.verbose)
        return 0 if well else 1


if __name__ == "__main__":
    # mounts of our own, which end with us
    if os.geteuid() == 0 and "WALROW_CAMPAIGN_INSIDE" not in os.environ:
        os.environ["WALROW_CAMPAIGN_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    sys.exit(main())
