"""The time from a commit to its change in a caller's hands, while single-row transactions come at a fixed rate."""

import os
import statistics
import subprocess
import sys
from contextlib import ExitStack

from clients import ROOT
from peers import built, pglogrepl
from postgres import clean_environment, pgbin, wait_until
from timing import TIME_LIMIT_S, Failed, start

LATENCY = os.path.join(ROOT, "build", "bench", "latency")
RATE = 1000  # transactions a second
TABLE = "CREATE TABLE ticks (id bigserial PRIMARY KEY, a int, name text, at timestamptz)"
TICK = "INSERT INTO ticks (a, name, at) VALUES (1, 'a tick', now());\n"


def walrow(server, count):
    options = {
        "source": server.dsn(), "slot": "tip", "publication": "bench", "tables": "public.ticks", "no-setup": "true",
        "snapshot": "never", "state": "off", "batch-delay": "0",
    }  # fmt: skip
    return [[LATENCY, str(count), "walrow", *map("=".join, options.items())]]


def pg_recvlogical(server, count):
    reader = [
        pgbin("pg_recvlogical"), "-d", server.dsn(), "-S", "tip", "--start", "--no-loop", "-f", "-",
        "-o", "include-timestamp=on", "-o", "skip-empty-xacts=on",
    ]  # fmt: skip
    return [reader, [LATENCY, str(count), "lines"]]


def peer(server, count):
    program, url = pglogrepl(server)
    return [[program, "-latency", url, "tip", str(count)]]


# name, plugin of the slot, its processes, each reading what the one before it prints
READERS = (
    ("walrow, wal2arrow", "wal2arrow", walrow),
    ("walrow, pgoutput", "pgoutput", walrow),
    ("pg_recvlogical, test_decoding", "test_decoding", pg_recvlogical),
    ("pglogrepl (Go)", "pgoutput", peer),
)


def measure_latency(server, folder, seconds, failures):
    """name -> sorted milliseconds, of those that are there; the names of those that fail are added to failures."""
    server.sql(TABLE)
    script = os.path.join(folder, "tick.sql")
    with open(script, "w", encoding="utf-8") as file:
        file.write(TICK)
    found = {}
    for name, plugin, commands in READERS:
        if commands is peer and not built("pglogrepl", "peer"):
            continue
        server.sql("SELECT pg_create_logical_replication_slot('tip', %s)", (plugin,))
        try:
            found[name] = read_while_written(server, commands(server, RATE * seconds), script, RATE * seconds)
        except (Failed, TimeoutError, subprocess.SubprocessError) as failure:
            failures.append(f"latency: {name}")
            print(failure, file=sys.stderr, flush=True)
        finally:
            drop_slot(server, "tip")
    return found


def read_while_written(server, commands, script, count):
    with ExitStack() as stack:
        readers, stdin = [], subprocess.DEVNULL
        for command in commands:
            reader = stack.enter_context(start(command, stdin=stdin, stdout=subprocess.PIPE))
            stack.callback(reader.kill)
            readers.append(reader)
            stdin = reader.stdout
        is_read = "SELECT active FROM pg_replication_slots WHERE slot_name = 'tip'"
        wait_until(lambda: readers[0].poll() is not None or server.sql(is_read)[0][0], what="the reader to begin")
        write(server, script, count)
        lines = readers[-1].communicate(timeout=TIME_LIMIT_S)[0].split()
    if len(lines) != count:
        raise Failed(f"{commands[0][0]}: {count} transactions, {len(lines)} came")
    return sorted(int(line) / 1000 for line in lines)


def write(server, script, count):
    command = [pgbin("pgbench"), "-n", "-f", script, "-t", str(count), "-R", str(RATE), server.dsn()]
    subprocess.run(command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def drop_slot(server, slot):
    """Once the server, too, knows that nobody reads it."""
    active = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
    wait_until(lambda: not server.sql(active, (slot,))[0][0], what=f"the slot {slot} to be released")
    server.sql("SELECT pg_drop_replication_slot(%s)", (slot,))


def percentile(latencies, percent):
    return statistics.quantiles(latencies, n=100, method="inclusive")[percent - 1]
