"""Key figures of a web site for each half second: live in the terminal, and as a plot in the end."""

import json
import os

import chart
import throwaway
from visitors import PAGES, SCHEMA, visit

KPIS = """
    SELECT page, count(*) AS hits, count(*) FILTER (WHERE status >= 500) AS failed, round(quantile_cont(ms, 0.95)) AS p95_ms
    FROM public.requests GROUP BY page ORDER BY page
"""
RESULTS = os.path.join(throwaway.OUT, "kpis.jsonl")
PLOT = os.path.join(throwaway.OUT, "kpis.svg")


def results():
    """The rows of all windows that are over so far."""
    if not os.path.exists(RESULTS):
        return []
    with open(RESULTS, encoding="utf-8") as file:
        lines = file.read().split("\n")[:-1]  # a line without an end is being written
    return [event["data"] for event in map(json.loads, lines) if event["event_type"] == "insert"]


def count_hits(rows):
    return sum(row["hits"] for row in rows)


def plot(rows):
    windows = {row["window_start"]: dict.fromkeys(PAGES, 0) for row in rows}
    for row in rows:
        windows[row["window_start"]][row["page"]] = row["hits"]
    chart.draw("requests of each half second", [(start[11:19], counts) for start, counts in windows.items()], PLOT)


def check(db, rows):
    """Each request has counted in one window, and only there."""
    for page, hits in db.sql("SELECT page, count(*) FROM requests GROUP BY page"):
        assert count_hits(row for row in rows if row["page"] == page) == hits, page
    assert len({(row["window_start"], row["page"]) for row in rows}) == len(rows)


def stream_until_all_is_counted(db):
    query = ("--sql", f"kpis={KPIS}", "--window", "500ms")
    with throwaway.streaming(db, *query, "--to", "table:-", "--to", f"jsonl:{RESULTS}", visible=True) as stream:
        visit(db)
        hits = db.value("SELECT count(*) FROM requests")
        stream.wait_for(lambda: count_hits(results()) == hits, what="the last window is over")


def main():
    with throwaway.database(SCHEMA) as db:
        stream_until_all_is_counted(db)
        rows = results()
        check(db, rows)
    plot(rows)
    windows = {row["window_start"] for row in rows}
    print(f"{count_hits(rows)} requests in {len(windows)} windows, as PostgreSQL has them: {os.path.relpath(PLOT)}")


if __name__ == "__main__":
    throwaway.run(main)
