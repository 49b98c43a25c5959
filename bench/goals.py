"""What was wanted, and what came out."""

import partitioning
from clients import RAW, RAW_WAL2JSON

HEADER = ("goal", "measured", "resolve at", "goal at", "")

# what, one rate, another, resolve at, goal
RATIOS = (
    ("pgoutput, pulled by function / raw pgoutput", "walrow, pgoutput, pulled by function, null:", RAW, 1.8, 2.2),
    ("wal2arrow, pulled by procedure / raw pgoutput", "walrow, wal2arrow, pulled by procedure, null:", RAW, 6, 9),
    (
        "wal2arrow, pulled by procedure / decode ceiling by procedure",
        "walrow, wal2arrow, pulled by procedure, null:", "nothing emitted, by procedure", 0.5, 0.65,
    ),
    ("pgoutput, pulled by procedure / raw pgoutput", "walrow, pgoutput, pulled by procedure, null:", RAW, 3, 3.5),
    (
        "wal2json, pushed / pg_recvlogical with the same options",
        "walrow, wal2json, pushed, null:", RAW_WAL2JSON, 0.97, 0.97,
    ),
    ("walrow into jsonl: / best peer", "walrow, wal2arrow, pulled by procedure, jsonl:", "best peer", 5, 10),
    ("walrow into parquet: / best peer", "walrow, wal2arrow, pulled by procedure, parquet:", "best peer", 5, 10),
    (
        "rows as pyarrow's batches in Python / rows in C",
        "walrow, wal2arrow, pulled by procedure, read in Python", "walrow, wal2arrow, pulled by procedure, read in C",
        0.95, 0.95,
    ),
    (
        "walrow into jsonl: / best peer into JSON lines",
        "walrow, wal2arrow, pulled by procedure, jsonl:", "best JSON", 5, 10,
    ),
)  # fmt: skip


def goal_rows(small, latency, partition_rate):
    """small: contestant -> Measured on 10-row transactions; latency: (p50, p99) of walrow in ms, or None; M rows/s."""
    found = {contestant.name: its for contestant, its in small.items()}
    peers = {contestant: its for contestant, its in small.items() if contestant.group == "peer"}
    found["best peer"] = best(peers.values())
    found["best JSON"] = best(its for peer, its in peers.items() if peer.file)
    for what, one, other, resolve_at, goal in RATIOS:
        one, other = found.get(one), found.get(other)
        value = one.ratio(other) if one and other else None
        yield (what, *verdict(value, resolve_at, goal, "{:.2f}", lambda value, bound: value >= bound))
    bounds = partitioning.RESOLVE_AT, partitioning.GOAL
    what = "rows of 8 columns divided among partitions, M rows/s on one core"
    yield (what, *verdict(partition_rate, *bounds, "{:.1f}", lambda value, bound: value >= bound))
    for what, value, resolve_at, goal, form in (
        ("latency p50 at 1,000 transactions/s", latency and latency[0], 2, 1, "{:.2f} ms"),
        ("latency p99 at 1,000 transactions/s", latency and latency[1], 10, 5, "{:.2f} ms"),
        ("peak RSS of walrow into null:, the most", peak_rss(small, "null"), 100, 60, "{:.0f} MB"),
        ("peak RSS of walrow into files, the most", peak_rss(small, "ipc", "parquet", "jsonl"), 100, 60, "{:.0f} MB"),
    ):
        yield (what, *verdict(value, resolve_at, goal, form, lambda value, bound: value <= bound))


def best(measured):
    return max(measured, key=lambda its: its.rate, default=None)


def peak_rss(small, *sinks):
    """In MB."""
    mine = [its for contestant, its in small.items() if contestant.group == "walrow" and contestant.sink in sinks]
    return max((its.median("peak_rss") / 1e6 for its in mine), default=None)


def verdict(value, resolve_at, goal, form, good):
    if value is None:
        return "not measured", resolve_at, goal, ""
    word = "goal reached" if good(value, goal) else "resolved" if good(value, resolve_at) else "not reached"
    return form.format(value), resolve_at, goal, word
