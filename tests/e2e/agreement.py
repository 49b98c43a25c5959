"""Whether a delivery says what PostgreSQL's test_decoding says, value by value.

    captured = Captured(lambda table: "IUDT", **catalog_of(db))
    assert disagreements(delivery, oracle.read(roots=False), captured) == []

Where test_decoding knows less: oracle.py. A partition's rows are its root's here.
"""

import datetime
import functools
import json

import pyarrow as pa

from equality import position_text
from oracle import UNCHANGED
from postgres import lsn_value
from streaming import PREFIXES
from values import CANNOT_HOLD, plain, plain_column

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Captured:
    """What of test_decoding's changes the sources send. Names are "schema.table".

    ops:        which of a table's changes are published, by its name at the time: "IUDT", "I", ""
    leaves:     {partition: root}
    generated:  {(table, column)} that are not published
    views:      materialized ones, whose rows test_decoding shows
    """

    def __init__(self, ops, leaves=None, generated=(), views=()):
        self.ops, self.leaves, self.generated, self.views = ops, leaves or {}, generated, views

    def changes(self, transactions):
        """{position: (transaction, change)}"""
        found = {}
        for transaction in transactions:
            seen = filter(self._sees, transaction.changes)
            found |= {(transaction.commit_lsn, seq): (transaction, change) for seq, change in enumerate(seen)}
        return found

    def table(self, change):
        return self.leaves.get(change.name, change.name)

    def _sees(self, change):
        if change.op == "T" and change.name in self.leaves:
            return False  # a TRUNCATE of the root names the root; one of a leaf alone is not sent
        return change.name not in self.views and change.op in self.ops(self.table(change))


def catalog_of(db):
    """leaves, generated and views for Captured, as they are now"""
    leaves = db.sql(
        "SELECT ln.nspname || '.' || l.relname, rn.nspname || '.' || r.relname"
        " FROM pg_class l JOIN pg_namespace ln ON ln.oid = l.relnamespace"
        " JOIN pg_class r ON r.oid = pg_partition_root(l.oid) JOIN pg_namespace rn ON rn.oid = r.relnamespace WHERE l.relispartition"
    )
    generated = db.sql(
        "SELECT n.nspname || '.' || c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE a.attgenerated <> ''"
    )
    views = {f"{schema}.{name}" for schema, name in db.sql("SELECT schemaname, matviewname FROM pg_matviews")}
    return {"leaves": dict(leaves), "generated": set(generated), "views": views}


def rows_of(delivery):
    """{position: Row}"""
    found = {}
    for (name, _, _), table in delivery.tables.items():
        schema = table.schema
        columns = [plain_column(table.column(i)) for i in range(len(schema.names))]
        for values in zip(*columns):
            position = values[1], values[2]
            assert position not in found, f"{position} of {name} is there twice"
            found[position] = Row(name, schema, values)
    return found


class Row:
    def __init__(self, name, schema, values):
        n = len(PREFIXES)
        self.name = name
        self.op, _, _, self.xid, self.time, self.unchanged, self.old = values[:n]
        self.values = dict(zip(schema.names[n:], values[n:]))
        self.types = {field.name: (field.type, field.metadata[b"pg.type"]) for field in list(schema)[n:]}
        self.is_full = len(json.loads(schema.metadata[b"walrow.key"])) == len(self.values)

    def plain(self, column, text):
        value = plain_of(text, *self.types[column])
        return None if value == CANNOT_HOLD else value

    def dead(self, texts):
        """[(column, text)] of what the columns cannot hold"""
        return [(c, text) for c, text in texts.items() if c in self.types and plain_of(text, *self.types[c]) == CANNOT_HOLD]


@functools.lru_cache(1 << 16)  # the same few values come over and over
def plain_of(text, kind, pg_type):
    if pg_type == b"box[]":  # values.py wants to know: boxes are not separated by commas
        kind = pa.list_(pa.field("item", pa.utf8(), metadata={"pg.type": "box"}))
    return plain(text, kind)


def disagreements(delivery, transactions, captured):
    """Lines for people, [] if there is nothing to say."""
    ours, theirs = rows_of(delivery), captured.changes(transactions)
    found = [f"{at(p)}: {ours[p].op} of {ours[p].name} is not in test_decoding" for p in ours.keys() - theirs.keys()]
    found += [f"{at(p)}: {theirs[p][1]} is not delivered" for p in theirs.keys() - ours.keys()]
    letters = set()
    for position in sorted(ours.keys() & theirs.keys()):
        row, (transaction, change) = ours[position], theirs[position]
        found += [f"{at(position)}: {what}" for what in row_disagreements(row, transaction, change, captured)]
        letters |= {(captured.table(change), *position, *letter) for letter in dead_letters(row, change)}
    found += dead_letter_disagreements(delivery, letters)
    return [f"{delivery.name} {line}" for line in found]


def at(position):
    return f"at {position_text(position)}"


def dead_letters(row, change):
    new, _ = new_values(row, change)
    yield from (("new", column, text) for column, text in row.dead(new))
    if row.old is not None:
        yield from (("old", column, text) for column, text in row.dead(change.old))


def dead_letter_disagreements(delivery, want):
    have = set()
    for line in delivery.dead_letters:
        one = json.loads(line)
        have.add((f"{one['schema']}.{one['table']}", lsn_value(one["lsn"]), one["seq"], one["tuple"], one["column"], one["text"]))
    yield from (f"a dead letter that test_decoding does not have: {letter}" for letter in have - want)
    yield from (f"no dead letter of {letter}" for letter in want - have)


def row_disagreements(row, transaction, change, captured):
    table = captured.table(change)
    time = (transaction.commit_time - EPOCH) // datetime.timedelta(microseconds=1)
    have, want = (row.name, row.op, row.xid, row.time), (table, change.op, transaction.xid, time)
    if have != want:
        yield f"{have}, not {want}"
        return
    new, unchanged = new_values(row, change)
    if row.unchanged != (unchanged or None):
        yield f"{table}: _unchanged is {row.unchanged}, not {unchanged}"
    unpublished = {column for column in new if (table, column) in captured.generated}
    for column in new.keys() - unpublished | row.values.keys():
        if column not in row.values:
            yield f"{table}.{column} is not delivered"
        elif row.values[column] != row.plain(column, new.get(column)):
            yield f"{table}.{column}: {row.values[column]!r}, not {new.get(column)!r}"
    old = old_values(row, change)
    if row.old != old:
        yield f"{table}: _old is {row.old!r}, not {old!r}"


def new_values(row, change):
    """Texts of the row, unchanged TOAST filled in where the old tuple has it, and the names of what is not."""
    if change.op == "T":
        return {}, []
    if change.op == "D":
        return change.old, []
    filled = {c: (change.old or {}).get(c, UNCHANGED) if text is UNCHANGED else text for c, text in change.new.items()}
    unchanged = [column for column in row.values if filled.get(column) is UNCHANGED]
    return {c: None if text is UNCHANGED else text for c, text in filled.items()}, unchanged


def old_values(row, change):
    if change.op != "U" or change.old is None:
        return None
    if not row.is_full and all(change.new[c] in (text, UNCHANGED) for c, text in change.old.items()):
        return None
    return [(column, row.plain(column, change.old.get(column))) for column in row.values]
