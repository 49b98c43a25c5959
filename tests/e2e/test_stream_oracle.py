"""Change by change, walrow says what PostgreSQL's own test_decoding says."""

import datetime
import os

import pytest

from command import Walrow
from conftest import ROOT
from oracle import UNCHANGED, Oracle
from postgres import lsn_value
from streaming import PGOUTPUT_HAS_MESSAGES, Job, expected_column, known_ways, ways
from values import plain_column
from workload import CAPTURED, TABLES, Workload

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
INSERTS = ("--insert-only", "public.nothing")
WAYS = known_ways("text", "binary", "wal2arrow")


@pytest.fixture(scope="module")
def compared(arrow_server, tmp_path_factory):
    """A workload, streamed in every way: ({way: its job}, [the oracle's transactions])."""
    db = arrow_server.create_database("oracle_workload")
    binary = os.environ.get("WALROW_BIN") or os.path.join(ROOT, "build", "walrow")
    walrow = Walrow(os.path.abspath(binary), tmp_path_factory.mktemp("oracle"))
    db.sql(TABLES)
    tables = ",".join(f"public.{table}" for table in CAPTURED)
    oracle = Oracle(db)
    jobs = {way: Job(db, walrow, walrow.folder, way, tables, way) for way in WAYS}
    for job in jobs.values():
        job.setup(*INSERTS)
    Workload(15).run(db, 200)
    for job in jobs.values():
        job.stream(*INSERTS, to=[f"ipc:{job.ipc}", f"jsonl:{job.jsonl}"])
    transactions = oracle.read(roots=False)
    for transaction in transactions:
        transaction.changes = published(transaction.changes)
    yield jobs, [transaction for transaction in transactions if transaction.changes or transaction.messages]
    walrow.close()
    db.drop()


def published(changes):
    """Those of test_decoding's changes that pgoutput sends: of captured tables, of "nothing" inserts only.

    Rows of a partition are its root's. A TRUNCATE names root and leaves; pgoutput sends the root, and nothing for a leaf
    that is truncated alone (pgoutput.c, pgoutput_truncate).
    """
    seen = []
    for change in changes:
        if change.table.startswith("parted_"):
            if change.op == "T":
                continue
            change.table = "parted"
        if change.table in CAPTURED and (change.table != "nothing" or change.op == "I"):
            change.seq = len(seen)
            seen.append(change)
    return seen


def changes_of(job):
    """{position: (table, {column: plain value})}"""
    found = {}
    for table, files in job.lake.items():
        for file in files:
            columns = {name: plain_column(file.table.column(name)) for name in file.table.schema.names}
            for i in range(file.table.num_rows):
                row = {name: values[i] for name, values in columns.items()}
                position = (row["_commit_lsn"], row["_seq"])
                assert position not in found, f"{position} of {table} is there twice"
                found[position] = (table, row, file.table.schema)
    return found


@pytest.fixture(params=WAYS)
def sides(compared, request):
    jobs, transactions = compared
    ours = changes_of(jobs[request.param])
    theirs = {(t.commit_lsn, c.seq): (t, c) for t in transactions for c in t.changes}
    return ours, theirs


def test_the_workload_is_worth_it(compared):
    _, transactions = compared
    changes = [change for transaction in transactions for change in transaction.changes]
    assert len(changes) > 1000
    assert {change.op for change in changes} == set("IUDT")
    assert {change.table for change in changes} == set(CAPTURED)
    assert any(UNCHANGED in (change.new or {}).values() for change in changes)


def test_positions_are_the_same(sides):
    ours, theirs = sides
    assert sorted(ours) == sorted(theirs)


def test_tables_ops_and_transactions_are_the_same(sides):
    ours, theirs = sides
    time = lambda t: (t.commit_time - EPOCH) // datetime.timedelta(microseconds=1)  # noqa: E731
    have = {p: (table, row["_op"], row["_xid"], row["_commit_time"]) for p, (table, row, _) in ours.items()}
    assert have == {p: (change.name, change.op, t.xid, time(t)) for p, (t, change) in theirs.items()}


def test_new_rows_are_the_same(sides):
    ours, theirs = sides
    for position, (_, change) in theirs.items():
        _, row, schema = ours[position]
        if change.op not in "IU":
            continue
        unchanged = [column for column, text in change.new.items() if text is UNCHANGED]
        filled = [column for column in unchanged if column not in (row["_unchanged"] or [])]
        assert [c for c in unchanged if c not in filled] == (row["_unchanged"] or [])
        assert all(column in (change.old or {}) for column in filled)  # an old tuple had it
        for column, text in change.new.items():
            text = change.old[column] if column in filled else None if text is UNCHANGED else text
            (want,) = expected_column([text], schema.field(column).type)
            assert row[column] == want, (position, change, column)


def test_old_rows_are_the_same(sides):
    ours, theirs = sides
    for position, (_, change) in theirs.items():
        _, row, schema = ours[position]
        columns = schema.names[7:]
        old = {c: expected_column([(change.old or {}).get(c)], schema.field(c).type)[0] for c in columns}
        if change.op == "D":
            assert {c: row[c] for c in columns} == old
        elif change.op == "U" and change.old is not None:
            same = change.table != "whole" and all(row[column] == old[column] for column in change.old)
            assert row["_old"] == (None if same else list(old.items()))
        else:
            assert row["_old"] is None
        if change.op == "T":
            assert [row[column] for column in columns] == [None] * len(columns)


def test_events_and_files_are_of_one_mind(compared):
    jobs, _ = compared
    ops = {"insert": "I", "update": "U", "delete": "D", "truncate": "T"}
    for job in jobs.values():
        events = [
            (lsn_value(e["lsn"]), e["seq"], f"{e['schema']}.{e['table']}", ops[e["event_type"]], e["transaction_id"])
            for e in job.events(*ops)
        ]
        files = [(*p, table, row["_op"], row["_xid"]) for p, (table, row, _) in sorted(changes_of(job).items())]
        assert events == files


@pytest.mark.skipif(not PGOUTPUT_HAS_MESSAGES, reason="only wal2arrow has the messages")
@pytest.mark.parametrize("other", WAYS[1:])
def test_events_are_the_same_every_way(compared, other):
    jobs, _ = compared
    assert jobs["text"].events(exact=True) == jobs[other].events(exact=True)


def test_messages_stand_where_they_were_sent(compared):
    jobs, transactions = compared
    have = [
        (lsn_value(e["lsn"]), e["message_prefix"], e["message_content"], e["transactional"])
        for e in jobs["text" if PGOUTPUT_HAS_MESSAGES else "wal2arrow"].events("message")
    ]
    assert have == [(t.commit_lsn, m.prefix, m.content, True) for t in transactions for m in t.messages]


def test_begin_and_commit_are_around_transactions_with_something_in_them(compared):
    jobs, transactions = compared
    job = jobs["text" if PGOUTPUT_HAS_MESSAGES else "wal2arrow"]
    brackets = [(e["event_type"], lsn_value(e["lsn"]), e["transaction_id"]) for e in job.events("begin", "commit")]
    assert brackets == [(kind, t.commit_lsn, t.xid) for t in transactions for kind in ("begin", "commit")]


@ways("pgoutput", "wal2arrow")
def test_a_prepared_transaction_has_the_position_of_its_commit(db, job, oracle):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    job.setup()
    with db.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO t VALUES (1), (2)")
        connection.execute("PREPARE TRANSACTION 'two'")
        connection.execute("INSERT INTO t VALUES (3)")
        connection.execute("COMMIT PREPARED 'two'")
    job.stream()
    have = [(row["_commit_lsn"], row["_seq"], row["_xid"], str(row["id"])) for row in job.rows("t")]
    assert have == [(t.commit_lsn, c.seq, t.xid, c.new["id"]) for t, c in oracle.changes(tables={"public.t"})]


@ways("pgoutput", "wal2arrow")
def test_interleaved_transactions_come_one_after_the_other(db, job, oracle):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    job.setup()
    with db.connect(autocommit=False) as first, db.connect(autocommit=False) as second:
        for i in range(0, 10, 2):
            first.execute(f"INSERT INTO t VALUES ({i})")
            second.execute(f"INSERT INTO t VALUES ({i + 1})")
        second.commit()
        first.commit()
    job.stream()
    assert [row["id"] for row in job.rows("t")] == [1, 3, 5, 7, 9, 0, 2, 4, 6, 8]
    have = [(row["_commit_lsn"], row["_seq"]) for row in job.rows("t")]
    assert have == [(t.commit_lsn, c.seq) for t, c in oracle.changes(tables={"public.t"})]


@ways("pgoutput", "wal2arrow")
def test_changes_of_other_tables_take_no_number(db, new_job, oracle):
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)")
    job = new_job("some", tables="public.t")
    job.setup()
    with db.connect(autocommit=False) as connection:
        connection.execute("INSERT INTO u VALUES (1)")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("INSERT INTO u VALUES (2)")
        connection.execute("INSERT INTO t VALUES (2)")
        connection.execute("TRUNCATE u, t")
    job.stream()
    assert [(row["_op"], row["_seq"]) for row in job.rows("t")] == [("I", 0), ("I", 1), ("T", 2)]
