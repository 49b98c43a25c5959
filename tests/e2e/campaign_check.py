"""What the campaign's sinks hold, held against what PostgreSQL's test_decoding says was committed."""

import collections
import dataclasses
import json

import duckdb
import pyarrow as pa
import pyarrow.parquet

from campaign_work import KEYS, ROLLED_BACK
from oracle import UNCHANGED
from postgres import lsn_value
from readers import final_files, table_of
from streaming import own_values, replay, source_rows

OPS = {"insert": "I", "update": "U", "delete": "D", "truncate": "T"}


def position(lsn, seq):
    return lsn << 32 | seq


@dataclasses.dataclass
class Verdict:
    """Of one sink, in changes."""

    changes: int = 0
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

    def blame(self, what, text):
        setattr(self, what, getattr(self, what) + 1)
        self.first = self.first or f"{what}: {text}"


# ---- a change as both sides see it ---------------------------------------------------------------------------


def canonical(table, op, new, old_key):
    """new: {column: value}, large values that were not sent left out; old_key: of the row before."""
    text = lambda value: None if value is None else str(value)  # noqa: E731
    values = tuple(sorted((column, text(value)) for column, value in new.items())) if op in "IU" else ()
    return table, op, values, tuple(text(old_key[column]) for column in KEYS[table]) if op in "UD" else ()


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
        self.oracle, self.changes, self.transactions = oracle, {}, 0

    def read(self):
        for transaction in self.oracle.read(tables={f"public.{table}" for table in KEYS}):
            self.transactions += bool(transaction.changes)
            for change in transaction.changes:
                seen = of_oracle(change)
                assert ROLLED_BACK not in str(seen), seen
                self.changes[position(transaction.commit_lsn, change.seq)] = hash(seen)


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


def rows_of_log(path):
    """The same of duckdb:...?mode=append."""
    with duckdb.connect(path, read_only=True) as connection:
        for table in KEYS:
            batches = connection.execute(f"SELECT * FROM public.{table} ORDER BY rowid").fetch_record_batch(100_000)
            yield from ((table, row) for batch in batches for row in batch.to_pylist())


def events_of(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            if event["event_type"] in OPS:
                yield event


def delivered_rows(rows):
    """(order, position, change, for replay) of rows: the order is a table's own."""
    for table, row in rows:
        step = (row["_op"], own_values(row), row["_old"], row["_unchanged"])
        yield table, position(row["_commit_lsn"], row["_seq"]), of_row(table, row), step


def delivered_events(events):
    """The same of events, whose order is one for all tables."""
    for event in events:
        step = (OPS[event["event_type"]], event["data"] or event["key_data"], event["key_data"], event.get("unchanged"))
        yield "all", position(lsn_value(event["lsn"]), event["seq"]), of_event(event), step


def judge(truth, delivered, source):
    """A Verdict. source: {table: its rows now}"""
    verdict, seen, last = Verdict(), set(), {}
    steps = collections.defaultdict(list)
    for order, at, change, step in delivered:
        verdict.changes += 1
        text = f"{at >> 32:X} {at & 0xFFFFFFFF} {change}"
        if at in seen:
            verdict.blame("doubled", text)
        elif at not in truth.changes:
            verdict.blame("foreign", text)
        elif truth.changes[at] != hash(change):
            verdict.blame("wrong", text)
        if at <= last.get(order, -1) and at not in seen:
            verdict.blame("misplaced", text)
        if ROLLED_BACK in str(change):
            verdict.blame("rolled_back", text)
        last[order] = at
        seen.add(at)
        keep(steps[change[0]], step)
    for at in truth.changes.keys() - seen:
        verdict.blame("lost", f"{at >> 32:X} {at & 0xFFFFFFFF}")
    verdict.tables = [table for table in KEYS if not replays(steps[table], KEYS[table], source[table])]
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
    with duckdb.connect(path, read_only=True) as connection:
        for table, key in KEYS.items():
            rows = connection.execute(f"SELECT * FROM public.{table}").to_arrow_table().to_pylist()
            have = {tuple(row[column] for column in key): row for row in rows}
            verdict.changes += len(rows)
            if len(have) != len(rows) or have != source[table]:
                verdict.tables.append(table)
    return verdict


def source_of(db):
    return {table: source_rows(db, table, key) for table, key in KEYS.items()}
