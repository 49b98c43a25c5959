"""--sql: queries over windows of the changes, whose results are batches for every sink."""

import contextlib
import datetime
import json
import os
import pty
import random
import re
import shlex
import subprocess
import time

import pytest

from conftest import ROOT
from postgres import lsn_value, wait_until
from queries import (
    NEVER, SOON, TABLES, Writer, end_windows, expected_windows, given_windows, panes, place, results, source_totals, totals,
)  # fmt: skip
from readers import read_ipc, read_parquet

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


@pytest.mark.parametrize(
    "kind, words",
    [("jsonl", TUMBLING), ("duckdb", TUMBLING), ("ipc", SLIDING), ("parquet", SLIDING)],
    ids=["jsonl", "duckdb", "ipc-sliding", "parquet-sliding"],
)
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


LARGE = ["--sql", "large=SELECT status, count(*) AS n, sum(total) AS total FROM public.orders WHERE total > 50 GROUP BY 1"]


@pytest.mark.parametrize(
    "kinds, words, buffer",
    [(("jsonl",), TUMBLING, "off"), (("duckdb",), TUMBLING, "on"), (("ipc",), SLIDING, "off"), (("parquet", "jsonl"), SLIDING, "auto")],
    ids=["jsonl", "duckdb-buffer", "ipc-sliding", "parquet-jsonl-sliding"],
)
def test_killed_again_and_again_each_window_is_there_once(shop, job, tmp_path, kinds, words, buffer):
    words = [*BY_STATUS, *LARGE, *words, "--buffer", buffer]
    to, lots = sinks(tmp_path, *kinds), random.Random(7)
    with Writer(shop):
        for _ in range(10):
            run = job.start(*words, to=to, env=NEVER)
            time.sleep(lots.uniform(0.05, 0.5))  # wherever it is then
            run.kill()
            wait_until(lambda: not shop.slot(job.slot)["active"], what="the slot to be free")
    finish(shop, job, words, to)
    want = expected(shop, tmp_path, SLIDING if "--slide" in words else TUMBLING)
    for kind in kinds:
        assert given_windows(results(kind, place(kind, tmp_path), "by_status")) == want
        large = results(kind, place(kind, tmp_path), "large")
        assert len(given_windows(large)) == len(large) > 0
        if "--slide" not in words:
            assert sum(int(row["n"]) for row in large) == shop.value("SELECT count(*) FROM orders WHERE total > 50")


def test_a_transaction_in_parts_is_in_one_window(shop, job, tmp_path):
    shop.sql("INSERT INTO orders SELECT i, 'new', 1 FROM generate_series(1, 20000) i")
    to = sinks(tmp_path, "jsonl")
    finish(shop, job, [*BY_STATUS, "--window", "1s", "--batch-rows", "500"], to)
    (row,) = results("jsonl", place("jsonl", tmp_path), "by_status")
    assert (row["status"], row["n"]) == ("new", 20000)


def test_columns_that_come_and_go_while_a_window_is_open(shop, job, tmp_path):
    shop.sql("INSERT INTO orders VALUES (1, 'new', 1)")
    shop.sql("ALTER TABLE orders ADD more text, DROP total; INSERT INTO orders VALUES (20, 'new', 'more')")
    shop.sql("ALTER TABLE orders ALTER id TYPE bigint; INSERT INTO orders VALUES (300, 'new', NULL)")
    words = ["--sql", "sums=SELECT count(*) AS n, sum(id)::bigint AS ids FROM public.orders", "--window", "1d"]
    job.walrow("record", tmp_path / "recording", *job.arguments("record")[1:], "--until", "now", code=0)
    job.walrow("decode", tmp_path / "recording", *words, "--to", f"jsonl:{tmp_path / 'sums'}", code=0)
    rows = results("jsonl", tmp_path / "sums", "sums")
    assert (sum(row["n"] for row in rows), sum(row["ids"] for row in rows)) == (3, 321)


# ---- by the clock -------------------------------------------------------------------------------------------


def test_when_nothing_comes_windows_end_by_the_clock(shop, job, tmp_path):
    to = sinks(tmp_path, "jsonl")
    run = job.start(*BY_STATUS, "--window", "100ms", "--buffer", "off", to=to, env=SOON)
    shop.sql("INSERT INTO orders SELECT i, 'new', 1 FROM generate_series(1, 10) i")
    run.wait_for(lambda: len(results("jsonl", place("jsonl", tmp_path), "by_status")) == 1, what="the window")
    idle = shop.flush_lsn()
    run.wait_for(lambda: lsn_value(shop.slot(job.slot)["confirmed_flush_lsn"]) >= idle, what="the slot to move on")
    shop.sql("UPDATE orders SET status = 'paid'; INSERT INTO orders VALUES (11, 'paid', 5)")
    run.wait_for(lambda: len(results("jsonl", place("jsonl", tmp_path), "by_status")) == 2, what="the next window")
    assert run.stop().code == 0
    assert totals(results("jsonl", place("jsonl", tmp_path), "by_status")) == {"new": (10, 10), "paid": (1, 5)}


def test_every_so_often_over_all_that_is_retained(shop, job, tmp_path):
    to = sinks(tmp_path, "jsonl")
    run = job.start("--sql", "n=SELECT 'all' AS status, count(*) AS n FROM public.orders", "--every", "100ms", "--ack-interval", "50", to=to)  # fmt: skip
    last = lambda: [row["n"] for row in results("jsonl", place("jsonl", tmp_path), "n")][-1:]  # noqa: E731
    for n in (10, 20, 30):
        shop.sql(f"INSERT INTO orders SELECT i, 'new', 1 FROM generate_series({n - 9}, {n}) i")
        run.wait_for(lambda: last() == [n], what=f"{n} orders")
    end = shop.flush_lsn()
    run.wait_for(lambda: lsn_value(shop.slot(job.slot)["confirmed_flush_lsn"]) >= end, what="the slot to move on")
    assert run.stop().code == 0


def test_memory_is_bounded_by_what_is_retained(shop, job, tmp_path):
    report = tmp_path / "report"
    words = ["--sql", "n=SELECT count(*) AS n, sum(length(status)) AS size FROM public.orders", "--every", "200ms", "--retain", "16MB"]
    for i in range(30):  # 240 MB
        shop.sql(f"INSERT INTO orders SELECT {i} * 8000 + i, repeat('x', 1000), 1 FROM generate_series(1, 8000) i")
    result = job.stream(*words, "--buffer", "off", "--report", report, to=sinks(tmp_path, "jsonl"))
    *_, row = results("jsonl", place("jsonl", tmp_path), "n")
    assert 8_000_000 < row["size"] < 16 << 20
    assert result.err.count("the oldest are forgotten") == 1
    assert json.loads(report.read_text())["peak_rss_bytes"] < 240 << 20


def test_a_window_larger_than_what_is_retained_is_an_error(shop, job, tmp_path):
    shop.sql("INSERT INTO orders SELECT i, repeat('x', 1000), 1 FROM generate_series(1, 4000) i")
    words, to = [*BY_STATUS, "--window", "1s"], sinks(tmp_path, "jsonl")
    failed = job.stream(*words, "--retain", "2MB", to=to, code=9)
    assert "the changes of one window have more than --retain allows" in failed.err
    finish(shop, job, words, to)  # with more it goes on
    assert [row["n"] for row in results("jsonl", place("jsonl", tmp_path), "by_status")] == [4000]


# ---- sinks --------------------------------------------------------------------------------------------------


def test_sinks_take_the_results_they_want(shop, job, tmp_path):
    shop.sql("INSERT INTO orders VALUES (1, 'new', 10), (2, 'paid', 90)")
    to = [f"ipc:{tmp_path / 'a'}?tables=sql.by_status", f"ipc:{tmp_path / 'b'}?tables=sql.large"]
    finish(shop, job, [*BY_STATUS, *LARGE, "--window", "1s"], to)
    a, b = read_ipc(tmp_path / "a"), read_ipc(tmp_path / "b")
    assert (set(a), set(b)) == ({"sql.by_status"}, {"sql.large"})
    assert [row["status"] for row in b.rows("sql.large")] == ["paid"]
    metadata = a["sql.by_status"][0].metadata
    assert (metadata["walrow.schema"], metadata["walrow.table"], metadata["walrow.key"]) == ("sql", "by_status", "[]")


TABLE = """sql.totals
window_start            window_end              status  n  total
{start}  {end}  new     1  10.00
{start}  {end}  paid    2  95.50

"""


def totals_table(shop, job, run):
    shop.sql("INSERT INTO orders VALUES (1, 'new', 10), (2, 'paid', 90), (3, 'paid', 5.5)")
    end_windows(shop, 1000)
    words = ["--sql", f"totals={SELECT} ORDER BY status", "--window", "1s"]
    out = run(*job.arguments_of_stream(*words, to=["table:-"]))
    start = re.search(r"(\S+ \S+)  \S+ \S+  new +1  10.00", out)[1]
    end = datetime.datetime.fromisoformat(start + ":00") + datetime.timedelta(seconds=1)
    return out, TABLE.format(start=start, end=str(end)[:-3])


def test_a_table_on_standard_output(shop, job, walrow):
    out, table = totals_table(shop, job, lambda *words: walrow(*words, code=0, env=NEVER).out)
    assert out == table


def test_a_table_on_a_terminal_is_drawn_over(shop, job, walrow):
    shop.sql("INSERT INTO orders VALUES (10, 'new', 1)")
    end_windows(shop, 1000)
    out, table = totals_table(shop, job, lambda *words: on_terminal(walrow, words))
    first, second = out.replace("\r\n", "\n").split("\x1b[4A\x1b[J")  # over the four lines of the first
    assert [line.split()[-1:] for line in first.splitlines()] == [["sql.totals"], ["total"], ["1.00"], []]
    assert second == table


def on_terminal(walrow, words):
    """What it draws on a terminal of its own."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([walrow.binary, *words], stdout=follower, stderr=subprocess.DEVNULL, env=walrow.environment(NEVER))
    os.close(follower)
    drawn = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while piece := os.read(leader, 65536):
            drawn += piece
    os.close(leader)
    assert process.wait(60) == 0
    return drawn.decode()


def test_rows_of_a_table_without_a_query(shop, job, walrow):
    shop.sql("INSERT INTO orders VALUES (1, E'a\tb', NULL); DELETE FROM orders")
    out = walrow(*job.arguments_of_stream(to=["table:-"]), code=0).out
    assert out == "public.orders\n_op  id  status  total\nI     1  a b          \nD     1  a b          \n\n"


# ---- the documentation --------------------------------------------------------------------------------------


def documented_commands():
    with open(os.path.join(ROOT, "docs", "queries.md"), encoding="utf-8") as file:
        blocks = re.findall(r"^```sh\n(.*?)^```", file.read(), re.M | re.S)
    return [shlex.split(line, comments=True) for block in blocks for line in block.replace("\\\n", " ").splitlines() if line[0] != "#"]


@pytest.mark.parametrize("words", documented_commands(), ids=lambda words: words[words.index("--sql") + 1].split("=")[0])
def test_the_documentation_s_lines_run(shop, job, walrow, words):
    shop.sql("CREATE TABLE items (order_id int, price numeric(12,2)); ALTER TABLE items REPLICA IDENTITY FULL")
    job.setup()
    shop.sql("INSERT INTO orders VALUES (1, 'new', 10); INSERT INTO items VALUES (1, 4.5), (1, 5.5)")
    shop.sql("UPDATE orders SET status = 'paid'")
    walrow("record", "recording", *job.arguments("record")[1:], "--until", "now", code=0)
    assert words[:4] == ["walrow", "stream", "--tables", "public.*"]
    out = walrow("decode", "recording", *words[2:], code=0).out  # which has all windows, however long they are
    if "table:-" in words:
        assert out.startswith("sql.")
    elif "parquet:metrics" in words:
        assert set(read_parquet(os.path.join(walrow.folder, "metrics"))) == {"sql.orders", "sql.items"}
    else:
        top = results("jsonl", os.path.join(walrow.folder, "top.jsonl"), "top")
        paid = results("jsonl", os.path.join(walrow.folder, "paid.jsonl"), "paid")
        assert ({row["price"] for row in top}, {row["orders"] for row in paid}) >= ({20}, {1})


# ---- usage --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, message",
    [
        (["--sql", f"q={SELECT}"], "--sql needs --window or --every"),
        (["--sql", "q=selec 1", "--window", "1s"], "query q: DuckDB: Parser Error"),
        (["--sql", f"q={SELECT}", "--window", "10"], '--window: "10" is not a duration'),
        (["--sql", f"q={SELECT}", "--window", "1s", "--snapshot", "initial"], "a snapshot's rows are none"),
        (["--sql", f"q={SELECT}", "--window", "1s", "--wal2json-format", "1", "--plugin", "wal2json"], "--wal2json-format 1"),
        (["--every", "1s"], "there is no --sql"),
    ],
)
def test_usage(walrow, words, message):
    failed = walrow("stream", "-d", "host=nowhere", "--to", "jsonl:-", *words)
    assert failed.code == 2
    assert message in failed.err


