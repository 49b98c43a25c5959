"""What the campaign's sinks hold, held against what PostgreSQL's test_decoding says was committed."""

import collections
import dataclasses
import json
import os

import duckdb
import pyarrow as pa
import pyarrow.parquet

from campaign_work import KEYS, ROLLED_BACK, key_of
from oracle import UNCHANGED
from postgres import lsn_value
from readers import final_files, table_of
from streaming import own_values, replay, source_rows

OPS = {"read": "R", "insert": "I", "update": "U", "delete": "D", "truncate": "T"}


def position(lsn, seq):
    return lsn << 32 | seq


@dataclasses.dataclass
class Verdict:
    """Of one sink, in changes."""

    changes: int = 0  # rows of snapshots are not among them
    lost: int = 0
    doubled: int = 0
    misplaced: int = 0  # behind one of a later position
    wrong: int = 0  # another value, table or operation than was committed
    foreign: int = 0  # at a position where nothing was committed
    rolled_back: int = 0
    tables: list = dataclasses.field(default_factory=list)  # that differ from the source in the end
    first: str = ""  # of what is wrong

    def fine(self):
        return not any(dataclasses.astuple(self)[1:])

    def blame(self, what, at, why=""):
        setattr(self, what, getattr(self, what) + 1)
        self.first = self.first or f"{what}: {at >> 32:X} {at & 0xFFFFFFFF} {why}"


# ---- a change as both sides see it ---------------------------------------------------------------------------


def canonical(table, op, new, old_key):
    """new: {column: value}, large values that were not sent left out; old_key: of the row before."""
    text = lambda value: None if value is None else str(value)  # noqa: E731
    values = tuple(sorted((column, text(value)) for column, value in new.items())) if op in "RIU" else ()
    return table, op, values, tuple(text(old_key[column]) for column in key_of(table)) if op in "UD" else ()


def holds_rolled_back(change):
    return any(value == ROLLED_BACK for _, value in change[2])


def of_oracle(change):
    new = {column: value for column, value in (change.new or {}).items() if value is not UNCHANGED}
    return canonical(change.table, change.op, new, change.old or new)


def of_row(table, row):
    new = {column: value for column, value in own_values(row).items() if column not in (row["_unchanged"] or ())}
    return canonical(table, row["_op"], new, row["_old"] or new)


def of_event(event):
    return canonical(event["table"], OPS[event["event_type"]], event["data"] or {}, event["key_data"] or {})


class Truth:
    """Every committed change by its position. Read from time to time, or it takes as much memory as WAL."""

    def __init__(self, oracle):
        self.oracle, self.transactions = oracle, 0
        self.changes, self.late = {}, {}  # position: hash; position: table, of tables that were made while the streams ran

    def read(self):
        for transaction in self.oracle.read():
            self.transactions += bool(transaction.changes)
            for change in transaction.changes:
                seen, at = of_oracle(change), position(transaction.commit_lsn, change.seq)
                assert not holds_rolled_back(seen), seen
                self.changes[at] = hash(seen)
                if change.table not in KEYS:
                    self.late[at] = change.table

    def owed(self, points):
        """Positions that a sink must have that has read tables at these points."""
        before = {at for at, table in self.late.items() if at < position(points.get(table, 0), 0)}
        return self.changes.keys() - before


# ---- what the sinks hold -------------------------------------------------------------------------------------


def rows_of_files(folder, suffix):
    """(table, row) of a lake, table by table, in the order of names."""
    for path in final_files(folder, suffix):
        if suffix == ".parquet":
            table = pyarrow.parquet.ParquetFile(path).read()
        else:
            with pa.OSFile(path) as source, pa.ipc.open_file(source) as file:
                table = file.read_all()
        name = table_of(folder, path).split(".")[1]
        yield from ((name, row) for row in table.to_pylist())


def rows_of_log(path, tables):
    """The same of duckdb:...?mode=append."""
    if not os.path.exists(path):
        return
    with duckdb.connect(path, read_only=True) as connection:
        for table in tables:
            batches = connection.execute(f"SELECT * FROM public.{table} ORDER BY rowid").fetch_record_batch(100_000)
            yield from ((table, row) for batch in batches for row in batch.to_pylist())


def events_of(path):
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            if event["event_type"] in OPS:
                yield event


def events_of_topics(kafka, prefix):
    """The same, of what is committed, topic by topic."""
    kafka.settle(prefix)
    for topic in kafka.topics(f"{prefix}.public."):
        yield from (record.value for record in kafka.records(topic))


def delivered_rows(rows):
    """(order, position, change, for replay) of rows: the order is a table's own."""
    for table, row in rows:
        step = (row["_op"], own_values(row), row["_old"], row["_unchanged"])
        yield table, position(row["_commit_lsn"], row["_seq"]), of_row(table, row), step


def delivered_events(events, by_table=False):
    """The same of events, whose order is one for all tables, or each table's own."""
    for event in events:
        step = (OPS[event["event_type"]], event["data"] or event["key_data"], event["key_data"], event.get("unchanged"))
        order = event["table"] if by_table else "all"
        yield order, position(lsn_value(event["lsn"]), event["seq"]), of_event(event), step


def judge(truth, delivered, source):
    """A Verdict. source: {table: its rows now}"""
    verdict, seen, last, points = Verdict(), set(), {}, {}
    steps = collections.defaultdict(list)
    for order, at, change, step in delivered:
        keep(steps[change[0]], step)
        if holds_rolled_back(change):
            verdict.blame("rolled_back", at, change)
        if change[1] == "R":
            point = (at >> 32) + 1
            if points.setdefault(change[0], point) != point:
                verdict.blame("doubled", at, change)
            continue
        verdict.changes += 1
        if at in seen:
            verdict.blame("doubled", at, change)
        elif at not in truth.changes:
            verdict.blame("foreign", at, change)
        elif truth.changes[at] != hash(change):
            verdict.blame("wrong", at, change)
        if at <= last.get(order, -1) and at not in seen:
            verdict.blame("misplaced", at, change)
        last[order] = at
        seen.add(at)
    owed = truth.owed(points)
    for at in owed - seen:
        verdict.blame("lost", at)
    for at in seen & (truth.changes.keys() - owed):
        verdict.blame("doubled", at, f"was in the snapshot of {truth.late[at]}")
    verdict.tables = [table for table in source if not replays(steps[table], key_of(table), source[table])]
    return verdict


def keep(steps, step):
    """What lies before a TRUNCATE has no part in what the table is now."""
    if step[0] == "T":
        steps.clear()
    steps.append(step)


def replays(steps, key, rows):
    try:
        return replay(steps, key) == rows
    except AssertionError:
        return False


def judge_replica(path, source):
    verdict = Verdict()
    if not os.path.exists(path):
        verdict.tables = list(source)
        return verdict
    with duckdb.connect(path, read_only=True) as connection:
        for table in source:
            key = key_of(table)
            rows = connection.execute(f"SELECT * FROM public.{table}").to_arrow_table().to_pylist()
            have = {tuple(row[column] for column in key): row for row in rows}
            verdict.changes += len(rows)
            if len(have) != len(rows) or have != source[table]:
                verdict.tables.append(table)
    return verdict


def source_of(db, late):
    return {table: source_rows(db, table, key_of(table)) for table in [*KEYS, *late]}
