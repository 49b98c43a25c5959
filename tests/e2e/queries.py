"""A shop whose orders are written for a while, and results of queries over windows of them."""

import datetime
import os
import random
import threading

import duckdb

from postgres import wait_until
from readers import read_ipc, read_jsonl, read_parquet

TABLES = (
    "CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric(12,2));"
    "CREATE TABLE tick (id int PRIMARY KEY); ALTER TABLE orders REPLICA IDENTITY FULL"
)
STATUSES = ("new", "paid", "sent")
NEVER = {"WALROW_WINDOW_GRACE_MS": 10**9}  # only a later commit ends a window
SOON = {"WALROW_WINDOW_GRACE_MS": 200}


class Writer(threading.Thread):
    """Transactions of inserts into orders until it is told to stop; ids are never used twice."""

    def __init__(self, db, seed=1):
        super().__init__()
        self.db, self.random, self.told = db, random.Random(seed), threading.Event()

    def run(self):
        with self.db.connect() as connection:
            number = 0
            while not self.told.is_set():
                n = self.random.randint(1, 20)
                rows = [(number + i, self.random.choice(STATUSES), self.random.randint(1, 9999) / 100) for i in range(n)]
                with connection.transaction(), connection.cursor() as cursor:
                    cursor.executemany("INSERT INTO orders VALUES (%s, %s, %s)", rows)
                number += n
                self.told.wait(0.005)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.told.set()
        self.join()


def end_windows(db, ms):
    """A commit that is later than every window of what was committed before."""
    with db.connect() as connection:
        before = connection.execute("SELECT clock_timestamp()").fetchone()[0]
        later = lambda: connection.execute(  # noqa: E731
            "SELECT clock_timestamp() > %s::timestamptz + %s * interval '1 ms'", (before, ms)).fetchone()[0]  # fmt: skip
        wait_until(later, what="the server's clock")
        connection.execute("INSERT INTO tick SELECT coalesce(max(id), 0) + 1 FROM tick")


def source_totals(db):
    """{status: (orders, their sum)}"""
    return {s: (n, t) for s, n, t in db.sql("SELECT status, count(*), sum(total) FROM orders GROUP BY 1")}


def place(kind, folder):
    return os.path.join(str(folder), f"results.{kind}")


def results(kind, path, name):
    """The rows of sql.NAME in a sink of a kind, in order; what is not there yet is none."""
    if not os.path.exists(path):
        return []
    if kind == "ipc":
        return read_ipc(path).rows(f"sql.{name}")
    if kind == "parquet":
        return read_parquet(path).rows(f"sql.{name}")
    if kind == "jsonl":
        events = [e for e in read_jsonl(path, exact=True) if e["event_type"] == "insert" and e["table"] == name]
        return [{**e["data"], "_commit_lsn": e["lsn"], "_seq": e["seq"]} for e in events]
    with duckdb.connect(path, read_only=True) as connection:
        if not connection.execute("FROM duckdb_tables() WHERE schema_name = 'sql'").fetchall():
            return []
        return connection.execute(f'FROM sql."{name}"').to_arrow_table().to_pylist()


def totals(rows):
    """{status: (orders, their sum)} over all windows"""
    found = {}
    for row in rows:
        n, total = found.get(row["status"], (0, 0))
        found[row["status"]] = (n + int(row["n"]), total + row["total"])
    return found


# ---- what must come out -------------------------------------------------------------------------------------


def panes(job, to, slide_ms):
    """{pane: {status: (orders, their sum)}}, by the rule: a commit's pane is that of its time, or the one that is open.

    From the plain events of a slot of its own.
    """
    job.stream(to=[f"jsonl:{to}"])
    found, open_pane, commit = {}, None, None
    for event in read_jsonl(to, exact=True):
        if event["event_type"] == "begin":
            pane = microseconds(event["timestamp"]) // (slide_ms * 1000)
            open_pane = pane if open_pane is None else max(open_pane, pane)
            commit = found.setdefault(open_pane, {})
        elif event["event_type"] == "insert" and event["table"] == "orders":
            n, total = commit.get(event["data"]["status"], (0, 0))
            commit[event["data"]["status"]] = (n + 1, total + event["data"]["total"])
    return found


def microseconds(timestamp):
    at = datetime.datetime.fromisoformat(str(timestamp).replace("Z", "+00:00"))
    return round((at - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) / datetime.timedelta(microseconds=1))


def expected_windows(panes, slide_ms, n_slides):
    """{(start, status): (orders, their sum)} of every window that ends before the last pane begins."""
    windows = {}
    last = max(panes)
    for end in range(min(panes), last):
        start = (end + 1 - n_slides) * slide_ms * 1000
        for pane in range(end + 1 - n_slides, end + 1):
            for status, (n, total) in panes.get(pane, {}).items():
                have_n, have_total = windows.get((start, status), (0, 0))
                windows[start, status] = (have_n + n, have_total + total)
    return windows


def given_windows(rows):
    windows = {(microseconds(row["window_start"]), row["status"]): (int(row["n"]), row["total"]) for row in rows}
    assert len(windows) == len(rows), "a window was given twice"
    return windows
