"""The Python package with a real server: the README's lines, asyncio, other libraries, acknowledgement, Ctrl-C."""

import asyncio
import collections
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import duckdb
import pyarrow as pa
import pytest

import walrow
from command import Walrow
from conftest import ROOT
from postgres import clean_environment, lsn_value, wait_until

SOON = 60


@pytest.fixture
def options(job, db, tmp_path):
    """Of the job's slot."""
    return {"source": db.url(), "tables": "public.*", "slot": job.slot, "publication": job.slot,
            "state": tmp_path / "state", "ack_interval": 50}  # fmt: skip


@pytest.fixture
def changes(job, options):
    """changes(): the slot is made; the options then stream what changes from now on."""

    def make():
        job.setup()
        options["snapshot"] = "never"

    return make


def orders_and_users(db):
    db.sql("CREATE TABLE orders (id int PRIMARY KEY, total numeric(8, 2))")
    db.sql("CREATE TABLE users (id int PRIMARY KEY, name text)")


def ids(batch):
    return pa.record_batch(batch).column("id").to_pylist()


def all_ids(reader):
    return [one for batch in reader for one in ids(batch)]


# ---- reading -------------------------------------------------------------------------------------------------


def test_readers_are_found_by_their_tables(db, options):
    orders_and_users(db)
    db.sql("INSERT INTO users SELECT n, 'u' || n FROM generate_series(1, 5) n")
    with walrow.auto_configure(**options, until="now") as readers:
        assert list(readers) == ["public.orders", "public.users"]
        assert readers["public.users"] is readers["public.users"]
        with pytest.raises(KeyError):
            readers["public.nobody"]
        [batch] = readers["public.users"]
        assert (batch.num_rows, batch.table, batch.snapshot, batch.new_schema) == (5, "public.users", True, True)
        assert ids(batch) == [1, 2, 3, 4, 5]


def test_a_table_that_appears_later_has_a_reader(db, options):
    orders_and_users(db)
    with walrow.auto_configure(**options) as readers:
        db.sql("CREATE TABLE later (id int PRIMARY KEY)")
        later = readers["public.later"]
        db.sql("INSERT INTO later VALUES (7)")
        assert ids(later.read(SOON)) == [7]


def test_tables_appear_by_themselves(db, options):
    orders_and_users(db)

    async def first_two():
        async with walrow.auto_configure(**options) as readers:
            await asyncio.to_thread(db.sql, "INSERT INTO users VALUES (1, 'a'); CREATE TABLE later (id int PRIMARY KEY)")
            await asyncio.to_thread(db.sql, "INSERT INTO later VALUES (7)")
            found = {}
            async for reader in readers.appearing():
                found[reader.table] = ids(await anext(reader.read_batches()))
                assert readers[reader.table] is reader
                if len(found) == 2:
                    return found

    assert asyncio.run(asyncio.wait_for(first_two(), SOON)) == {"public.users": [1], "public.later": [7]}


def test_tasks_read_side_by_side(db, options):
    orders_and_users(db)

    async def read(reader, n):
        found = []
        async for batch in reader.read_batches():
            found += ids(batch)
            reader.ack()
            if len(found) == n:
                return found

    async def both():
        async with walrow.auto_configure(**options, batch="transaction") as readers:
            tasks = [asyncio.create_task(read(readers[f"public.{name}"], 20)) for name in ("orders", "users")]
            for n in range(20):
                await asyncio.to_thread(db.sql, f"INSERT INTO users VALUES ({n}); INSERT INTO orders VALUES ({n})")
            return await asyncio.gather(*tasks)

    orders, users = asyncio.run(asyncio.wait_for(both(), SOON))
    assert orders == users == list(range(20))


def test_waiting_needs_no_thread(db, options):
    orders_and_users(db)

    async def wait_for_nothing():
        async with walrow.auto_configure(**options) as readers:
            waiting = asyncio.create_task(anext(readers["public.users"].read_batches()))
            await asyncio.sleep(0)
            threads = threading.active_count()
            await asyncio.to_thread(db.sql, "INSERT INTO users VALUES (1)")
            return threads, ids(await waiting)

    before = threading.active_count()
    assert asyncio.run(asyncio.wait_for(wait_for_nothing(), SOON)) == (before, [1])


def test_a_reader_goes_on_at_a_new_schema(db, options, changes):
    orders_and_users(db)
    changes()
    db.sql("INSERT INTO users VALUES (1, 'a')")
    db.sql("ALTER TABLE users ADD COLUMN age int; INSERT INTO users VALUES (2, 'b', 42)")
    with walrow.auto_configure(**options, until="now") as readers:
        batches = [pa.record_batch(batch) for batch in readers["public.users"]]
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert [(row["id"], row.get("age", "none")) for row in rows] == [(1, "none"), (2, 42)]


def test_shards_are_merged(db, options, changes):
    for n in range(3):
        db.sql(f"CREATE TABLE user_{n} (id int PRIMARY KEY)")
    changes()
    for n in range(9):
        db.sql(f"INSERT INTO user_{n % 3} VALUES ({n})")
    with walrow.auto_configure(**options | {"tables": "public.user_[0-9]+"}, until="now") as readers:
        merged = walrow.merge(readers.values())
        rows = [row for batch in merged for row in pa.record_batch(batch).to_pylist()]
        merged.ack()
    assert [(row["id"], row["_table"]) for row in rows] == [(n, f"public.user_{n % 3}") for n in range(9)]


def test_all_tables_are_events(db, options):
    orders_and_users(db)
    db.sql("INSERT INTO users VALUES (1, 'a'); INSERT INTO orders VALUES (2, 3)")
    with walrow.auto_configure(**options, until="now", route_by_table=False) as events:
        rows = [row for batch in events for row in pa.record_batch(batch).to_pylist()]
    assert {(row["table"], row["event_type"]) for row in rows} >= {("users", "read"), ("orders", "read")}


# ---- other libraries -----------------------------------------------------------------------------------------


def test_others_read_a_batch_without_a_copy_and_after_its_stream(db, options):
    orders_and_users(db)
    db.sql("INSERT INTO users SELECT n, 'u' || n FROM generate_series(1, 1000) n")
    with walrow.auto_configure(**options, until="now") as readers:
        [batch] = readers["public.users"]
    address = lambda rows: rows.column("id").buffers()[1].address  # noqa: E731
    first, second = pa.record_batch(batch), pa.record_batch(batch)
    assert address(first) == address(second) == address(pa.RecordBatchReader.from_stream(batch).read_next_batch())
    assert pa.schema(batch) == first.schema and first.schema.metadata[b"walrow.table"] == b"users"
    assert duckdb.sql("SELECT count(*), sum(id), max(name) FROM batch").fetchall() == [(1000, 500500, "u999")]
    del batch, second
    first.validate(full=True)
    assert first.column("name")[41].as_py() == "u42"


def test_a_reader_is_an_arrow_stream(db, options):
    orders_and_users(db)
    db.sql("INSERT INTO users SELECT n, 'u' || n FROM generate_series(1, 10) n")
    with walrow.auto_configure(**options, until="now") as readers:
        users = readers["public.users"]
        assert duckdb.sql("SELECT sum(id) FROM users").fetchall() == [(55,)]
        users.ack()


def test_an_arrow_stream_and_batches_take_turns(db, options, changes):
    orders_and_users(db)
    changes()
    db.sql("INSERT INTO users VALUES (1)")
    db.sql("INSERT INTO users VALUES (2)")
    db.sql("ALTER TABLE users ADD COLUMN age int; INSERT INTO users VALUES (3, 'c', 42)")
    with walrow.auto_configure(**options, batch="transaction", until="now") as readers:
        users = readers["public.users"]
        first, stream = users.read(SOON), pa.RecordBatchReader.from_stream(users)
        assert ids(first) == [1] and stream.read_all().column("id").to_pylist() == [2]
        assert pa.record_batch(users.read(SOON)).column("age").to_pylist() == [42]


def test_rows_of_others_are_divided():
    rows = pa.record_batch({"id": pa.array(range(100))})
    parts = [pa.record_batch(part) for part in walrow.partition(rows, 4, ["id"])]
    assert sorted(one for part in parts for one in part.column("id").to_pylist()) == list(range(100))
    assert [part.num_rows for part in walrow.partition(rows, 1, ["id"])] == [100]


def test_what_a_consumer_raises_arrives_and_what_it_drops_is_released():
    [batch] = walrow.partition(pa.record_batch({"id": pa.array(range(100))}), 1, ["id"])
    held = pa.total_allocated_bytes()
    with pytest.raises(ZeroDivisionError):
        list(map(lambda _: (batch.__arrow_c_array__(), batch.__arrow_c_stream__(), 1 / 0), "x"))
    del batch
    [other] = walrow.partition(pa.record_batch({"id": pa.array([1])}), 1, ["id"])
    assert pa.record_batch(other).num_rows == 1 and pa.total_allocated_bytes() < held


NO_PYARROW = """
import sys, walrow
with walrow.auto_configure(source=sys.argv[1], tables="public.*", slot=sys.argv[2], publication=sys.argv[2], until="now") as readers:
    for batch in readers["public.users"]:
        print(batch.num_rows, batch.column_names[-2:])
assert "pyarrow" not in sys.modules
"""


@pytest.fixture
def script(tmp_path):
    """script(text, argument..., NAME=value): a running Python with the package."""
    command = Walrow(sys.executable, tmp_path)
    given = {"PYTHONPATH": os.path.join(ROOT, "python"), "WALROW_LIBRARY": os.environ["WALROW_LIBRARY"], "PYTHONUNBUFFERED": 1}

    def start(text, *arguments, **env):
        file = tmp_path / f"script-{len(command.running)}.py"
        file.write_text(text)
        return command.start(file, *arguments, env=given | env)

    yield start
    command.close()


def test_pyarrow_is_not_required(db, options, script):
    orders_and_users(db)
    db.sql("INSERT INTO users VALUES (1, 'a')")
    done = script(NO_PYARROW, options["source"], options["slot"]).wait()
    assert (done.code, done.out) == (0, "1 ['id', 'name']\n"), done.err


# ---- acknowledging, ending -----------------------------------------------------------------------------------


def test_what_is_acknowledged_is_confirmed_and_the_rest_comes_again(db, options, changes):
    orders_and_users(db)
    changes()
    with walrow.auto_configure(**options, batch="transaction") as readers:
        users = readers["public.users"]
        for n in range(3):
            db.sql("INSERT INTO users VALUES (%s)", (n,))
        first, second, _ = (users.read(SOON) for _ in range(3))
        confirmed = lambda: lsn_value(db.slot(options["slot"])["confirmed_flush_lsn"])  # noqa: E731
        users.ack(first)
        wait_until(lambda: confirmed() > first.position.commit_lsn, what="the confirmation")
        assert confirmed() <= second.position.commit_lsn
    with walrow.auto_configure(**options, until="now") as readers:
        assert all_ids(readers["public.users"]) == [1, 2]


def test_a_stream_that_nobody_has_any_more_is_closed(db, options):
    orders_and_users(db)
    active = lambda: (db.slot(options["slot"]) or {}).get("active", False)  # noqa: E731
    users = walrow.auto_configure(**options)["public.users"]
    users.fileno()
    wait_until(active, what="the stream")
    del users
    wait_until(lambda: not active(), what="the slot to be released")


def test_a_wait_ends_with_its_time_or_with_its_stream(db, options):
    orders_and_users(db)
    readers = walrow.auto_configure(**options)
    users = readers["public.users"]
    with pytest.raises(TimeoutError):
        users.read(timeout=0.01)
    ended = []
    waiting = threading.Thread(target=lambda: ended.append(users.read()))
    waiting.start()
    readers.close()
    waiting.join(SOON)
    assert ended == [None] and users.closed


WAITS = """
import sys, walrow
with walrow.auto_configure(source=sys.argv[1], tables="public.*", slot=sys.argv[2], publication=sys.argv[2]) as readers:
    for batch in readers["public.users"]:
        print(batch.num_rows)
        readers["public.users"].ack()
"""


def interrupt(run):
    run.signal(signal.SIGINT)
    done = run.wait()
    assert done.code == -signal.SIGINT and done.err.rstrip().endswith("KeyboardInterrupt"), done.err


def test_ctrl_c_ends_a_wait(db, options, script):
    orders_and_users(db)
    db.sql("INSERT INTO users VALUES (1, 'a')")
    run = script(WAITS, options["source"], options["slot"])
    run.wait_for(lambda: run.out == "1\n", what="the row")
    interrupt(run)
    assert not db.slot(options["slot"])["active"]


ASKS = """
import sys, walrow
print("asking")
walrow.auto_configure(host="127.0.0.1", port=sys.argv[1], tables="public.*", connect_timeout=3600)
"""


def test_ctrl_c_ends_a_wait_for_the_server(script):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = script(ASKS, silent.getsockname()[1])
        run.wait_for(lambda: run.out == "asking\n", what="its start")
        with silent.accept()[0]:
            interrupt(run)


# ---- the README ----------------------------------------------------------------------------------------------


@pytest.fixture
def mydb(new_server):
    """What the README's lines speak of."""
    db = new_server(tcp=True).create_database("mydb")
    db.sql("CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users VALUES (1, 'a'), (2, 'b')")
    return db


def test_the_lines_of_the_readme_run(mydb, script, tmp_path):
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        section = re.search(r"^## In your Python program$(.*?)^## ", file.read(), re.M | re.S)[1]
    forever, now, steps = re.findall(r"^```python\n(.*?)^```", section, re.M | re.S)
    run = script(forever, PGPORT=mydb.server.port)
    run.wait_for(lambda: run.out == "2\n", what="the rows that are there")
    mydb.sql("INSERT INTO users VALUES (3, 'c')")
    run.wait_for(lambda: run.out == "2\n1\n", what="the next one")
    interrupt(run)
    done = script(now, PGPORT=mydb.server.port).wait()
    assert done.code == 0 and "'id', 'name']" in done.out and "│ R       │            3 │" in done.out, done.err
    done = script(steps, PGPORT=mydb.server.port).wait()
    assert done.code == 0, done.err
    assert duckdb.sql(f"SELECT id FROM read_parquet('{tmp_path}/lake/*/*.parquet') ORDER BY id").fetchall() == [(2,), (3,)]


# ---- asking --------------------------------------------------------------------------------------------------


def test_steps_compose_a_run_into_sinks(db, options, tmp_path):
    orders_and_users(db)
    db.sql("INSERT INTO orders SELECT n, n * 10 FROM generate_series(1, 20) n; INSERT INTO users VALUES (1, 'u')")
    lake = tmp_path / "lake"
    orders = walrow.stream(**options).filter("total > 100", table="public.orders", columns="id").filter(events=["read", "insert"])
    report = orders.to_parquet(lake, partition_by="day").to_jsonl(tmp_path / "users.jsonl", tables="public.users").run(until="now")
    assert (report.reads, report.inserts) == (11, 0)
    read = duckdb.sql(f"SELECT id FROM read_parquet('{lake}/public.orders/**/*.parquet') ORDER BY id").fetchall()
    assert read == [(n,) for n in range(11, 21)]
    assert "_commit_date=" in str(next(lake.glob("public.orders/*")))
    assert '"name":"u"' in (tmp_path / "users.jsonl").read_text()
    assert "to" not in orders.options  # each step left the one before as it was


def test_aggregates_are_queries_over_windows(db, options, changes, tmp_path):
    orders_and_users(db)
    changes()
    results = tmp_path / "results.jsonl"
    kinds = walrow.stream(**options).group_by('"table"', "event_type").aggregate(count="*", window="1ms", name="kinds")
    sums = kinds.aggregate(table="public.orders", total="sum(total)", name="sums").to_jsonl(results)
    for n in range(5):
        db.sql(f"INSERT INTO orders VALUES ({n}, {n}.5); INSERT INTO users VALUES ({n}, 'u')")
    db.sql("DELETE FROM users")
    db.sql("INSERT INTO users VALUES (9, 'ends the window before')")
    sums.run(until="now")
    rows = [event for event in map(json.loads, results.read_text().splitlines()) if event["event_type"] == "insert"]
    counted = collections.Counter()
    for row in rows:
        if row["table"] == "kinds":
            counted[row["data"]["table"], row["data"]["event_type"]] += row["data"]["count"]
    assert counted == {("orders", "insert"): 5, ("users", "insert"): 5, ("users", "delete"): 5}
    assert sum(row["data"]["total"] or 0 for row in rows if row["table"] == "sums") == 12.5


def test_ctrl_c_ends_a_run_with_what_is_whole(db, options, changes, script, tmp_path):
    orders_and_users(db)
    changes()
    file = tmp_path / "events.jsonl"
    words = {name: str(value) for name, value in options.items()}
    run = script(f"import walrow\nwalrow.stream(**{words!r}).to_jsonl({str(file)!r}).run()")
    db.sql("INSERT INTO users VALUES (1, 'whole')")
    run.wait_for(lambda: file.exists() and "whole" in file.read_text(), what="the row")
    interrupt(run)
    assert walrow.stream(**options).to_jsonl(file).run(until="now").inserts == 0


def test_a_run_says_what_is_wrong(options):
    with pytest.raises(walrow.WalrowError, match='unknown sink "nowhere:"'):
        walrow.stream(**options).to("nowhere:").run()
    with pytest.raises(TypeError, match="needs a column"):
        walrow.stream().aggregate()
    with pytest.raises(ValueError, match="partition_by"):
        walrow.stream().to_parquet("lake", partition_by="week")


def test_check_raises_all_that_is_in_the_way(db, options):
    db.sql("CREATE TABLE one (id int); CREATE TABLE other (id int); CREATE TABLE good (id int PRIMARY KEY)")
    with pytest.raises(walrow.CheckError) as raised:
        walrow.check(**options)
    errors = {finding.object: finding for finding in raised.value.findings if finding.severity == "error"}
    assert set(errors) == {"public.one", "public.other"}
    assert raised.value.code == "ERR_IDENTITY" and all(finding.fix in str(raised.value) for finding in errors.values())
    db.sql("ALTER TABLE one REPLICA IDENTITY FULL; ALTER TABLE other ADD PRIMARY KEY (id)")
    assert all(finding.severity != "error" for finding in walrow.check(**options))


def test_tables_are_listed_with_their_columns(db, options):
    orders_and_users(db)
    db.sql("CREATE VIEW seen AS SELECT 1 AS one")
    found = {table.full_name: table for table in walrow.tables(**options)}
    users = found["public.users"]
    assert (users.kind, users.key, users.streamable) == ("table", ("id",), True)
    assert [(c.name, c.pg_type, c.arrow_type) for c in users.columns] == [("id", "integer", "int32"), ("name", "text", "utf8")]
    assert not any(table.streamable for table in found.values() if table.kind == "view")


def test_patterns_choose_names():
    patterns = walrow.TablePatterns(["public.user_[0-9]+", "sales.*", "!sales.old_*"])
    names = ["public.user_1", "public.users", "sales.orders", "sales.old_orders", "user_22", "orders"]
    assert patterns.match(names) == ["public.user_1", "sales.orders", "user_22"]
    with pytest.raises(walrow.WalrowError) as raised:
        walrow.TablePatterns("public.(")
    assert raised.value.code == "ERR_USAGE"


def test_errors_say_what_and_what_to_do(db, options):
    with pytest.raises(walrow.WalrowError) as raised:
        walrow.auto_configure(**options, batch_rowz=1)
    assert raised.value.code == "ERR_USAGE" and "batch-rows" in raised.value.hint
    with pytest.raises(walrow.WalrowError) as raised:
        walrow.tables(source=f"{db.dsn()} dbname=nobody")
    assert (raised.value.code, raised.value.exit_status) == ("ERR_CONNECT", 3) and "nobody" in raised.value.message
    with pytest.raises(TypeError):
        walrow.tables(source=db.url(), host="localhost")


# ---- installing ----------------------------------------------------------------------------------------------


def test_pip_installs_it_without_a_network(tmp_path):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
    subprocess.run([*command, "--target", tmp_path / "site", os.path.join(ROOT, "python")], check=True)
    asked = "import walrow; print(walrow.__version__, walrow.__file__)"
    env = clean_environment(PYTHONPATH=tmp_path / "site")
    done = subprocess.run([sys.executable, "-c", asked], env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0.1.0", str(tmp_path / "site" / "walrow" / "__init__.py")]


def test_filters_are_options_like_any_other(db, options):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, n int, v text); ALTER TABLE t REPLICA IDENTITY FULL")
    db.sql("INSERT INTO t SELECT i, i % 3, 'v' FROM generate_series(1, 9) i")
    filters = {"where": ["public.t: n > 0", "public.t: id < 8"], "columns": "public.t: id,n", "events": ["insert,read", "update,delete"]}
    with walrow.auto_configure(**options, **filters) as readers:
        reader = readers["public.t"]
        batch = reader.read(SOON)
        assert ids(batch) == [1, 2, 4, 5, 7]
        assert pa.record_batch(batch).schema.names[-2:] == ["id", "n"]
        db.sql("UPDATE t SET n = 1 WHERE id IN (3, 9); UPDATE t SET n = 0 WHERE id = 1; DELETE FROM t WHERE id > 4; TRUNCATE t")
        rows = []
        while len(rows) < 4:
            rows += pa.record_batch(reader.read(SOON)).to_pylist()
        assert [(row["_op"], row["id"]) for row in rows] == [("I", 3), ("D", 1), ("D", 5), ("D", 7)]
    with pytest.raises(walrow.WalrowError, match="totl") as error:
        walrow.auto_configure(**options, where=["public.t: totl > 5"])
    assert error.value.code == "ERR_USAGE" and "id, n, v" in error.value.hint


def test_events_are_filtered_too(db, changes, options):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, n int)")
    changes()
    db.sql("INSERT INTO t SELECT i, i FROM generate_series(1, 9) i; DELETE FROM t WHERE id = 9")
    with walrow.auto_configure(**options, where="public.t: n > 6", events="insert", route_by_table=False, until="now") as events:
        found = [row for batch in events for row in pa.record_batch(batch).to_pylist()]
    assert [row["event_type"] for row in found if row["event_type"] not in ("begin", "commit")] == ["insert"] * 3
