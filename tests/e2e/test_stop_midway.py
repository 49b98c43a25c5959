"""Told to leave in the middle of a very large transaction it leaves at once, and nothing is doubled or lost afterwards."""

import itertools
import os
import signal
import threading
import time

import duckdb
import pytest

from plugin import plugin_conf
from postgres import Postgres, wait_until
from proxy import Proxy
from readers import read_ipc, read_jsonl, read_parquet
from streaming import Job, ways

ROWS = 100_000
FREELY = 4 << 20  # bytes of the transaction's 15 MB that come fast
AT_ONCE_S = 15  # the rest would take twice as long

FILES = "?rotate_rows=10000"
NUMBERS = itertools.count(1)
PARAMETERS = {"ipc": FILES, "parquet": FILES, "jsonl": "", "duckdb": "", "duckdb-log": "?mode=append"}
buffers = pytest.mark.parametrize("buffer", ["off", "on"])


class Midway:
    """A stream that has a part of one transaction, while the rest comes slowly."""

    def __init__(self, server, proxy, walrow, folder, way="pgoutput"):
        self.server, self.proxy = server, proxy
        self.db = server.create_database(f"midway_{next(NUMBERS)}")
        self.db.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
        self.job = Job(self.db, walrow, folder, way=way)
        self.job.setup()

    def start(self, kind, buffer):
        self.kind, self.path = kind, os.path.join(self.job.folder, kind)
        self.words = ["--batch-rows", "1000", "--buffer", buffer]
        self.to = [f"{kind.removesuffix('-log')}:{self.path}{PARAMETERS[kind]}"]
        self.db.sql(f"INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, {ROWS}) i")
        self.proxy.trickle_after(FREELY)
        url = f"postgresql://postgres@127.0.0.1:{self.proxy.port}/{self.db.name}"
        run = self.job.start("-d", url, *self.words, to=self.to)
        run.wait_for(self.proxy.trickling.is_set, timeout=60, what="the middle of the transaction")
        return run

    def go_on(self):
        """Another run has the rest; the ids that are there then, as they lie there."""
        self.proxy.heal()
        wait_until(lambda: not self.db.slot(self.job.slot)["active"], what="the slot to be free")
        self.job.stream(*self.words, to=self.to)
        return list(self.ids())

    def ids(self):
        if self.kind == "ipc":
            return read_ipc(self.path).table("public.t").column("id").to_pylist()
        if self.kind == "parquet":
            return read_parquet(self.path).table("public.t").column("id").to_pylist()
        if self.kind == "jsonl":
            return [event["data"]["id"] for event in read_jsonl(self.path) if event["event_type"] == "insert"]
        with duckdb.connect(self.path, read_only=True) as connection:
            return [row[0] for row in connection.execute("SELECT id FROM public.t ORDER BY id").fetchall()]


@pytest.fixture(scope="module")
def proxied():
    """A server that all share, and the proxy in front of it."""
    with Postgres(tcp=True, conf=plugin_conf()) as server:
        yield server, Proxy(server.port)


@pytest.fixture
def midway(proxied, walrow, tmp_path, way):
    made = Midway(*proxied, walrow, tmp_path, way)
    yield made
    made.proxy.heal()
    walrow.close()
    made.db.drop()


def ends(run, *numbers):
    """Its exit status after these signals, which it gets all at once; and that it ends soon."""
    told_at = time.monotonic()
    for number in (signal.SIGSTOP, *numbers, signal.SIGCONT):
        run.signal(number)
    code = run.wait().code
    assert time.monotonic() - told_at < AT_ONCE_S
    return code


@buffers
@pytest.mark.parametrize("kind", PARAMETERS)
def test_told_to_stop(midway, kind, buffer):
    assert ends(midway.start(kind, buffer), signal.SIGTERM) == 0
    assert midway.go_on() == list(range(1, ROWS + 1))


@pytest.mark.parametrize("kind, buffer", [("ipc", "on"), ("parquet", "off"), ("jsonl", "on"), ("duckdb", "off")])
def test_told_twice(midway, kind, buffer):
    assert ends(midway.start(kind, buffer), signal.SIGINT, signal.SIGTERM) == 130
    assert midway.go_on() == list(range(1, ROWS + 1))


@buffers
@ways("wal2arrow")
def test_told_to_stop_in_batches_of_the_server(midway, buffer):
    assert ends(midway.start("ipc", buffer), signal.SIGTERM) == 0
    assert midway.go_on() == list(range(1, ROWS + 1))


@buffers
def test_told_to_stop_while_the_server_shuts_down(new_server, walrow, tmp_path, buffer):
    server = new_server(tcp=True)
    midway = Midway(server, Proxy(server.port), walrow, tmp_path)
    run = midway.start("ipc", buffer)
    leaving = threading.Thread(target=server.stop)
    leaving.start()
    wait_until(lambda: "received fast shutdown request" in server.log(), what="the shutdown to begin")
    assert ends(run, signal.SIGINT) == 0
    leaving.join(AT_ONCE_S)
    assert not server.running(), "it need not wait for a transaction that nobody reads"
    server.start()
    assert midway.go_on() == list(range(1, ROWS + 1))
