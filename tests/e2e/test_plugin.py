"""wal2arrow as a client of its own finds it, with no walrow in between; values are in test_plugin_values.py."""

import os
import struct
import subprocess
import sys
import time
from decimal import Decimal
from random import Random

import psycopg
import pytest
from plugin import ROOT, plugin_conf
from postgres import Postgres, clean_environment, lsn_value, pgbin, server_version, wait_until

sys.path.insert(0, os.path.join(ROOT, "examples"))
from read_wal2arrow import batches, frames  # noqa: E402

GET = "SELECT data FROM pg_logical_slot_get_binary_changes('wal2arrow', NULL, NULL, VARIADIC %s::text[])"
PEEK = GET.replace("slot_get", "slot_peek")


@pytest.fixture(scope="module")
def plugin_server():
    with Postgres(conf=plugin_conf()) as postgres:
        yield postgres


@pytest.fixture
def plugin_db(plugin_server, request):
    database = plugin_server.create_database("p_" + request.node.name[-50:].strip("[]"))
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
    database.sql("SELECT pg_create_logical_replication_slot('wal2arrow', 'wal2arrow')")
    yield database
    database.drop()


def messages(db, **options):
    words = [str(word) for option in options.items() for word in option]
    return [bytes(row[0]) for row in db.sql(GET, (words,))]


def rows(db, **options):
    return [row for batch in batches(messages(db, **options)) for row in batch.to_pylist()]


def kinds(message):
    return b"".join(kind for kind, _ in frames(message)).decode()


def test_the_example_prints_a_slot(plugin_db):
    plugin_db.sql("INSERT INTO t VALUES (1, 'one'), (2, NULL)")
    script = os.path.join(ROOT, "examples", "read_wal2arrow.py")
    command = [sys.executable, script, plugin_db.dsn(), "wal2arrow", "tables=public.*"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    table, first, second = done.stdout.splitlines()
    assert table == "public.t"
    assert "'_op': 'I'" in first and first.endswith("'id': 1, 'a': 'one'}")
    assert "'_seq': 1" in second and second.endswith("'id': 2, 'a': None}")


def test_a_small_transaction_is_one_message(plugin_db):
    plugin_db.sql("CREATE TABLE u (id int PRIMARY KEY)")
    plugin_db.sql("BEGIN; INSERT INTO t VALUES (1, 'one'); INSERT INTO u VALUES (1); UPDATE t SET a = 'x'; COMMIT")
    plugin_db.sql("INSERT INTO t VALUES (2, 'two')")
    assert [kinds(message) for message in messages(plugin_db)] == ["BSSRRC", "BRC"]


def test_a_large_transaction_is_several_bounded_ones(plugin_db):
    plugin_db.sql("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 10000) i")
    parts = messages(plugin_db, max_bytes="256kB")
    assert [kinds(part) for part in parts] == ["BSR", *["R"] * (len(parts) - 2), kinds(parts[-1])]
    assert kinds(parts[-1]) in ("C", "RC")
    assert max(map(len, parts)) < 2 * 256 * 1024
    assert [row["_seq"] for batch in batches(parts) for row in batch.to_pylist()] == list(range(10000))


@pytest.mark.parametrize("storage", ["EXTERNAL", "EXTENDED"])
def test_values_from_outside_the_tuple_count_as_what_they_are(plugin_db, storage):
    plugin_db.sql(f"ALTER TABLE t ALTER a SET STORAGE {storage}")
    plugin_db.sql("INSERT INTO t SELECT i, repeat('0123456789', 10000) FROM generate_series(1, 100) i")
    parts = messages(plugin_db, max_bytes="256kB")
    assert max(map(len, parts)) < 2 * 256 * 1024
    assert {row["a"] for batch in batches(parts) for row in batch.to_pylist()} == {"0123456789" * 10000}


# Of every alignment and length, and texts of either header, so that values begin at any byte of a word.
TEXTS = ["", "a", "ab", "abc", "x" * 126, "x" * 127, "0123456789" * 500]
MIXED = {
    "flag": ("bool", [True, False]),
    "t": ("text", TEXTS),
    "small": ("smallint", [1, -2]),
    "u": ("text", TEXTS),
    "big": ("bigint", [1, -(2**60)]),
    "c": ('"char"', ["c"]),
    "i": ("int", [1, -(2**30)]),
    "n": ("numeric(30,4)", [Decimal("1.5000"), Decimal("-12345678901234567890.1234")]),
    "r": ("real", [0.25, -1.5]),
    "v": ("text", TEXTS),
    "z": ("name", ["name"]),
    "w": ("text", TEXTS),
    "x": ("float8", [0.1, -1e300]),
}


def mixed_rows(n):
    """Each value may be null."""
    random = Random(1)
    return [
        {"id": i, **{name: random.choice([None, *values]) for name, (_, values) in MIXED.items()}} for i in range(n)
    ]


def insert(db, rows):
    names = ", ".join(rows[0])
    with db.connect() as connection:
        statement = f"INSERT INTO mixed ({names}) VALUES ({', '.join(['%s'] * len(rows[0]))})"
        connection.cursor().executemany(statement, [list(row.values()) for row in rows])


def values(rows):
    values = [{name: value for name, value in row.items() if not name.startswith("_")} for row in rows]
    return sorted(values, key=lambda row: row["id"])


def test_values_are_found_wherever_they_lie_in_a_tuple(plugin_db):
    before = mixed_rows(500)
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in MIXED.items())
    plugin_db.sql(f"CREATE TABLE mixed (id int PRIMARY KEY, {columns}); ALTER TABLE mixed REPLICA IDENTITY FULL")
    insert(plugin_db, before)
    assert values(rows(plugin_db)) == before
    plugin_db.sql("UPDATE mixed SET small = 3")
    changed = rows(plugin_db)
    assert values(changed) == [row | {"small": 3} for row in before]
    assert values(row["_old"] for row in changed) == before
    plugin_db.sql("ALTER TABLE mixed DROP u; DELETE FROM mixed WHERE id % 2 = 0")
    after = [{name: value for name, value in row.items() if name != "u"} | {"small": 3} for row in before]
    assert values(rows(plugin_db)) == after[::2]
    plugin_db.sql("ALTER TABLE mixed ADD added int DEFAULT 7; DELETE FROM mixed")
    after = [row | {"added": 7} for row in after]
    assert values(rows(plugin_db)) == after[1::2]
    insert(plugin_db, after)
    assert values(rows(plugin_db)) == after


def test_a_partition_s_tuples_have_the_values_elsewhere(plugin_db):
    plugin_db.sql("""
        CREATE TABLE root (id int PRIMARY KEY, a text, b bigint) PARTITION BY RANGE (id);
        CREATE TABLE leaf (b bigint, gone int, a text, id int NOT NULL);
        ALTER TABLE leaf DROP gone;
        ALTER TABLE root ATTACH PARTITION leaf FOR VALUES FROM (0) TO (10);
        INSERT INTO root VALUES (1, 'one', NULL), (2, NULL, 2)""")
    assert values(rows(plugin_db)) == [{"id": 1, "a": "one", "b": None}, {"id": 2, "a": None, "b": 2}]


def test_positions_are_those_of_the_commit_record(plugin_db):
    before = plugin_db.flush_lsn()
    plugin_db.sql("INSERT INTO t VALUES (1, 'one')")
    [(message, lsn, xid)] = plugin_db.sql("SELECT data, lsn::text, xid::text" + GET.removeprefix("SELECT data"), ([],))
    commit_lsn, end_lsn = struct.unpack("<QQ", dict(frames(bytes(message)))[b"C"])
    [row] = [row for batch in batches([bytes(message)]) for row in batch.to_pylist()]
    assert end_lsn == lsn_value(lsn)
    assert before < commit_lsn < end_lsn
    assert (row["_commit_lsn"], str(row["_xid"])) == (commit_lsn, xid)


def test_nothing_captured_sends_nothing(plugin_db):
    plugin_db.sql("CREATE TABLE other (id int)")
    plugin_db.sql("INSERT INTO other SELECT generate_series(1, 1000)")
    assert messages(plugin_db, tables="public.t") == []


def test_without_xids_and_timestamps_they_are_null(plugin_db):
    plugin_db.sql("INSERT INTO t VALUES (1, 'one')")
    [row] = rows(plugin_db, xids="off", timestamps="off")
    assert row["_xid"] is None and row["_commit_time"] is None


def assert_nothing_left(connection):
    if server_version() >= 14:
        left = "SELECT name FROM pg_backend_memory_contexts WHERE name LIKE 'wal2arrow%'"
        assert connection.execute(left).fetchall() == []


def test_an_error_in_the_middle_leaves_the_slot_usable(plugin_db):
    plugin_db.sql("INSERT INTO t SELECT i FROM generate_series(1, 100) i")
    plugin_db.sql("CREATE PUBLICATION p FOR TABLE t")
    plugin_db.sql("INSERT INTO t VALUES (101)")
    plugin_db.sql("SELECT pg_logical_slot_get_binary_changes('wal2arrow', NULL, 1)")
    with plugin_db.connect() as connection:
        for _ in range(50):
            with pytest.raises(Exception, match='publication "missing" does not exist'):
                connection.execute(GET, (["publication_names", "p,missing"],))
        assert_nothing_left(connection)
        assert connection.execute(GET, (["publication_names", "p"],)).fetchall() != []


# Its values are the oids of labels; its output function fails for any other.
FICKLE = """
    CREATE TYPE mood AS ENUM ('good');
    CREATE TYPE fickle;
    CREATE FUNCTION fickle_in(cstring) RETURNS fickle LANGUAGE internal IMMUTABLE STRICT AS 'oidin';
    CREATE FUNCTION fickle_out(fickle) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'enum_out';
    CREATE TYPE fickle (INPUT = fickle_in, OUTPUT = fickle_out, LIKE = oid);
    CREATE TABLE moods (id int PRIMARY KEY, big text, it fickle);
    INSERT INTO moods SELECT i, repeat('x', 1000), oid::text::fickle FROM generate_series(1, 2000) i, pg_enum;
"""


def test_an_output_function_that_fails_leaves_the_slot_usable(plugin_db):
    plugin_db.sql(FICKLE)
    plugin_db.sql("INSERT INTO t VALUES (1, 'one'); INSERT INTO moods SELECT id + 2000, big, it FROM moods; UPDATE moods SET it = '1' WHERE id = 4000")
    with plugin_db.connect() as connection:
        for options in ([], ["max_bytes", "4kB"], ["max_rows", "1", "format", "compact"]) * 3:
            with pytest.raises(psycopg.errors.InvalidBinaryRepresentation, match="invalid internal value for enum: 1"):
                connection.execute(GET, (options,))
            assert_nothing_left(connection)
    assert [row["id"] for row in rows(plugin_db, exclude_tables="public.moods")] == [1]


LARGE = "INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 100000) i"


def test_a_statement_cancelled_in_the_middle_leaves_the_slot_usable(plugin_db):
    plugin_db.sql(LARGE)
    with plugin_db.connect() as connection:
        connection.execute("SET logical_decoding_work_mem = '64kB'")  # a server looks for cancels while it reads what it spilled
        begin = time.monotonic()
        expected = connection.execute(PEEK, ([],)).fetchall()
        duration_ms = 1000 * (time.monotonic() - begin)
        cancelled = 0
        for part in (1, 3, 5, 7):
            connection.execute(f"SET statement_timeout = {1 + int(duration_ms * part / 10)}")
            try:
                connection.execute(PEEK, ([],))
            except psycopg.errors.QueryCanceled:
                cancelled += 1
            connection.execute("SET statement_timeout = 0")
            assert_nothing_left(connection)
        assert cancelled > 1
        assert connection.execute(GET, ([],)).fetchall() == expected


def test_a_sender_ended_in_the_middle_leaves_the_slot_usable(plugin_db, plugin_server):
    plugin_db.sql(LARGE)
    with plugin_db.connect() as witness:  # a crash of any process would end it
        command = [pgbin("pg_recvlogical"), "--start", "--no-loop", "-S", "wal2arrow", "-d", plugin_db.name, "-f", "-"]
        client = subprocess.Popen([*command, "-h", plugin_server.folder, "-U", "postgres"], env=clean_environment(), stdout=subprocess.PIPE)
        assert client.stdout.read(3) == b"w2a"  # and no more: the sender waits in the middle
        ended = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'wal2arrow'"
        assert witness.execute(ended).fetchone() == (True,)
        client.stdout.close()
        assert client.wait(60) != 0
        free = "SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'wal2arrow'"
        wait_until(lambda: witness.execute(free).fetchone() == (True,), what="the slot to be free")
        assert sum(batch.num_rows for batch in batches(messages(plugin_db))) == 100000
        assert witness.execute("SELECT 1").fetchone() == (1,)


def test_sessions_in_one_backend_do_not_meddle(plugin_db):
    """Invalidations after a session has ended find nothing of it."""
    with plugin_db.connect() as connection:
        for i in range(20):
            connection.execute(f"ALTER TABLE t ADD c{i} int")
            connection.execute(f"INSERT INTO t (id) VALUES ({i})")
            [message] = connection.execute(GET, ([],)).fetchall()
            [batch] = batches([bytes(message[0])])
            assert batch.schema.names[-1] == f"c{i}"


def test_a_forgotten_table_is_announced_again_as_it_was(plugin_db):
    """What nobody asks for after many invalidations may have been dropped: it is not kept."""
    plugin_db.sql("DO $$ BEGIN FOR i IN 1..1001 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY); INSERT INTO t%1$s VALUES (1)', i); END LOOP; END $$")
    plugin_db.sql("CREATE SCHEMA a; ALTER SCHEMA a RENAME TO other")
    for change in ("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)", "INSERT INTO t7 VALUES (2)", "INSERT INTO t7 VALUES (3)"):
        plugin_db.sql(change)
    *first, one, two, three, four = messages(plugin_db)
    assert [kinds(message) for message in (one, two, three, four)] == ["BSRC", "BRC", "BSRC", "BRC"]
    schemas = [payload for message in first for kind, payload in frames(message) if kind == b"S"]
    assert schemas.count(dict(frames(three))[b"S"]) == 1


def test_a_client_that_streams_gets_the_same(plugin_db, plugin_server, tmp_path):
    plugin_db.sql("INSERT INTO t SELECT i, 'streamed' FROM generate_series(1, 5000) i")
    end_lsn = plugin_db.value("SELECT pg_current_wal_flush_lsn()::text")
    expected = plugin_db.sql("SELECT data FROM pg_logical_slot_peek_binary_changes('wal2arrow', NULL, NULL)")
    file = tmp_path / "streamed"
    command = [pgbin("pg_recvlogical"), "--start", "--no-loop", "-S", "wal2arrow", "-d", plugin_db.name, "-f", file]
    subprocess.run(
        [*map(str, command), "-h", plugin_server.folder, "-U", "postgres", "-E", end_lsn],
        env=clean_environment(), check=True, timeout=60,
    )  # fmt: skip
    # pg_recvlogical puts a newline after each message
    assert file.read_bytes() == b"".join(bytes(data) + b"\n" for (data,) in expected)
