"""The pull transport: asked for in windows, by function or by procedure, and gone over to and from by lag."""

import itertools
import json
import signal

import pytest

from agreement import Captured, catalog_of, disagreements
from equality import BY_FUNCTION, BY_PROCEDURE, PULL, SMALL_WINDOWS, Source, Watch, differences
from oracle import Oracle
from plugin import create_extension, needs_wal2json, plugin_conf
from postgres import lsn_value, server_version, wait_until
from streaming import Job
from test_snapshot import Writer
from test_stream_resume import TABLES, assert_events_whole, assert_whole
from workload import CAPTURED, STATEMENTS, Workload
from workload import TABLES as APPLICATION

_numbers = itertools.count(1)
SAYS = {"function": BY_FUNCTION, "procedure": BY_PROCEDURE}
ANY_PLUGIN = pytest.mark.parametrize("way", ["pgoutput", "wal2arrow", pytest.param("wal2json", marks=needs_wal2json)])


@pytest.fixture(params=SAYS)
def by(request):
    """What is asked for changes: SQL's function, or the extension's procedure."""
    return request.param


@pytest.fixture
def way():
    return "pgoutput"


@pytest.fixture
def db(arrow_server, by):
    database = arrow_server.create_database(f"pull_{next(_numbers)}")
    if by == "procedure":
        create_extension(database)
    yield database
    database.drop()


@pytest.fixture
def job(db, walrow, tmp_path, way):
    return Job(db, walrow, tmp_path, way=way)


def start(job, *args, env=SMALL_WINDOWS, **kwargs):
    return job.start(*PULL, "--ack-interval", "50", *args, env=env, **kwargs)


def confirmed(job):
    return lsn_value(job.db.slot(job.slot)["confirmed_flush_lsn"])


def copies(db):
    """The slots' copies that are there, with the processes that read them."""
    return db.sql("SELECT slot_name::text, active_pid FROM pg_replication_slots WHERE temporary AND database = %s", (db.name,))


def holder(db):
    """The process that has the lock, and moves the slot."""
    sql = "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory' AND d.datname = %s"
    return [pid for (pid,) in db.sql(sql, (db.name,))]


def status(job):
    return job.walrow(*job.arguments("status")[:3], "-S", job.slot, "--json", code=0).json


# ---- every change once --------------------------------------------------------------------------------------


@ANY_PLUGIN
def test_killed_again_and_again_under_load(db, job, by):
    db.sql(TABLES)
    job.setup()
    sinks = [f"ipc:{job.ipc}?rotate_rows=200", f"jsonl:{job.jsonl}"]
    writer = Writer(db, "t", "u")
    rounds = 0
    for _ in range(5):
        run = start(job, "--batch-rows", "50", to=sinks)
        run.wait_for(SAYS[by])
        before = confirmed(job)
        run.wait_for(lambda: confirmed(job) > before, what="the slot to be moved")  # noqa: B023
        rounds = writer.rounds
        wait_until(lambda: writer.rounds > rounds, what="more to be written")  # noqa: B023
        run.kill()
    writer.stop()
    job.stream(*PULL, to=sinks, env=SMALL_WINDOWS)
    assert_whole(db, job)
    assert_events_whole(db, job)


@ANY_PLUGIN
@pytest.mark.parametrize("victim", ["reader", "mover"])
def test_a_connection_that_breaks_in_the_middle(db, job, victim):
    rows = 100_000
    db.sql(TABLES)
    job.setup()
    run = start(job, "--batch-rows", "1000", to=[f"ipc:{job.ipc}?rotate_rows=10000&rotate_s=1"])
    run.wait_for(lambda: copies(db) and holder(db), what="both connections")
    db.sql(f"INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, {rows}) i")
    run.wait_for(lambda: job.files("t"), what="the first file of the transaction")
    run.signal(signal.SIGSTOP)
    pids = [pid for _, pid in copies(db)] if victim == "reader" else holder(db)
    assert pids and all(db.value("SELECT pg_terminate_backend(%s)", (pid,)) for pid in pids)
    run.signal(signal.SIGCONT)
    run.wait_for("trying again", what="the broken connection to be noticed")
    run.wait_for(lambda: sum(file.table.num_rows for file in job.files("t")) >= rows, what="every row", timeout=60)
    assert run.stop().code == 0
    assert [seq for file in job.files("t") for seq in file.table.column("_seq").to_pylist()] == list(range(rows))


MANY = """
CREATE TABLE small (id serial PRIMARY KEY, v text);
CREATE PROCEDURE many() LANGUAGE plpgsql AS
$$ BEGIN FOR i IN 1..20000 LOOP INSERT INTO small (v) VALUES (md5(i::text)); COMMIT; END LOOP; END $$;
"""


def readers(said):
    """The copies that windows were read from."""
    return {line.split()[-6] for line in said.splitlines() if " is read up to " in line}


def fall_behind(db, run):
    run.wait_for(lambda: len(copies(db)) == 1, what="the first copy")
    run.signal(signal.SIGSTOP)
    db.sql("CALL many()")
    run.signal(signal.SIGCONT)


def wait_for_all(db, job, run):
    end = db.flush_lsn()
    run.wait_for(lambda: confirmed(job) >= end, what="all to be confirmed")


def assert_in_order(job, count):
    ids = list(range(1, count + 1))
    assert [row["id"] for row in job.rows("small")] == ids
    assert [event["data"]["id"] for event in job.events("insert")] == ids


@ANY_PLUGIN
def test_two_connections_take_turns(db, job, by):
    """Every transaction once, in order; a copy that is not needed any more is gone."""
    db.sql(MANY)
    job.setup()
    run = start(job, "--log-level", "debug", to=[f"ipc:{job.ipc}", f"jsonl:{job.jsonl}"])
    fall_behind(db, run)
    wait_for_all(db, job, run)
    db.sql("INSERT INTO small (v) VALUES ('a small window')")
    wait_for_all(db, job, run)
    run.wait_for(lambda: len(copies(db)) == 1, what="the second copy to be dropped")
    assert run.stop().code == 0
    assert "trying again" not in run.err and "changes are pushed" not in run.err
    assert len(readers(run.err)) == (2 if by == "function" else 1)
    assert_in_order(job, 20001)


def test_the_second_connection_breaks(db, job, by):
    """It is made again, or done without where the server had not copied the slot yet."""
    if by == "procedure":
        pytest.skip("there is none")
    db.sql(MANY)
    job.setup()
    run = start(job, to=[f"ipc:{job.ipc}", f"jsonl:{job.jsonl}"])
    fall_behind(db, run)
    db.sql("""DO $$ DECLARE second int; BEGIN
        WHILE second IS NULL LOOP
            SELECT max(active_pid) INTO second FROM pg_replication_slots
             WHERE temporary AND database = current_database() HAVING count(*) = 2;
        END LOOP;
        PERFORM pg_terminate_backend(second);
    END $$""")
    wait_for_all(db, job, run)
    assert run.stop().code == 0 and "changes are pushed" not in run.err
    assert_in_order(job, 20000)


@pytest.mark.parametrize(("slots", "args"), [(2, ()), (9, ("--pull-connections", "1"))])
def test_one_connection_does(new_server, walrow, tmp_path, slots, args):
    """Where there is no slot for a second copy, or none is wanted."""
    db = new_server(conf=plugin_conf(max_replication_slots=slots)).create_database("one")
    db.sql(MANY)
    job = Job(db, walrow, tmp_path)
    job.setup()
    db.sql("CALL many()")
    said = job.stream(*PULL, *args, "--log-level", "debug", to=[f"ipc:{job.ipc}", f"jsonl:{job.jsonl}"], env=SMALL_WINDOWS).err
    assert len(readers(said)) == 1 and "changes are pushed" not in said
    assert_in_order(job, 20000)


@ANY_PLUGIN
def test_a_large_transaction_does_not_fill_the_memory(db, job, tmp_path):
    """Half a gigabyte of values in one transaction, through a few megabytes."""
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    job.setup()
    small = tmp_path / "small.json"
    job.stream(*PULL, "--report", small, to=["null:"])
    db.sql("INSERT INTO t SELECT i, repeat(md5(i::text), 50) FROM generate_series(1, 150000) i")
    large = tmp_path / "large.json"
    job.stream(*PULL, "--report", large, "--batch-bytes", "1MB", to=["null:"], timeout=120)
    before, after = (json.loads(path.read_text())["peak_rss_bytes"] for path in (small, large))
    assert json.loads(large.read_text())["changes"]["I"] == 150_000
    assert after - before < 100 << 20


def test_the_end_of_the_wal_comes_nearer_while_nothing_is_captured(db, job):
    db.sql(TABLES + "; CREATE TABLE other (id int)")
    job.tables = "public.t"
    job.setup()
    run = start(job)
    run.wait_for(lambda: copies(db), what="the stream")
    db.sql("INSERT INTO other SELECT generate_series(1, 5000)")
    end = db.flush_lsn()
    run.wait_for(lambda: confirmed(job) >= end, what="the position to be confirmed")
    assert run.stop().code == 0
    wait_until(lambda: not copies(db) and not holder(db), what="nothing of it to be left")


def test_a_transaction_larger_than_a_window(db, job):
    """A window's end in the middle of it: it comes with the window that its commit is in."""
    db.sql(TABLES)
    job.setup()
    with db.connect(autocommit=False) as connection:
        connection.execute("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 10000) i")
        db.sql("INSERT INTO u SELECT i, 'meanwhile' FROM generate_series(1, 2000) i")
        connection.execute("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(10001, 20000) i")
        connection.commit()
    job.stream(*PULL, env=SMALL_WINDOWS)
    assert [row["id"] for row in job.rows("t")] == list(range(1, 20001))
    assert len(job.rows("u")) == 2000


def test_the_next_reader_begins_near_the_end_and_before_whatever_is_not_over(db, job):
    def restart():
        return lsn_value(job.db.slot(job.slot)["restart_lsn"])

    def more(first):
        db.sql(f"INSERT INTO u SELECT i, 'more' FROM generate_series({first}, {first + 499}) i")
        db.sql("CHECKPOINT")  # says which transactions run

    db.sql(TABLES)
    job.setup()
    with db.connect(autocommit=False) as connection:
        more(1)
        job.stream(*PULL, env=SMALL_WINDOWS)
        before = restart()
        connection.execute("INSERT INTO t SELECT i, 'early' FROM generate_series(1, 100) i")
        began = lsn_value(db.sql("SELECT pg_current_wal_insert_lsn()::text")[0][0])
        for first in (1001, 2001, 3001):
            more(first)
            job.stream(*PULL, env=SMALL_WINDOWS)
        assert before <= restart() < began < confirmed(job)
        connection.commit()
    more(4001)
    job.stream(*PULL, env=SMALL_WINDOWS)
    assert [row["id"] for row in job.rows("t")] == list(range(1, 101))
    assert len(job.rows("u")) == 2500
    for first in range(5001, 10001, 1000):  # of several that a short call passes, the first counts
        more(first)
        job.stream(*PULL, env=SMALL_WINDOWS)
    assert restart() > began


# ---- one at a time, and what cannot be pulled ---------------------------------------------------------------


def test_another_walrow_is_told_who_reads_the_slot(db, job, by, walrow, tmp_path):
    db.sql(TABLES)
    job.setup()
    run = start(job)
    run.wait_for(SAYS[by])
    (pid,) = wait_until(lambda: holder(db), what="the lock")
    seen = status(job)
    assert (seen["transport"], seen["slot"]["active"], seen["slot"]["pid"]) == ("pull", True, pid)
    for transport in ("pull", "push"):
        args = ["--transport", transport, "--retry-max", "0", "--state", tmp_path / transport]
        said = job.stream(*args, code=5, to=["null:"]).err
        assert f'replication slot "{job.slot}" is being read by another walrow, process {pid} of the server' in said
    assert run.stop().code == 0


def test_a_slot_that_is_pushed_is_not_pulled(db, job, tmp_path):
    db.sql(TABLES)
    job.setup()
    run = job.start("--transport", "push")
    run.wait_for(lambda: db.slot(job.slot)["active"], what="the stream")
    pid = db.slot(job.slot)["active_pid"]
    said = job.stream(*PULL, "--retry-max", "0", "--state", tmp_path / "other", code=5, to=["null:"]).err
    assert f"process {pid} of the server" in said
    assert run.stop().code == 0


def write(db):
    db.sql("INSERT INTO t SELECT i, repeat('v', 400) FROM generate_series(1, 5000) i")


def assert_pushed(job, why, *args):
    """The changes come all the same, and the reason is said."""
    said = job.stream(*PULL, *args).err
    assert "changes are pushed: " in said and why in said
    assert len(job.rows("t")) == 5000
    seen = status(job)
    assert seen["transport"] == "push" and why in seen["transport_reason"]


def test_without_the_right_it_is_pushed(db, job):
    db.sql(TABLES)
    job.setup()
    write(db)
    role = db.create_role(f"pull_stranger_{db.name}", "LOGIN REPLICATION")
    db.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    db.sql("REVOKE EXECUTE ON FUNCTION pg_copy_logical_replication_slot(name, name, bool) FROM PUBLIC")
    assert_pushed(job, "permission denied for function pg_copy_logical_replication_slot", "-d", db.url(user=role))


def test_without_a_free_slot_it_is_pushed(new_server, walrow, tmp_path):
    db = new_server(conf=plugin_conf(max_replication_slots=1)).create_database("full")
    db.sql(TABLES)
    job = Job(db, walrow, tmp_path)
    job.setup()
    write(db)
    assert_pushed(job, "all replication slots are in use")


def test_without_space_for_temporary_files_it_is_pushed(db, job, by):
    if by == "procedure":
        pytest.skip("needs none")
    db.sql(TABLES)
    job.setup()
    write(db)
    db.sql(f"ALTER DATABASE {db.name} SET temp_file_limit = '300kB'; ALTER DATABASE {db.name} SET work_mem = '1MB'")
    assert_pushed(job, "temporary file size exceeds")


# ---- going over ---------------------------------------------------------------------------------------------

THRESHOLDS = {"WALROW_PULL_ABOVE": "300000", "WALROW_PUSH_BELOW": "50000", "WALROW_LOOK_EVERY_MS": "1"}
# megabytes, of which neither one turn of the stream nor the sockets' buffers hold the most
BURST = """
CREATE TABLE filler (id serial PRIMARY KEY, v text);
CREATE PROCEDURE burst() LANGUAGE plpgsql AS
$$ BEGIN FOR i IN 1..3000 LOOP INSERT INTO filler (v) VALUES (repeat(md5(i::text), 60)); COMMIT; END LOOP; END $$;
"""
BURSTS = 3


def times(run, transport):
    return run.err.count(f"changes are {transport}ed")


@ANY_PLUGIN
def test_bursts_that_cross_both_thresholds(db, job, walrow, tmp_path, way, by, monkeypatch):
    """The same bit for bit as what was pushed and pulled as one, and what test_decoding says."""
    if server_version() < 14:
        monkeypatch.setattr("workload.STATEMENTS", [one for one in STATEMENTS if "pg_logical_emit_message" not in one])
    db.sql(APPLICATION + BURST)
    tables = ",".join(f"public.{table}" for table in (*CAPTURED, "filler"))
    sources = (Source(f"switched_{way}", way), Source(f"pushed_{way}", way, ("--transport", "push")))
    watch, oracle = Watch(db, walrow, tmp_path, tables, sources, ("--insert-only", "public.nothing")), Oracle(db)
    watch.setup()
    switched = watch.jobs[sources[0]]
    workload = Workload(7)
    run = switched.start(
        "--insert-only", "public.nothing", "--ack-interval", "50", to=[f"ipc:{switched.ipc}", f"jsonl:{switched.jsonl}"],
        env=SMALL_WINDOWS | THRESHOLDS,
    )  # fmt: skip
    for burst in range(1, BURSTS + 1):
        run.wait_for(lambda: times(run, "push") == burst, what="it to be pushed")  # noqa: B023
        workload.run(db, 10)
        run.signal(signal.SIGSTOP)
        workload.run(db, 10)
        db.sql("CALL burst()")
        workload.run(db, 10)
        run.signal(signal.SIGCONT)
        run.wait_for(lambda: times(run, "pull") == burst, what="it to be pulled")  # noqa: B023
    run.wait_for(lambda: times(run, "push") == BURSTS + 1, what="it to be pushed again")
    assert "trying again" not in run.err and SAYS[by] in run.err
    wait_for_all(db, switched, run)
    assert run.stop().code == 0
    watch.stream()
    (first, other), transactions = watch.read(), oracle.read(roots=False)
    ops = {"public.outside": "", "public.nothing": "I"}
    captured = Captured(lambda table: ops.get(table, "IUDT"), **catalog_of(db))
    assert [*first.flaws(), *differences(first, other)] == []
    assert disagreements(first, transactions, captured) == []


def test_far_behind_it_begins_with_pulling(db, job, by):
    db.sql(TABLES)
    job.setup()
    write(db)
    said = job.stream(env=THRESHOLDS).err
    assert SAYS[by] in said and times_in(said) == ["pull"]
    assert len(job.rows("t")) == 5000
    seen = status(job)
    assert seen["transport"] == "pull" and seen["transport_reason"].endswith(" MB behind")


def times_in(said):
    return [line.split("changes are ")[1].split("ed")[0] for line in said.splitlines() if "changes are " in line]


@pytest.mark.parametrize("batch", ["size", "transaction"])
def test_small_transactions_share_messages(new_server, walrow, tmp_path, batch):
    """Unless each is to be a change set."""
    server = new_server(conf=plugin_conf(log_statement="all"))
    database = server.create_database("small")
    create_extension(database)
    job = Job(database, walrow, tmp_path, way="wal2arrow")
    database.sql(TABLES)
    job.setup()
    write(database)
    job.stream(*PULL, "--batch", batch)
    assert len(job.rows("t")) == 5000
    assert ("'group', '32768'" in server.log()) == (batch == "size")


def test_large_rows_are_pushed_rather_than_asked_for_by_function(db, job, by):
    """Unless pulling was asked for."""
    db.sql(BURST.replace("60", "200"))
    job.setup()
    windows = THRESHOLDS | {"WALROW_PULL_WINDOW": "300000"}
    db.sql("CALL burst()")
    said = job.stream(env=windows).err
    assert times_in(said) == (["pull", "push"] if by == "function" else ["pull"])
    assert ("they cost a function's result more than it saves" in said) == (by == "function")
    db.sql("CALL burst()")
    assert times_in(job.stream("--transport", "pull", env=windows).err) == ["pull"]
    assert sorted(row["id"] for row in job.rows("filler")) == list(range(1, 6001))


def test_near_the_end_it_is_pushed(db, job):
    db.sql(TABLES)
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'v')")
    assert times_in(job.stream().err) == ["push"]
    assert status(job)["transport"] == "push"
