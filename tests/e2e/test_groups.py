"""Small transactions that share messages: CALL wal2arrow.stream(…, 'group', …) sends what it sends without, in fewer."""

import itertools
import os
import struct
import sys

import pyarrow as pa
import pytest
from plugin import ROOT, create_extension
from postgres import lsn_text
from replication import HEADER, Client, call, is_data, position, pulled, pulled_by

sys.path.insert(0, os.path.join(ROOT, "examples"))
from read_wal2arrow import frames  # noqa: E402

_numbers = itertools.count(1)
SIZES = ["1kB", "4kB", "32kB", "1MB"]
OPTIONS = {"messages": "on", "tables": "public.*"}


@pytest.fixture
def db(arrow_server):
    database = arrow_server.create_database(f"group_{next(_numbers)}")
    create_extension(database)
    database.sql("CREATE TABLE t (id int PRIMARY KEY, a text)")
    database.sql("CREATE TABLE n (id int PRIMARY KEY, price numeric(10, 2))")
    database.sql("SELECT pg_create_logical_replication_slot(%s, 'wal2arrow')", (database.name,))
    yield database
    database.drop()


class Seen:
    """What messages have: whole transactions in their order, with their rows, dead letters and logical messages."""

    def __init__(self, messages):
        self.messages = len(messages)
        self.transactions = []  # [begin, commit, {table: rows}, dead letters, logical messages]
        self.order = []  # transactions and what is outside of them, as it comes
        self.shared = 0  # transactions that were over before the rows
        self._schemas = {}
        self._open = None  # begun in an earlier message, and not over
        for message in messages:
            self._take(list(frames(message[HEADER:])))

    def _take(self, parts):
        members = [self._open] if self._open else []
        last = len(parts) - 1
        for i, (kind, payload) in enumerate(parts):
            if kind == b"B":
                assert all(earlier in (b"B", b"C") for earlier, _ in parts[:i]) and self._open is None
                self._open = [payload, None, {}, [], []]
                members.append(self._open)
                self.transactions.append(self._open)
                self.order.append(("transaction", payload))
            elif kind == b"C":
                assert payload[:8] == self._open[0][8:16]
                self._open[1] = payload
                self._open = None
                self.shared += i < last
            elif kind == b"S":
                self._schemas[payload[:4]] = pa.ipc.read_schema(pa.py_buffer(payload[16:]))
            elif kind == b"R":
                self._rows(payload, members)
            elif kind == b"X":
                self._open[3].append(payload)
            elif payload[8]:
                self._open[4].append(payload)
            else:
                assert members == []
                self.order.append(("message", payload))

    def _rows(self, payload, members):
        batch = pa.ipc.read_record_batch(pa.py_buffer(payload[16:]), self._schemas[payload[:4]])
        table = batch.schema.metadata[b"walrow.table"], batch.schema.metadata[b"walrow.epoch"]
        of = {struct.unpack_from("<Q", member[0], 8)[0]: member for member in members}
        for row in batch.to_pylist():
            member = of[row["_commit_lsn"]]
            assert row["_xid"] == struct.unpack_from("<I", member[0])[0]
            member[2].setdefault(table, []).append(row)

    def assert_same(self, other):
        assert self.order == other.order
        assert self.transactions == other.transactions
        assert self._open is None and other._open is None


def seen(db, upto_lsn=None, **options):
    return Seen(pulled(db, db.name, upto_lsn, **OPTIONS, **options)[0])


def write_small(db, n):
    with db.connect() as connection:
        for i in range(n):
            connection.execute("INSERT INTO t VALUES (%s, %s)", (i, f"row {i}"))


# ---- what is sent -------------------------------------------------------------------------------------------


def test_small_transactions_share_messages(db):
    write_small(db, 300)
    alone, together = seen(db), seen(db, group="32kB")
    together.assert_same(alone)
    assert alone.messages == 300 and alone.shared == 0
    # the first announces the table: it does not wait
    assert together.messages == 2 and together.shared == 299


WORKLOAD = (
    "INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 7) i",
    "UPDATE t SET a = 'x' WHERE id = 3; UPDATE t SET id = 100 WHERE id = 4; DELETE FROM t WHERE id = 5",
    "BEGIN; INSERT INTO n VALUES (1, 1.25), (2, 'NaN'), (3, 3); INSERT INTO t VALUES (8, 'behind a dead letter'); COMMIT",
    "INSERT INTO n VALUES (4, 'NaN')",
    "BEGIN; SELECT pg_logical_emit_message(true, 'p', 'inside'); INSERT INTO t VALUES (9, 'behind a message'); COMMIT",
    "SELECT pg_logical_emit_message(true, 'p', 'nothing else')",
    "SELECT pg_logical_emit_message(false, 'p', 'outside')",
    "BEGIN; INSERT INTO t VALUES (10, '10'); SELECT pg_logical_emit_message(false, 'p', 'outside, from inside'); COMMIT",
    "INSERT INTO t VALUES (11, repeat('large', 100000))",
    "INSERT INTO t SELECT i, repeat('y', 100) FROM generate_series(1000, 1400) i",
    "BEGIN; DELETE FROM t WHERE id > 1300; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; INSERT INTO t VALUES (12, '12'); COMMIT",
    "BEGIN; INSERT INTO t VALUES (13, '13'); ALTER TABLE t ADD b int DEFAULT 5; INSERT INTO t VALUES (14, '14'); COMMIT",
    "ALTER TABLE t RENAME a TO name",
    "ALTER TABLE t REPLICA IDENTITY FULL; UPDATE t SET name = 'all of it is old' WHERE id = 12",
    "CREATE TABLE elsewhere.u (id int); INSERT INTO elsewhere.u VALUES (1)",
    "BEGIN; TRUNCATE t, n; INSERT INTO t VALUES (15, '15'); COMMIT",
    "DROP TABLE n; CREATE TABLE n (id text PRIMARY KEY, price int); INSERT INTO n VALUES ('one', 1)",
)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("max_rows", ["1", "20", "65536"])
def test_it_is_what_is_sent_without(db, size, max_rows):
    """All that ends a message early stands between small transactions, whose rows are there already."""
    db.sql("CREATE SCHEMA elsewhere")
    for i, statements in enumerate(WORKLOAD):
        write_some(db, i)
        db.sql(statements)
    write_some(db, len(WORKLOAD))
    together = seen(db, group=size, max_rows=max_rows)
    together.assert_same(seen(db))
    together.assert_same(seen(db, max_rows=max_rows))
    assert max_rows == "1" or together.shared > 20
    assert len(together.transactions) > 50 and sum(len(transaction[3]) for transaction in together.transactions) == 2


def write_some(db, i):
    """Of both tables, and of n as it is then."""
    with db.connect() as connection:
        for k in range(3):
            connection.execute("INSERT INTO t VALUES (%s)", (10000 + 10 * i + k,))
            connection.execute("INSERT INTO n VALUES (%s)", (str(10000 + 10 * i + k) if k == 1 else 20000 + 10 * i + k,))


def test_origins(db):
    db.sql(f"SELECT pg_replication_origin_create('{db.name}')")
    with db.connect() as connection:
        for i in range(30):
            if i in (10, 20):
                change = f"setup('{db.name}')" if i == 10 else "reset()"
                connection.execute(f"SELECT pg_replication_origin_session_{change}")
            connection.execute("INSERT INTO t VALUES (%s)", (i,))
    together = seen(db, group="32kB")
    together.assert_same(seen(db))
    assert together.shared == 29
    assert sum(transaction[0].endswith(db.name.encode()) for transaction in together.transactions) == 10
    db.sql(f"SELECT pg_replication_origin_drop('{db.name}')")


def test_a_transaction_is_not_cut_because_others_waited(db):
    """Twenty rows fit a message, whatever is in front of them."""
    write_small(db, 5)
    db.sql("INSERT INTO t SELECT i FROM generate_series(101, 119) i")
    db.sql("INSERT INTO t SELECT i FROM generate_series(201, 221) i")
    together = seen(db, group="32kB", max_rows="20")
    together.assert_same(seen(db))
    # the first alone; four and the nineteen; of the last twenty, and the rest
    assert together.messages == 4 and together.shared == 4


# ---- when it is sent ----------------------------------------------------------------------------------------


def test_positions_are_told_behind_what_they_say(db):
    with db.connect() as connection:
        for i in range(60):
            connection.execute("INSERT INTO t VALUES (%s)", (i,))
            connection.execute("SELECT pg_logical_emit_message(true, 'unwanted', repeat('x', 100000))")
    with Client(db.dsn()) as client:
        client.start(call(db.name, **OPTIONS, message_prefixes="wanted", group="1MB"))
        messages = list(iter(client.read, None))
        assert client.end() is None
    assert len([message for message in messages if not is_data(message)]) > 4
    told, ends = 0, []
    for message in messages:
        if not is_data(message):
            told = position(message)
            continue
        for kind, payload in frames(message[HEADER:]):
            if kind == b"C":
                ends.append(struct.unpack_from("<Q", payload, 8)[0])
                assert ends[-1] > told
    assert len(ends) == 60 and ends == sorted(ends) and ends[-1] <= told


def test_windows_make_up_the_whole(db):
    begin = db.flush_lsn()
    write_small(db, 200)
    end = db.flush_lsn()
    with Client(db.dsn()) as client:
        assert client.execute(f"SELECT pg_copy_logical_replication_slot('{db.name}', 'copy_{db.name}', true)") is None
        whole, at, windows = Seen([]), begin, 0
        while at < end:
            window, at = pulled_by(client, f"copy_{db.name}", lsn_text(at + 3000), **OPTIONS, group="32kB")
            more = Seen(window)
            whole.order += more.order
            whole.transactions += more.transactions
            windows += 1
    whole.assert_same(seen(db))
    assert windows > 5


def test_tables_are_forgotten_while_transactions_wait(db):
    """The plugin tidies after many invalidations, but not what has rows that wait."""
    db.sql(
        """CREATE PROCEDURE churn() LANGUAGE plpgsql AS $$ BEGIN
        FOR i IN 1..2500 LOOP
            EXECUTE format('CREATE TABLE c%s (id int)', i);
            EXECUTE format('INSERT INTO c%s VALUES (%s)', i, i);
            INSERT INTO t VALUES (i);
            COMMIT;
            INSERT INTO t VALUES (-i);
            EXECUTE format('DROP TABLE c%s', i);
            COMMIT;
        END LOOP; END $$"""
    )
    with db.connect(autocommit=True) as connection:
        connection.execute("CALL churn()")
    together = seen(db, group="1MB", exclude_tables="public.c1*")
    together.assert_same(seen(db, exclude_tables="public.c1*"))
    assert len(together.transactions) == 5000 and together.shared > 1000





def test_a_temporary_slot_is_confirmed_behind_what_was_sent(db):
    write_small(db, 100)
    with Client(db.dsn()) as client:
        assert client.execute(f"SELECT pg_copy_logical_replication_slot('{db.name}', 'copy_{db.name}', true)") is None
        first, at = pulled_by(client, f"copy_{db.name}", **OPTIONS, group="1MB")
        again, same = pulled_by(client, f"copy_{db.name}", **OPTIONS, group="1MB")
    assert len(Seen(first).transactions) == 100 and again == [] and same >= at
