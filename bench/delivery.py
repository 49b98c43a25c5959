"""What it costs to remember, to buffer, and to have several sinks instead of one; and to decode, without a server."""

import os
from subprocess import check_output

from clients import ROOT, Walrow
from report import rate_table
from workloads import Workloads

COMMITS = os.path.join(ROOT, "build", "bench", "commits")


class Delivering(Walrow):
    """walrow stream into several sinks, with more options."""

    def __init__(self, server, folder, name, sinks, *options):
        super().__init__(server, folder, "pgoutput", "push")
        self.name, self.sinks, self.options = name, sinks, options

    def command(self, workload):
        command = super().command(workload)
        at = command.index("--to")
        sinks = [word for sink in self.sinks for word in ("--to", f"{sink}:{os.path.join(self.folder, sink)}")]
        return [*command[:at], *sinks, *command[at + 2 :], *self.options]


def measure(bench, arguments):
    workload = Workloads(bench.server, arguments.rows).small_part
    walrow = lambda name, sinks, *options: Delivering(bench.server, bench.folder, name, sinks, *options)  # noqa: E731
    contestants = [
        walrow("parquet:, --state off", ["parquet"], "--state", "off", "--buffer", "off"),
        walrow("parquet:", ["parquet"], "--buffer", "off"),
        walrow("parquet:, --buffer on", ["parquet"], "--buffer", "on"),
        walrow("parquet: jsonl: duckdb:, the buffer", ["parquet", "jsonl", "duckdb"]),
    ]
    bench.report.heading("Delivery, 10-row transactions, pgoutput pushed")
    rate_table(bench.report, bench.measure(workload, contestants), None, {})
    durable(bench)


def durable(bench):
    """A position written, beside the machine's own time to make as much durable, in turns."""
    times = check_output([COMMITS, os.path.join(bench.folder, "commits")], text=True).splitlines()
    names = {"commit": "a commit of the state", "fdatasync": "a write and fdatasync of a file"}
    rows = [(names[line.split()[0]], *line.split()[1:]) for line in times]
    bench.report.heading("Durable, one after the other")
    bench.report.table(("", "p50 us", "p99 us", "most us"), rows)
