"""Rows of eight columns divided among partitions, on one core, beside pyarrow's take of the same rows."""

import os
import time
from subprocess import check_output

from clients import ROOT

PARTITION = os.path.join(ROOT, "build", "bench", "partition")
ROUNDS, SLICES = 2, 150  # as in partition.c
RESOLVE_AT, GOAL = 10, 20


def measure(report, folder):
    """Millions of rows a second of walrow_partition."""
    rows = os.path.join(folder, "rows.arrows")
    lines = check_output([PARTITION, rows], text=True).splitlines()
    rates = {name: float(rate) for name, rate in map(str.split, lines)}
    report.heading("Rows of 8 columns divided among 16 partitions, on one core")
    report.table(("", "M rows/s"), (
        ("walrow_partition: hash of one column, take of 8", rates["partition"]),
        ("its hash alone", rates["hash"]),
        ("its take alone", rates["take"]),
        ("pyarrow's take alone", f"{pyarrow_take(rows):.1f}"),
    ))  # fmt: skip
    return rates["partition"]


def pyarrow_take(path):
    import pyarrow

    pyarrow.set_cpu_count(1)
    with pyarrow.ipc.open_stream(path) as stream:
        batch = stream.read_next_batch()
    numbers = {}
    for number, owner in enumerate(batch["owner"].to_pylist()):
        numbers.setdefault(owner, []).append(number)
    numbers = [pyarrow.array(its, pyarrow.uint32()) for its in numbers.values()]
    batch = batch.drop_columns("owner")
    return batch.num_rows * ROUNDS / min(seconds(batch, numbers) for _ in range(SLICES)) / 1e6


def seconds(batch, numbers):
    started = time.perf_counter()
    for _ in range(ROUNDS):
        for its in numbers:
            batch.take(its)
    return time.perf_counter() - started
