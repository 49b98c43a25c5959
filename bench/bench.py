"""walrow beside its peers, on one server, in one run: prints the tables of RESULTS.md as they come about.

Every contestant reads a copy of the same slot, so that each decodes the same WAL, and the contestants take turns.
Times are of whole processes, from start to exit; of peers from their first row to their last.
"""

import argparse
import datetime
import os
import shlex
import shutil
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

import delivery  # noqa: E402
import machine  # noqa: E402
import partitioning  # noqa: E402
import peers  # noqa: E402
import plot  # noqa: E402
from clients import RAW, essential_contestants, more_contestants  # noqa: E402
from goals import HEADER, goal_rows  # noqa: E402
from latency import RATE, drop_slot, measure_latency, percentile  # noqa: E402
from plugin import knows_plugin_list  # noqa: E402
from postgres import Postgres, pgbin  # noqa: E402
from report import Report, rate_table  # noqa: E402
from timing import Failed, Measured, timed  # noqa: E402
from workloads import Workloads  # noqa: E402

ROWS = 3_000_000
SETTINGS = {"max_wal_size": "16GB", "shared_buffers": "512MB", "autovacuum": "off", "log_min_messages": "fatal"}
PLUGINS = "pgoutput, test_decoding, wal2arrow, wal2json, decoderbufs, walrow_null"
BUILT_HERE = ("build/wal2arrow.so", "build/null_plugin/walrow_null.so")


class Bench:
    def __init__(self, server, folder, runs):
        self.server = server
        self.folder = folder
        self.runs = runs
        self.report = Report()
        self.failures = []

    def measure(self, workload, contestants, part=None):
        """contestant -> Measured; they take turns, so that all meet the same noise. One that fails is out."""
        reads = {contestant: part if part and contestant.slow else workload for contestant in contestants}
        measured = {contestant: Measured(its.rows, []) for contestant, its in reads.items()}
        for _ in range(self.runs):
            for contestant in list(measured):
                try:
                    measured[contestant].runs.append(self.run(reads[contestant], contestant))
                except Failed as failure:
                    del measured[contestant]
                    self.failures.append(f"{workload.title}: {contestant.name}")
                    print(failure, file=sys.stderr, flush=True)
        return measured

    def run(self, workload, contestant):
        contestant.prepare()
        copy = "SELECT pg_copy_logical_replication_slot(%s, 'copy', false, %s)"
        self.server.sql(copy, (workload.slot, contestant.plugin))
        try:
            run = timed(contestant.command(workload), self.server)
            contestant.check(workload, run)
            return run
        finally:
            drop_slot(self.server, "copy")

    def rates(self, workload, contestants, part=None):
        measured = self.measure(workload, contestants, part)
        raw = next((its for contestant, its in measured.items() if contestant.name == RAW), None)
        ceilings = {contestant.transport: its for contestant, its in measured.items() if contestant.group == "ceiling"}
        self.report.heading(workload.title[0].upper() + workload.title[1:])
        less = f"; slow contestants read the first {part.rows:,}" if part else ""
        self.report.say(f"{workload.rows:,} rows{less}.", "")
        rate_table(self.report, measured, raw, ceilings)
        return measured

    def latency(self, seconds):
        """name -> sorted milliseconds"""
        found = measure_latency(self.server, self.folder, seconds, self.failures)
        self.report.heading(f"Latency at the tip: {RATE:,} single-row transactions a second for {seconds} s")
        rows = []
        for name, latencies in found.items():
            figures = percentile(latencies, 50), percentile(latencies, 99), latencies[-1]
            rows.append((name, *(f"{figure:.2f}" for figure in figures)))
        self.report.table(("from commit to caller", "p50 ms", "p99 ms", "most ms"), rows)
        return found

    def say_commands(self, workload, contestants):
        """Of every contestant, with names for what is another each time."""
        self.report.heading("Commands")
        self.report.say(
            "Before each: `SELECT pg_copy_logical_replication_slot(SLOT, 'copy', false, PLUGIN)`. What is pulled by",
            "procedure finds the extension wal2arrow, what is pulled by function does not.", "", "```sh",
        )  # fmt: skip
        words = {
            self.server.dsn(): "SERVER", self.server.url(): "URL", str(self.server.port): "PORT", workload.end: "LSN",
            self.folder: "FOLDER", f"{ROOT}/": "", pgbin(""): "",
        }  # fmt: skip
        for contestant in contestants:
            command = contestant.command(workload)
            for what, name in words.items():
                command = [word.replace(what, name) for word in command]
            self.report.say(f"# {contestant.name} (plugin: {contestant.plugin})", shlex.join(command))
        self.report.say("```")


def everything(bench, arguments):
    server, report = bench.server, bench.report
    report.heading("Results of `make bench`", 1)
    about = {
        "run": f"{datetime.date.today()}, medians of {bench.runs}; of ratios, each within a round",
        **machine.describe(server),
        "peers": ", ".join(map(" ".join, peers.versions().items())) or "none built (make bench-peers)",
    }
    report.table(("", ""), about.items())
    workloads = Workloads(server, arguments.rows)
    essential = essential_contestants(server, bench.folder)
    more = more_contestants(server, bench.folder) + peers.peers(server, bench.folder)
    small = bench.rates(workloads.small, essential + more, workloads.small_part)
    for workload in workloads.others:
        bench.rates(workload, essential)
    latency = bench.latency(arguments.tip_seconds)
    partition_rate = partitioning.measure(report, bench.folder)
    mine = next((latencies for name, latencies in latency.items() if name.startswith("walrow")), None)

    report.heading("Goals")
    p50_p99 = mine and (percentile(mine, 50), percentile(mine, 99))
    report.table(HEADER, goal_rows(small, p50_p99, partition_rate))
    bench.say_commands(workloads.small, small)
    for failure in bench.failures:
        report.say("", f"**Failed, and left out: {failure}**")
    bars = [(contestant.name, contestant.group, its.rate) for contestant, its in small.items()]
    plot.draw("Thousands of rows a second, 10-row transactions", bars, os.path.join(arguments.output, "rates.svg"))
    report.write(os.path.join(arguments.output, "RESULTS.md"))


def start_server(folder):
    os.chmod(folder, 0o755)
    for library in BUILT_HERE:  # where a server that runs as somebody else can read them
        shutil.copy(os.path.join(ROOT, library), folder)
    settings = SETTINGS | {"dynamic_library_path": f"{folder}:$libdir"}
    if knows_plugin_list():
        settings["output_plugin_libraries"] = PLUGINS
    return Postgres(conf=settings, tcp=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help="of the main workload; the others are fractions of it")
    parser.add_argument("--runs", type=int, default=3, help="of each contestant; the median counts")
    parser.add_argument("--tip-seconds", type=int, default=30, help="how long latency is measured")
    parser.add_argument("--delivery", action="store_true", help="what state, buffer and several sinks cost, instead")
    parser.add_argument("--partition", action="store_true", help="rows divided among partitions, instead; no server")
    parser.add_argument("--output", help="folder of RESULTS.md and rates.svg: bench/, with fewer rows build/bench/")
    arguments = parser.parse_args()
    arguments.output = arguments.output or os.path.join(ROOT, "bench" if arguments.rows >= ROWS else "build/bench")
    return arguments


def main():
    arguments = parse_arguments()
    started = time.monotonic()
    if arguments.partition:
        with tempfile.TemporaryDirectory(prefix="walrow-bench-") as folder:
            partitioning.measure(Report(), folder)
        return
    folder = tempfile.mkdtemp(prefix="walrow-bench-")
    try:
        with start_server(folder) as server:
            bench = Bench(server, folder, arguments.runs)
            (delivery.measure if arguments.delivery else everything)(bench, arguments)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{datetime.timedelta(seconds=round(time.monotonic() - started))} in all")
    sys.exit(bool(bench.failures))


if __name__ == "__main__":
    main()
