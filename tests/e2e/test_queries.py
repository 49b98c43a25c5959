"""--sql: queries over windows of the changes, whose results are batches for every sink."""

import random
import time

import pytest

from postgres import wait_until
from queries import (
    NEVER, SOON, TABLES, Writer, end_windows, expected_windows, given_windows, panes, place, results, source_totals, totals,
)  # fmt: skip

SELECT = "SELECT status, count(*) AS n, sum(total)::decimal(18,2) AS total FROM public.orders WHERE _op = 'I' GROUP BY ALL"
BY_STATUS = ["--sql", f"by_status={SELECT}", "--ack-interval", "20"]
TUMBLING, SLIDING = ["--window", "150ms"], ["--window", "600ms", "--slide", "150ms"]
SLIDE_MS = 150
FILES = "?rotate_rows=50"
PARAMETERS = {"ipc": FILES, "parquet": FILES, "jsonl": "", "duckdb": ""}


@pytest.fixture
def shop(db, job, new_job):
    """Also a slot that nobody reads until all is over."""
    db.sql(TABLES)
    job.setup()
    db.plain = new_job("plain")
    db.plain.setup()
    return db


def sinks(folder, *kinds):
    return [f"{kind}:{place(kind, folder)}{PARAMETERS[kind]}" for kind in kinds]


def finish(shop, job, words, to):
    """All that was committed is in windows, and they are over."""
    end_windows(shop, 1000)
    job.stream(*words, to=to, env=NEVER)


def expected(shop, folder, words):
    n_slides = 4 if words == SLIDING else 1
    return expected_windows(panes(shop.plain, folder / "plain.jsonl", SLIDE_MS), SLIDE_MS, n_slides)


# ---- every change in its windows ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PARAMETERS)
@pytest.mark.parametrize("words", [TUMBLING, SLIDING], ids=["tumbling", "sliding"])
def test_windows_are_those_of_the_changes(shop, job, tmp_path, kind, words):
    to = sinks(tmp_path, kind)
    with Writer(shop):
        run = job.start(*BY_STATUS, *words, to=to, env=NEVER)
        for _ in range(3):
            end_windows(shop, SLIDE_MS)
        assert run.stop().code == 0  # in the middle of a window
        end_windows(shop, SLIDE_MS)
    finish(shop, job, BY_STATUS + words, to)
    rows = results(kind, place(kind, tmp_path), "by_status")
    assert given_windows(rows) == expected(shop, tmp_path, words)
    if words == TUMBLING:
        assert totals(rows) == source_totals(shop)


@pytest.mark.parametrize("kinds", [("jsonl",), ("ipc",), ("duckdb",), ("parquet", "jsonl")], ids="-".join)
@pytest.mark.parametrize("words", [TUMBLING, SLIDING], ids=["tumbling", "sliding"])
def test_killed_again_and_again_each_window_is_there_once(shop, job, tmp_path, kinds, words):
    to, lots = sinks(tmp_path, *kinds), random.Random(7)
    second = ["--sql", "large=SELECT status, count(*) AS n, sum(total) AS total FROM public.orders WHERE total > 50 GROUP BY 1"]
    with Writer(shop):
        for _ in range(8):
            run = job.start(*BY_STATUS, *second, *words, to=to, env=NEVER)
            time.sleep(lots.uniform(0.05, 0.6))  # wherever it is then
            run.kill()
            wait_until(lambda: not shop.slot(job.slot)["active"], what="the slot to be free")
    finish(shop, job, BY_STATUS + second + words, to)
    want = expected(shop, tmp_path, words)
    for kind in kinds:
        assert given_windows(results(kind, place(kind, tmp_path), "by_status")) == want
        large = results(kind, place(kind, tmp_path), "large")
        assert len(given_windows(large)) == len(large) > 0
        if words == TUMBLING:
            assert sum(int(row["n"]) for row in large) == shop.value("SELECT count(*) FROM orders WHERE total > 50")
