"""What a campaign has shown, as docs/reliability.md and in a few lines on the terminal."""

import dataclasses
import platform
import subprocess
import time

from postgres import server_version

MEGABYTE = 1 << 20
STATE_LIMIT = 64 * MEGABYTE
HEAD = ["sink", "changes", "lost", "doubled", "out of order", "wrong", "never committed", "rolled back", "tables that differ"]


def problems_of(campaign, verdicts):
    found = [f"{name}: {verdict}" for name, verdict in verdicts.items() if not verdict.fine()]
    found += [f"left behind: {name}" for name in campaign.staged_files()]
    state = sum(stream.state_bytes() for stream in campaign.streams)
    if state > STATE_LIMIT:
        found.append(f"the states have {state} bytes in the end, when all is delivered")
    for stream in campaign.streams:
        half = len(stream.peak_rss) // 2
        if half > 5 and max(stream.peak_rss[half:]) > 1.5 * max(stream.peak_rss[:half]):
            found.append(f"the memory of {stream.name} grows: {stream.peak_rss}")
    return found


def table(head, rows):
    lines = [" | ".join(map(str, row)) for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(f"| {line} |" for line in lines)


def commit_of_source():
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def text_of(campaign, verdicts, problems):
    changes = len(campaign.truth.changes)
    lost, doubled = sum(v.lost for v in verdicts.values()), sum(v.doubled for v in verdicts.values())
    reached = ", ".join(f"{name} {count}" for name, count in sorted(campaign.points.items()) if count)
    rows = [(f"`{name}`", *dataclasses.astuple(v)[:7], ", ".join(v.tables) or "none") for name, v in verdicts.items()]
    peaks = [
        (stream.name, stream.starts, max(stream.peak_rss, default=0) // MEGABYTE, stream.state_bytes() // 1024)
        for stream in campaign.streams
    ]
    began = time.strftime("%Y-%m-%d", time.gmtime(campaign.began))
    minutes = (time.time() - campaign.began) / 60
    return f"""# Reliability: what a campaign of crashes has shown

Made by `make campaign CYCLES={campaign.cycles} SEED={campaign.seed}`; do not edit. A workload of transactions of 1 to some
thousand rows over five tables (inserts, updates that change keys, deletes, truncates, savepoints, some rolled back)
runs all the time; three `walrow stream` run beside it, one through the buffer into four sinks, two into one sink each
without a buffer. Each cycle breaks one thing. In the end every sink is held against what PostgreSQL's own
`test_decoding` says was committed, change by change.

**{campaign.cycles} cycles, {changes} changes of {campaign.truth.transactions} transactions: {lost} lost, {doubled} doubled.**
{began}, {minutes:.0f} minutes, PostgreSQL {server_version()}, wal2arrow and pgoutput, Linux {platform.machine()}, commit {campaign.commit}.

{table(HEAD, rows)}

`duckdb:` without `mode=append` is a replica: its tables are compared as a whole, and the figure is its rows.

{table(["what was broken", "times"], sorted(campaign.faults.items(), key=lambda item: -item[1]))}

Named places where the process was killed: {reached or "none"}.

{table(["stream", "starts", "peak memory, MB", "state in the end, kB"], peaks)}

{"Nothing was wrong." if not problems else "**Wrong:** " + "; ".join(problems)}

## What this does not show

A killed process leaves the kernel's page cache as it is, so an fsync that is missing does not show here; the order of
write, fsync and rename is what the unit tests and [delivery](delivery.md) are about. Clock jumps are not among the faults.
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
