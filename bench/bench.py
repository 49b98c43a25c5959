"""walrow beside its peers, on one server, in one run; prints ratios of medians and the commands to repeat them.

The workload: a table of 8 columns (bigint key, two int, two text, numeric(12,2), timestamptz, bool), ROWS rows
inserted in 10-row transactions (and, for a second slot, in one). Every reader gets a copy of the same slot, so that
each decodes the same WAL. Times are of whole processes, from start to exit.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

from postgres import Postgres, clean_environment, pgbin  # noqa: E402

TABLE = """
CREATE TABLE bench (id bigint PRIMARY KEY, a int, b int, name text, note text, price numeric(12,2),
                    at timestamptz, ok bool);
CREATE PUBLICATION bench FOR TABLE bench;
CREATE PROCEDURE fill(first bigint, n bigint, per_transaction int) LANGUAGE plpgsql AS $$
BEGIN
    FOR t IN 0 .. n / per_transaction - 1 LOOP
        INSERT INTO bench SELECT i, i % 1000, i % 77, 'name ' || i, 'note number ' || i % 5000,
            (i % 100000) / 100.0, '2026-01-01'::timestamptz + i * interval '1 ms', i % 2 = 0
        FROM generate_series(first + t * per_transaction, first + (t + 1) * per_transaction - 1) i;
        COMMIT;
    END LOOP;
END $$;
"""


class Bench:
    def __init__(self, server, arguments, folder):
        self.server = server
        self.rows = arguments.rows
        self.runs = arguments.runs
        self.folder = folder
        self.walrow = os.environ.get("WALROW_BIN") or os.path.join(ROOT, "build", "walrow")
        self.ends = {}
        self.commands = []

    def sql(self, query):
        return self.server.sql(query)

    def prepare(self):
        self.sql(TABLE)
        for slot, per_transaction, first in (("small", 10, 0), ("large", self.rows, self.rows)):
            self.sql(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")
            self.sql(f"CALL fill({first}, {self.rows}, {per_transaction})")
            self.ends[slot] = self.sql("SELECT pg_current_wal_flush_lsn()")[0][0]
        self.sql("CHECKPOINT")

    def timed(self, command, slot):
        """Seconds of one process on a fresh copy of the slot."""
        self.sql(f"SELECT pg_copy_logical_replication_slot('{slot}', 'copy')")
        try:
            started = time.monotonic()
            done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
            seconds = time.monotonic() - started
        finally:
            self.sql("SELECT pg_drop_replication_slot('copy')")
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
        return seconds

    def pg_recvlogical(self, slot):
        return [
            pgbin("pg_recvlogical"), "-d", self.server.dsn(), "-S", "copy", "--start", "--no-loop", "-f", "/dev/null",
            "-E", self.ends[slot], "-o", "proto_version=1", "-o", "publication_names=bench", "-o", "binary=true",
        ]  # fmt: skip

    def stream(self, slot, sink):
        return [
            self.walrow, "stream", "--source", self.server.dsn(), "--slot", "copy", "--publication", "bench",
            "--tables", "public.bench", "--no-setup", "--snapshot", "never", "--until", self.ends[slot],
            "--encoding", "binary", "--to", sink, "--report", self.report_file, "--plugin", "pgoutput",
            "--state", self.fresh("state"),
        ]  # fmt: skip

    @property
    def report_file(self):
        return os.path.join(self.folder, "report.json")

    def report(self):
        with open(self.report_file, encoding="utf-8") as file:
            return json.load(file)

    def fresh(self, name):
        path = os.path.join(self.folder, name)
        shutil.rmtree(path, ignore_errors=True)
        return path

    def push(self, slot, what):
        """pg_recvlogical and walrow in turn."""
        peer, ours, peak = [], [], 0
        for _ in range(self.runs):
            peer.append(self.timed(self.pg_recvlogical(slot), slot))
            ours.append(self.timed(self.stream(slot, "null:"), slot))
            report = self.report()
            assert report["changes"]["I"] == self.rows, report
            peak = max(peak, report["peak_rss_bytes"])
        self.commands += [self.pg_recvlogical(slot), self.stream(slot, "null:")]
        ours_rate, peer_rate = (self.rows / statistics.median(times) for times in (ours, peer))
        self.line(f"push, {what}: walrow to null:", ours_rate, f"{ours_rate / peer_rate:.2f} of pg_recvlogical", peak)
        self.line(f"push, {what}: pg_recvlogical to /dev/null", peer_rate)
        return statistics.median(ours)

    def sinks(self, null_seconds):
        for sink in ("ipc", "parquet"):
            times, peak = [], 0
            for _ in range(self.runs):
                times.append(self.timed(self.stream("small", f"{sink}:{self.fresh(sink)}"), "small"))
                peak = max(peak, self.report()["peak_rss_bytes"])
            seconds = statistics.median(times)
            self.commands.append(self.stream("small", f"{sink}:DIR"))
            self.line(f"push, 10-row transactions: walrow to {sink}:", self.rows / seconds,
                      f"{null_seconds / seconds:.2f} of null:", peak)  # fmt: skip

    def decode(self):
        """The recorded stream, with no server, on one core."""
        recording = os.path.join(self.folder, "recording")
        for slot in ("small", "large"):
            command = [
                self.walrow, "record", recording, "--source", self.server.dsn(), "--slot", "copy", "--publication",
                "bench", "--tables", "public.bench", "--no-setup", "--until", self.ends[slot], "--encoding", "binary",
            ]  # fmt: skip
            self.timed(command, slot)
            decode = ["taskset", "-c", "0", self.walrow, "decode", recording, "--to", "null:", "--report", self.report_file]
            rates, peak = [], 0
            for _ in range(self.runs):
                subprocess.run(decode, env=clean_environment(), check=True, capture_output=True)
                report = self.report()
                assert report["changes"]["I"] == self.rows, report
                rates.append(self.rows / report["seconds"])
                peak = max(peak, report["peak_rss_bytes"])
            self.commands += [command, decode]
            self.line(f"decode of the recorded stream ({slot} transactions), one core", statistics.median(rates), "", peak)
            os.unlink(recording)

    @staticmethod
    def line(what, rate, ratio="", peak=0):
        rss = f"peak RSS {peak / 1e6:.0f} MB" if peak else ""
        print(f"{what:<62} {rate / 1000:>8.0f} K rows/s  {ratio:<26} {rss}".rstrip(), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3, help="of each; the median counts")
    arguments = parser.parse_args()
    settings = {"max_wal_size": "8GB", "shared_buffers": "512MB", "autovacuum": "off", "log_min_messages": "fatal"}
    folder = tempfile.mkdtemp(prefix="walrow-bench-")
    try:
        with Postgres(conf=settings) as server:
            bench = Bench(server, arguments, folder)
            version = server.sql("SHOW server_version")[0][0]
            print(f"PostgreSQL {version}, {os.cpu_count()} cores, {arguments.rows} rows, median of {arguments.runs}\n")
            bench.prepare()
            null_seconds = bench.push("small", "10-row transactions")
            bench.push("large", "one transaction")
            bench.sinks(null_seconds)
            bench.decode()
            print("\nTo repeat one: make a slot's copy with pg_copy_logical_replication_slot('small', 'copy'), then")
            for command in bench.commands:
                print("  " + " ".join(command))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
