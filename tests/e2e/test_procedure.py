"""CALL wal2arrow.stream beside a walsender: the same bytes, whatever is decoded, and nothing left behind whatever ends it."""

import os
import re
import subprocess
import sys

import psycopg
import pytest
from plugin import ROOT, create_extension, plugin_conf
from postgres import Postgres, clean_environment, lsn_text, lsn_value, server_version, wait_until
from replication import Client, call, is_data, position, pulled, pulled_by, pushed, without_time

sys.path.insert(0, os.path.join(ROOT, "examples"))
from read_wal2arrow import batches  # noqa: E402

OPTIONS = {
    "pgoutput": {"proto_version": "1", "publication_names": "p"} | ({"binary": "true"} if server_version() >= 14 else {}),
    "wal2arrow": {"publication_names": "p", "max_rows": "50", "messages": "on"},
    "test_decoding": {"include-xids": "0"},
}
any_plugin = pytest.mark.parametrize("plugin", OPTIONS)


@pytest.fixture(scope="module")
def own_server():
    with Postgres(conf=plugin_conf()) as postgres:
        yield postgres


@pytest.fixture
def pdb(own_server, request):
    database = own_server.create_database("c_" + re.sub(r"\W", "_", request.node.name)[-50:])
    prepare(database)
    yield database
    database.drop()


def prepare(database):
    create_extension(database)
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
    database.sql("CREATE PUBLICATION p FOR ALL TABLES")
    for plugin in OPTIONS:
        database.sql(f"SELECT pg_create_logical_replication_slot('{name_of(database, plugin)}', '{plugin}')")


def name_of(database, plugin):
    return f"{plugin}_{database.name[-30:]}".lower()


WORKLOAD = (
    "INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 200) i",
    "BEGIN; INSERT INTO t VALUES (1001, repeat('large', 200000)); UPDATE t SET a = 'x' WHERE id < 5; COMMIT",
    "BEGIN; UPDATE t SET a = 'y' WHERE id > 1000; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; DELETE FROM t WHERE id = 7; COMMIT",
    "SELECT pg_logical_emit_message(false, 'test', 'alone')",
    "SELECT pg_logical_emit_message(true, 'test', 'in a transaction')",
    "ALTER TABLE t ADD b int",
    "CREATE TABLE u (LIKE t INCLUDING ALL)",
    "BEGIN; INSERT INTO u SELECT i, 'u', i FROM generate_series(1, 100) i; ALTER TABLE u ADD c int; INSERT INTO u VALUES (101, 'c', 1, 2); COMMIT",
    "TRUNCATE t, u",
    "INSERT INTO t VALUES (1, NULL, 1)",
)


# ---- what is sent -------------------------------------------------------------------------------------------


@any_plugin
def test_it_sends_the_bytes_that_a_walsender_sends(pdb, plugin):
    slot = name_of(pdb, plugin)
    for statements in WORKLOAD:
        pdb.sql(statements)
    upto_lsn = pdb.flush_lsn()
    sent, at = pulled(pdb, slot, **OPTIONS[plugin])
    expected = pushed(pdb, slot, upto_lsn, **OPTIONS[plugin])
    assert len(expected) > 5
    assert [without_time(message) for message in sent] == [without_time(message) for message in expected]
    assert at >= upto_lsn


def test_windows_of_a_copy_make_up_the_whole(pdb):
    """Whatever the windows: their bounds are in the middle of transactions, of several at once, and at no record's end."""
    slot = name_of(pdb, "test_decoding")
    begin = pdb.flush_lsn()
    with pdb.connect(autocommit=False) as one, pdb.connect(autocommit=False) as two:
        for i in range(40):
            one.execute("INSERT INTO t VALUES (%s, 'one')", (i,))
            two.execute("INSERT INTO t SELECT j, 'two' FROM generate_series(%s::int, %s) j", (1000 + i * 20, 1019 + i * 20))
            if i % 3 == 0:
                one.commit()
            if i % 7 == 0:
                two.commit()
    end = pdb.flush_lsn()
    whole, _ = pulled(pdb, slot, **OPTIONS["test_decoding"])
    with Client(pdb.dsn()) as client:
        assert client.execute(f"SELECT pg_copy_logical_replication_slot('{slot}', 'copy_{slot}', true)") is None
        windows, at = [], begin
        while at < end:
            window, reached = pulled_by(client, f"copy_{slot}", lsn_text(at + 1237), **OPTIONS["test_decoding"])
            assert reached > at
            windows, at = [*windows, window], reached
    assert len(windows) > 5 and [] in windows
    assert [without_time(m) for window in windows for m in window] == [without_time(m) for m in whole]


def test_a_bound_inside_a_transaction_leaves_it_for_the_next_call(pdb):
    slot, options = name_of(pdb, "test_decoding"), OPTIONS["test_decoding"]
    with pdb.connect(autocommit=False) as connection:
        connection.execute("SELECT txid_current()")
        inside = lsn_value(connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()[0]) + 1
        connection.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    assert not has_rows(pulled(pdb, slot, lsn_text(inside), **options)[0])
    assert has_rows(pulled(pdb, slot, **options)[0])


def has_rows(messages):
    return any(b"INSERT" in message for message in messages)


def test_a_window_without_changes_says_where_it_is(pdb):
    slot = name_of(pdb, "pgoutput")
    pdb.sql("CREATE UNLOGGED TABLE elsewhere (id int); SELECT pg_logical_emit_message(false, '', repeat('x', 3000000))")
    upto_lsn = pdb.flush_lsn()
    with Client(pdb.dsn()) as client:
        client.start(call(slot, **OPTIONS["pgoutput"]))
        messages = list(iter(client.read, None))
        assert client.end() is None
    positions = [position(message) for message in messages if not is_data(message)]
    assert positions == sorted(set(positions)) and positions[-1] >= upto_lsn


def test_before_the_slot_there_is_nothing(pdb):
    slot = name_of(pdb, "test_decoding")
    pdb.sql("INSERT INTO t VALUES (1, 'one')")
    confirmed = lsn_value(pdb.slot(slot)["confirmed_flush_lsn"])
    for upto_lsn in ("0/0", "0/1", lsn_text(confirmed)):
        assert pulled(pdb, slot, upto_lsn, confirm="on") == ([], confirmed)
    assert lsn_value(pdb.slot(slot)["confirmed_flush_lsn"]) == confirmed


def test_a_statement_with_parameters_can_call_it_too(pdb):
    """The extended protocol."""
    slot = name_of(pdb, "test_decoding")
    pdb.sql("INSERT INTO t VALUES (1, 'one')")
    with Client(pdb.dsn()) as client:
        for _ in range(2):
            client.start("CALL wal2arrow.stream($1, $2, VARIADIC $3)", slot, lsn_text(pdb.flush_lsn()), "{include-xids,off}")
            assert b"INSERT" in b"".join(iter(client.read, None))
            assert client.end() is None


def test_a_replication_connection_can_call_it_too(pdb):
    slot = name_of(pdb, "test_decoding")
    pdb.sql("INSERT INTO t VALUES (1, 'one')")
    with Client(pdb.dsn(replication="database")) as client:
        client.start(call(slot, **OPTIONS["test_decoding"]))
        assert b"INSERT" in b"".join(iter(client.read, None))
        assert client.end() is None


def test_an_example_of_a_client(pdb):
    """That of README.md, as it stands there."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as readme:
        [example] = [code for code in re.findall(r"```python\n(.*?)```", readme.read(), re.S) if "wal2arrow.stream" in code]
    pdb.sql("SELECT pg_create_logical_replication_slot('a_client', 'test_decoding')")
    pdb.sql("INSERT INTO t VALUES (1, 'one')")
    environment = clean_environment(PGHOST=pdb.server.folder, PGPORT=pdb.server.port, PGUSER="postgres", PGDATABASE=pdb.name)
    done = subprocess.run([sys.executable, "-c", example], env=environment, capture_output=True, text=True, check=True)
    assert "table public.t: INSERT: id[integer]:1 a[text]:'one'" in done.stdout
    assert not has_rows(pulled(pdb, "a_client")[0])


# ---- what is confirmed --------------------------------------------------------------------------------------


def test_a_permanent_slot_is_confirmed_only_if_asked(pdb):
    slot = name_of(pdb, "test_decoding")
    pdb.sql("INSERT INTO t VALUES (1, 'one')")
    before = pdb.slot(slot)["confirmed_flush_lsn"]
    first, _ = pulled(pdb, slot)
    assert pdb.slot(slot)["confirmed_flush_lsn"] == before
    again, at = pulled(pdb, slot, confirm="on")
    assert [without_time(m) for m in first] == [without_time(m) for m in again]
    assert lsn_value(pdb.slot(slot)["confirmed_flush_lsn"]) == at
    assert not has_rows(pulled(pdb, slot)[0])


def test_a_copy_is_confirmed_as_it_goes(pdb):
    """So that the server needs neither the WAL nor the rows of its catalogue for longer."""
    slot = name_of(pdb, "test_decoding")
    for i in range(4):  # a checkpoint writes down what is running, from where decoding could start again
        pdb.sql(f"INSERT INTO t SELECT {i} * 10000 + j, repeat('x', 100) FROM generate_series(1, 10000) j")
        pdb.sql("CHECKPOINT")
    with Client(pdb.dsn()) as client:
        copy = f"copy_{slot}"
        assert client.execute(f"SELECT pg_copy_logical_replication_slot('{slot}', '{copy}', true)") is None
        before = pdb.slot(copy)
        client.start(call(copy))
        while is_data(client.read()):  # to the first position it tells, a quarter of the way at most
            pass
        now = wait_until(lambda: moved(pdb, copy, before), what="the copy to be confirmed")
        assert client.end() is None
        assert lsn_value(now["confirmed_flush_lsn"]) < lsn_value(pdb.slot(copy)["confirmed_flush_lsn"])
        assert lsn_value(pdb.slot(copy)["restart_lsn"]) > lsn_value(before["restart_lsn"])
    assert pdb.slot(slot)["confirmed_flush_lsn"] == before["confirmed_flush_lsn"]


def moved(database, slot, before):
    now = database.slot(slot)
    return now if now["confirmed_flush_lsn"] != before["confirmed_flush_lsn"] else None


# ---- whoever ends it in the middle --------------------------------------------------------------------------


MANY = 20000


def fill(database):
    """More than a server can send without being read."""
    database.sql(f"INSERT INTO t SELECT i, repeat('x', 400) FROM generate_series(1, {MANY}) i")


def in_the_middle(client, slot, **options):
    client.start(call(slot, **options))
    seen = 0
    while seen < 10:
        seen += is_data(client.read())


def place(database, slot):
    return [database.slot(slot)[what] for what in ("active", "restart_lsn", "confirmed_flush_lsn", "catalog_xmin")]


def free(database, slot):
    wait_until(lambda: not database.slot(slot)["active"], what=f"{slot} to be free")


def rows_of(messages):
    return sum(b"INSERT" in message for message in messages)


def test_a_cancel_leaves_session_and_slot_usable(pdb):
    slot = name_of(pdb, "test_decoding")
    fill(pdb)
    before = place(pdb, slot)
    with Client(pdb.dsn()) as client:
        for _ in range(3):
            in_the_middle(client, slot)
            pdb.sql("SELECT pg_cancel_backend(%s)", (client.pid,))
            assert client.end() == "57014"
            assert place(pdb, slot) == before
        assert rows_of(pulled_by(client, slot)[0]) == MANY


def test_a_cancel_takes_the_copy_along(pdb):
    """PostgreSQL drops a session's temporary slots at any error."""
    slot = name_of(pdb, "test_decoding")
    fill(pdb)
    with Client(pdb.dsn()) as client:
        for _ in range(2):
            assert client.execute(f"SELECT pg_copy_logical_replication_slot('{slot}', 'copy_{slot}', true)") is None
            in_the_middle(client, f"copy_{slot}")
            pdb.sql("SELECT pg_cancel_backend(%s)", (client.pid,))
            assert client.end() == "57014"
            assert pdb.slot(f"copy_{slot}") is None


@any_plugin
def test_a_session_ended_by_the_administrator_frees_the_slot(pdb, plugin):
    slot = name_of(pdb, plugin)
    fill(pdb)
    with Client(pdb.dsn()) as client:
        client.start(call(slot, **OPTIONS[plugin]))
        client.read()
        pdb.sql("SELECT pg_terminate_backend(%s)", (client.pid,))
        free(pdb, slot)
        assert client.end() in ("57P01", "lost")
    assert pulled(pdb, slot, **OPTIONS[plugin])[0] != []


def test_a_client_that_leaves_frees_the_slot(pdb):
    slot = name_of(pdb, "test_decoding")
    fill(pdb)
    with Client(pdb.dsn()) as client:
        in_the_middle(client, slot)
    free(pdb, slot)
    assert rows_of(pulled(pdb, slot)[0]) == MANY


def test_one_reads_a_slot_at_a_time_and_nobody_drops_it(pdb):
    slot = name_of(pdb, "test_decoding")
    fill(pdb)
    with Client(pdb.dsn()) as client, pdb.connect() as other:
        in_the_middle(client, slot)
        with pytest.raises(psycopg.errors.ObjectInUse, match=f'replication slot "{slot}" is active for PID {client.pid}'):
            other.cursor().copy(call(slot)).__enter__()
        with pytest.raises(psycopg.errors.ObjectInUse):
            other.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
        assert client.end() is None
        other.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
        assert client.execute(call(slot)) == "42704"


def test_a_server_killed_in_the_middle_sends_all_of_it_again(new_server):
    server = new_server(conf=plugin_conf(fsync="on"))
    database = server.create_database("killed")
    prepare(database)
    slot = name_of(database, "test_decoding")
    fill(database)
    for confirm in ("off", "on"):  # what was confirmed in the middle of a transaction ends before it
        with Client(database.dsn()) as client:
            in_the_middle(client, slot, confirm=confirm)
            server.kill()
            assert client.end() == "lost"
        server.start()
    assert rows_of(pulled(database, slot)[0]) == MANY


# Its values are the oids of labels; its output function fails for any other.
FICKLE = """
    CREATE TYPE mood AS ENUM ('good');
    CREATE TYPE fickle;
    CREATE FUNCTION fickle_in(cstring) RETURNS fickle LANGUAGE internal IMMUTABLE STRICT AS 'oidin';
    CREATE FUNCTION fickle_out(fickle) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'enum_out';
    CREATE TYPE fickle (INPUT = fickle_in, OUTPUT = fickle_out, LIKE = oid);
    CREATE TABLE moods (id int PRIMARY KEY, it fickle);
    INSERT INTO moods SELECT i, oid::text::fickle FROM generate_series(1, 2000) i, pg_enum WHERE enumlabel = 'good';
"""


def test_an_error_in_the_middle_is_an_error_and_leaves_nothing(pdb):
    slot = name_of(pdb, "test_decoding")
    pdb.sql(FICKLE)
    pdb.sql("INSERT INTO moods VALUES (3000, '1')")
    with Client(pdb.dsn()) as client:
        in_the_middle(client, slot)
        assert client.end() == "22P03"
        files = open_files(client)
        for _ in range(30):
            in_the_middle(client, slot)
            assert client.end() == "22P03"
        assert open_files(client) == files
        assert client.execute("CREATE TABLE still_here ()") is None


# ---- what stays ---------------------------------------------------------------------------------------------


def open_files(client):
    return len(os.listdir(f"/proc/{client.pid}/fd"))


def memory(client):
    if server_version() < 14:
        return 0
    result = client.pgconn.exec_(b"SELECT sum(total_bytes) FROM pg_backend_memory_contexts")
    return int(result.get_value(0, 0))


def slot_files(server):
    return sorted(name for _, _, names in os.walk(os.path.join(server.data, "pg_replslot")) for name in names)


def test_a_thousand_calls_leave_nothing(pdb, own_server):
    slot = name_of(pdb, "wal2arrow")
    pdb.sql("SET logical_decoding_work_mem = '64kB'; INSERT INTO t SELECT i, 'some' FROM generate_series(1, 1000) i")
    with Client(pdb.dsn()) as client:
        client.execute("SET logical_decoding_work_mem = '64kB'")  # it goes through files
        expected = len(pulled_by(client, slot, **OPTIONS["wal2arrow"])[0])
        before = None
        for i in range(1000):
            if i == 100:  # caches are filled
                before = memory(client), open_files(client), slot_files(own_server)
            if i % 4 == 3:
                assert client.execute(call(slot, colour="blue")) == "22023"
            else:
                messages, _ = pulled_by(client, slot, **OPTIONS["wal2arrow"])
                assert len(messages) == expected
        assert memory(client) <= before[0] + 64 * 1024
        assert open_files(client) <= before[1]  # the server closes some of its own now and then
        assert slot_files(own_server) == before[2]


def test_it_holds_back_no_vacuum(pdb):
    slot = name_of(pdb, "pgoutput")
    fill(pdb)
    with Client(pdb.dsn()) as client:
        in_the_middle(client, slot, **OPTIONS["pgoutput"])
        held = pdb.sql("SELECT backend_xid, backend_xmin FROM pg_stat_activity WHERE pid = %s", (client.pid,))
        assert held == [(None, None)]
        assert client.end() is None


# ---- where it does not work ---------------------------------------------------------------------------------


def test_a_slot_of_another_database_is_refused(pdb, own_server):
    other = own_server.create_database("other_database")
    try:
        create_extension(other)
        with other.connect() as connection, pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="was not created in this database"):
            connection.cursor().copy(call(name_of(pdb, "pgoutput"))).__enter__()
    finally:
        other.drop()


def test_without_logical_wal_it_is_refused(new_server):
    server = new_server(conf=plugin_conf(wal_level="replica"))
    database = server.create_database("replica")
    create_extension(database)
    with database.connect() as connection, pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="wal_level"):
        connection.cursor().copy(call("any")).__enter__()


def test_rows_that_arrow_clients_read(pdb):
    pdb.sql("INSERT INTO t VALUES (1, 'one'), (2, NULL)")
    messages, _ = pulled(pdb, name_of(pdb, "wal2arrow"), tables="public.t")
    rows = [row for batch in batches([message[25:] for message in messages]) for row in batch.to_pylist()]
    assert [(row["_op"], row["id"], row["a"]) for row in rows] == [("I", 1, "one"), ("I", 2, None)]
