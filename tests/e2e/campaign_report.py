"""What a campaign has shown, as docs/reliability.md and in a few lines on the terminal."""

import collections
import dataclasses
import platform
import statistics
import subprocess
import time

from campaign_work import LATE_ROWS
from postgres import server_version

MEGABYTE = 1 << 20
STATE_LIMIT = 64 * MEGABYTE
ENOUGH_CYCLES = 300  # for every named place
WAYS = ["pulling with CALL", "pulling with pg_logical", "changes are pushed"]
HEAD = ["sink", "changes", "lost", "doubled", "out of order", "wrong", "never committed", "rolled back"]


def problems_of(campaign, verdicts):
    found = [f"{name}: {verdict}" for name, verdict in verdicts.items() if not verdict.fine()]
    found += [f"left behind: {name}" for name in campaign.left_files()]
    state = sum(stream.state_bytes() for stream in campaign.streams)
    if state > STATE_LIMIT:
        found.append(f"the states have {state} bytes in the end, when all is delivered")
    growing = [stream for stream in campaign.streams if grows(stream.peak_rss)]
    found += [f"the memory of {stream.name} grows: {stream.peak_rss}" for stream in growing]
    if campaign.cycles >= ENOUGH_CYCLES:
        switching = [stream for stream in campaign.streams if stream.tuning]
        found += [f"{stream.name} never: {way}" for stream in switching for way in WAYS if not stream.transports[way]]
        found += [f"never killed at {point}" for point in campaign.all_points if not campaign.points[point]]
    return found


def grows(peaks):
    """Of many processes, one after the other: what they find does not cost the later ones more."""
    third = len(peaks) // 3
    return third >= 50 and statistics.median(peaks[-third:]) > 1.3 * statistics.median(peaks[:third]) + 16 * MEGABYTE


def table(head, rows):
    lines = [" | ".join(map(str, row)) for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(f"| {line} |" for line in lines)


def commit_of_source():
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def text_of(campaign, verdicts, problems):
    changes = len(campaign.truth.changes)
    lost, doubled = sum(v.lost for v in verdicts.values()), sum(v.doubled for v in verdicts.values())
    places = [(f"`{point}`", campaign.points[point]) for point in campaign.all_points]
    rows = [(f"`{name}`", *dataclasses.astuple(v)[:7], ", ".join(v.tables) or "none") for name, v in verdicts.items()]
    peaks = [
        (stream.name, stream.starts, max(stream.peak_rss, default=0) // MEGABYTE, stream.state_bytes() // 1024)
        for stream in campaign.streams
    ]
    transports = sum((stream.transports for stream in campaign.streams), collections.Counter())
    called, asked, pushed = (transports[way] for way in WAYS)
    began = time.strftime("%Y-%m-%d", time.gmtime(campaign.began))
    minutes = (campaign.ended - campaign.began) / 60
    return f"""# Reliability: what a campaign of crashes has shown

Made by `make campaign CYCLES={campaign.cycles} SEED={campaign.seed}`; do not edit. A workload of transactions of 1 to some
thousand rows over five tables (inserts, updates that change keys, deletes, truncates, savepoints, some rolled back)
runs all the time; {len(campaign.streams)} `walrow stream` run beside it, one through the buffer into four sinks, the others into one sink each
without a buffer{", one of them Kafka" if campaign.kafka else ""}. Each cycle breaks one thing. In the end the power fails once more, and every sink is held against what
PostgreSQL's own `test_decoding` says was committed: each position there once, none between, in order, with its values, and
the tables they add up to against the source's.

**{campaign.cycles} cycles, {changes} changes of {campaign.truth.transactions} transactions: {lost} lost, {doubled} doubled.**
{began}, {minutes:.0f} minutes, PostgreSQL {server_version()}, wal2arrow and pgoutput, Linux {platform.machine()}, commit {campaign.commit}.

{table([*HEAD, "tables that differ"], rows)}

`duckdb:` without `mode=append` is a replica: its tables are compared as a whole, and the figure is its rows. Tables
that are made while the streams run ({len(campaign.work.late)}, of {LATE_ROWS} rows and more) are read first: a sink owes the
changes from then on.

{table(["what was broken", "times"], sorted(campaign.faults.items(), key=lambda item: -item[1]))}

{called} times a stream went over to pulling by procedure (`CALL wal2arrow.stream`), {asked} times to pulling by function, {pushed} times
to pushing: the thresholds of `ipc` and `jsonl` are a few hundred kB, and every other cycle drops the extension.

The reading of a new table was cut off {campaign.interrupted} times, and begun again.

{table(["named place of a kill -9", "times"], places)}

{table(["stream", "starts", "peak memory, MB", "state in the end, kB"], peaks)}

{"Nothing was wrong." if not problems else "**Wrong:** " + "; ".join(problems)}

## How the power fails

A killed process leaves the kernel's page cache as it is, so `kill -9` alone cannot show an fsync that is missing. A
library preloaded into walrow ([campaign_disk.c](../tests/e2e/campaign_disk.c)) notes what each fsync of a file or directory
made durable, by walrow itself, RocksDB and DuckDB. A power failure is a `kill -9` after which the stream's folder, sinks
and state alike, is put back to that: files as they were at their last fsync, under the names their directories had at
theirs. In a third of the cases half of what was not synced is there all the same. The clock jumps by a library, too
([campaign_clock.c](../tests/e2e/campaign_clock.c)): by up to three years, forwards or back.

## Would it show?

Walrow was broken on purpose, by hand, and 20 cycles run with each break. All were caught:

| what was broken | what 20 cycles said |
| --- | --- |
| positions are confirmed when they are handed on, before the sinks have synced | 141 changes lost in `ipc:` |
| a restart of `ipc:` and `parquet:` does not drop what the files have already | 24 changes doubled in `parquet:` |
| no fsync of the directory after a file of `ipc:` or `parquet:` got its name | every change of both lost |
| no fsync of the file before `jsonl:` records its size | every change of `jsonl:` lost |
| no fsync of any directory, or of anything | everything lost, in every sink |
| positions are written to the state without syncing it | the next start finds the slot ahead of the state, and refuses it |

## What this does not show

A disk that says it has synced and has not, blocks that are half written, and a power failure of PostgreSQL's machine.
"""


def write_report(campaign, verdicts, path):
    problems = problems_of(campaign, verdicts)
    text = text_of(campaign, verdicts, problems)
    if path is not None:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        print(text)
    print(f"{campaign.cycles} cycles, {len(campaign.truth.changes)} changes, {len(problems)} problems", flush=True)
    for problem in problems:
        print(problem, flush=True)
    return not problems
