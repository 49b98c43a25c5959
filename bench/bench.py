"""walrow beside its peers, on one server, in one run; prints tables of medians and the commands to repeat them.

The workload: a table of 8 columns (bigint key, two int, two text, numeric(12,2), timestamptz, bool), ROWS rows
inserted in 10-row transactions, in one, and in single-row ones. Every reader gets a copy of the same slot, so that
each decodes the same WAL, and the readers take turns. Times are of whole processes, from start to exit.
`walrow_null` is a plugin that emits nothing per row: the ceiling, what PostgreSQL's decoding costs by itself.
"""

import argparse
import os
import shutil
import sys
import tempfile
from subprocess import check_output

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

from postgres import Postgres  # noqa: E402
from clients import WALROW_WAL2JSON, Decode, Raw, Walrow  # noqa: E402
from timing import median, timed, timed_on_slot  # noqa: E402
from transports import Pulled, transport_readers  # noqa: E402
from workloads import make_workloads  # noqa: E402

SETTINGS = {"max_wal_size": "8GB", "shared_buffers": "512MB", "autovacuum": "off", "log_min_messages": "fatal"}
PLUGINS = ("wal2arrow", "pgoutput", "walrow_null", "wal2json", "decoderbufs")
BUILT_HERE = {"wal2arrow": "build/wal2arrow.so", "walrow_null": "build/null_plugin/walrow_null.so"}
COMMITS = os.path.join(ROOT, "build", "bench", "commits")
COLUMNS = ("K rows/s", "of pgoutput", "of ceiling", "server us/row", "client us/row", "client MB")


class Bench:
    def __init__(self, server, arguments, folder):
        self.server = server
        self.runs = arguments.runs
        self.plugins = arguments.plugins
        self.folder = folder
        self.commands = []

    def run(self, workload, plugin, command):
        workload.copy_slot(plugin)
        try:
            return timed_on_slot(command, self.server, "copy")
        finally:
            workload.drop_copy()

    def measure(self, workload, readers):
        """The median run of each; the readers take turns, so that all meet the same noise."""
        runs = {reader: [] for reader in readers}
        for _ in range(self.runs):
            for reader in readers:
                reader.prepare()
                run = self.run(workload, reader.plugin, reader.command(workload))
                reader.check(workload, run)
                runs[reader].append(run)
        self.commands += [(workload.slot, reader.plugin, reader.command(workload)) for reader in readers]
        return {reader: median(its_runs) for reader, its_runs in runs.items()}

    def push(self, workload, raw_plugins):
        readers = [Walrow(self.server, plugin, self.folder, "null") for plugin in ("wal2arrow", "pgoutput")]
        readers += [Raw(self.server, plugin) for plugin in raw_plugins]
        runs = self.measure(workload, [reader for reader in readers if reader.plugin in self.plugins])
        raw = {reader.plugin: run.seconds for reader, run in runs.items() if isinstance(reader, Raw)}

        print_line(f"push, {workload.title}", *COLUMNS)
        for reader, run in runs.items():
            rate = f"{workload.rows / run.seconds / 1000:.0f}"
            ratios = [f"{raw[peer] / run.seconds:.2f}" if peer in raw else "" for peer in ("pgoutput", "walrow_null")]
            print_line(reader.name, rate, *ratios, per_row(run.server_cpu_s, workload), *client(run, workload))
        print()

    def transports(self, workload):
        readers = [reader for reader in transport_readers(self.server, self.folder) if reader.plugin in self.plugins]
        runs = self.measure(workload, readers)
        raw = next((run.seconds for reader, run in runs.items() if isinstance(reader, Raw)), None)

        print_line(f"transports, {workload.title}", *COLUMNS)
        for reader, run in runs.items():
            rate = f"{workload.rows / run.seconds / 1000:.0f}"
            ratio = f"{raw / run.seconds:.2f}" if raw else ""
            server = "" if isinstance(reader, Pulled) else per_row(run.server_cpu_s, workload)  # of the walsender
            print_line(reader.name, rate, ratio, "", server, *client(run, workload))
        print()

    def sinks(self, workload):
        readers = [Walrow(self.server, "pgoutput", self.folder, sink) for sink in ("null", "ipc", "parquet")]
        runs = self.measure(workload, readers)
        null = runs[readers[0]].seconds

        print_line(f"sinks, {workload.title}", "K rows/s", "of null:", "", "", *COLUMNS[4:])
        for reader, run in runs.items():
            rate = f"{workload.rows / run.seconds / 1000:.0f}"
            print_line(reader.name, rate, f"{null / run.seconds:.2f}", "", "", *client(run, workload))
        print()

    def delivery(self, workload):
        """What it costs to remember, to buffer, and to have three sinks instead of one."""
        walrow = lambda name, *sinks, **how: Walrow(self.server, "pgoutput", self.folder, *sinks, name=name, **how)  # noqa: E731
        readers = [
            walrow("parquet:, --state off", "parquet", state=False, buffer="off"),
            walrow("parquet:", "parquet", buffer="off"),
            walrow("parquet:, --buffer on", "parquet", buffer="on"),
            walrow("parquet: jsonl: duckdb:, the buffer", "parquet", "jsonl", "duckdb"),
        ]
        runs = self.measure(workload, readers)
        plain = runs[readers[0]].seconds

        print_line(f"delivery, {workload.title}", "K rows/s", "of stateless", "", "", *COLUMNS[4:])
        for reader, run in runs.items():
            rate = f"{workload.rows / run.seconds / 1000:.0f}"
            print_line(reader.name, rate, f"{plain / run.seconds:.2f}", "", "", *client(run, workload))
        print()

    def commits(self):
        """A position written, beside the machine's own time to make as much durable, in turns."""
        command = [COMMITS, os.path.join(self.folder, "commits")]
        times = dict(line.split(" ", 1) for line in check_output(command, text=True).splitlines())
        print_line("durable, one after the other", "p50 us", "p99 us", "most us")
        print_line("a commit of the state", *times["commit"].split())
        print_line("a write and fdatasync of a file", *times["fdatasync"].split())
        print()
        self.commands.append(("", "", command))

    def wal2json(self, workload):
        """With the same options: whatever walrow takes longer than a reader that does nothing is its own."""
        raw = Raw(self.server, "wal2json", WALROW_WAL2JSON)
        readers = [raw, Walrow(self.server, "wal2json", self.folder)]
        runs = self.measure(workload, readers)

        print_line(f"wal2json, {workload.title}", "K rows/s", "of raw", "", *COLUMNS[3:])
        for reader, run in runs.items():
            rate = f"{workload.rows / run.seconds / 1000:.0f}"
            ratio = f"{runs[raw].seconds / run.seconds:.2f}"
            print_line(reader.name, rate, ratio, "", per_row(run.server_cpu_s, workload), *client(run, workload))
        print()

    def decode(self, workload):
        reader = Decode(self.server, self.folder)
        self.run(workload, "pgoutput", reader.record(workload))
        runs = []
        for _ in range(self.runs):
            runs.append(timed(reader.command()))
            reader.check(workload, runs[-1])
        os.unlink(reader.recording)
        self.commands += [(workload.slot, "pgoutput", reader.record(workload)), ("", "", reader.command())]

        run = median(runs)
        print_line(f"recorded, {workload.title}, one core", "K rows/s", "", "", "", *COLUMNS[4:])
        print_line(reader.name, f"{workload.rows / run.seconds / 1000:.0f}", "", "", "", *client(run, workload))
        print()

    def print_commands(self):
        print("To repeat one: pg_copy_logical_replication_slot(SLOT, 'copy', false, PLUGIN), then")
        for slot, plugin, command in self.commands:
            print("  " + f"{slot} {plugin}: ".lstrip(" :") + " ".join(command))


def per_row(seconds, workload):
    return f"{seconds / workload.rows * 1e6:.2f}"


def client(run, workload):
    return per_row(run.cpu_s, workload), f"{run.peak_rss / 1e6:.0f}" if run.peak_rss else ""


def print_line(what, *cells):
    print(f"{what:<42}" + "".join(f"{cell:>15}" for cell in cells).rstrip(), flush=True)


def install_plugins(folder, plugins):
    """Those built here, where a server that runs as somebody else can read them."""
    os.chmod(folder, 0o755)
    for plugin in plugins:
        if plugin in BUILT_HERE:
            shutil.copy(os.path.join(ROOT, BUILT_HERE[plugin]), folder)


def allow_plugins(server, plugins):
    """The minors of 2026 take only plugins that are listed; older ones do not know the list."""
    if server.sql("SELECT current_setting('output_plugin_libraries', true)")[0][0] is not None:
        server.configure(output_plugin_libraries=", ".join(plugins))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3, help="of each; the median counts")
    parser.add_argument("--plugins", type=lambda text: text.split(","), default=PLUGINS, help=",".join(PLUGINS))
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="walrow-bench-")
    try:
        install_plugins(folder, arguments.plugins)
        with Postgres(conf=SETTINGS | {"dynamic_library_path": f"{folder}:$libdir"}) as server:
            allow_plugins(server, arguments.plugins)
            version = server.sql("SHOW server_version")[0][0]
            print(f"PostgreSQL {version}, {os.cpu_count()} cores, {arguments.rows} rows, median of {arguments.runs}\n")
            small, large, single = make_workloads(server, arguments.rows)
            bench = Bench(server, arguments, folder)
            bench.push(small, ("pgoutput", "walrow_null", "wal2json", "decoderbufs"))
            bench.push(large, ("pgoutput", "walrow_null"))
            bench.push(single, ("pgoutput", "walrow_null"))
            bench.transports(small)
            if "wal2json" in arguments.plugins:
                bench.wal2json(small)
            bench.sinks(small)
            bench.delivery(small)
            bench.commits()
            bench.decode(small)
            bench.decode(large)
            bench.print_commands()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
