"""An independent witness: what PostgreSQL's own test_decoding plugin says about the changes of a database.

    oracle = Oracle(db)                     # from here on
    db.sql("INSERT ...")
    for transaction in oracle.read(): ...   # what was committed since the last read

test_decoding prints text, made for people; its grammar is in contrib/test_decoding/test_decoding.c:

    BEGIN 734
    table public.t: INSERT: id[integer]:1 "a b"[timestamp with time zone]:'2026-01-01 00:00:00+00' tags[text[]]:null
    table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 big[text]:unchanged-toast-datum
    table public.t: DELETE: id[integer]:2
    table public.t, public.u: TRUNCATE: restart_seqs cascade
    message: transactional: 1 prefix: p, sz: 5 content:hello
    COMMIT 734 (at 2026-01-01 00:00:00.123456+00)

Where it knows less or other than walrow delivers:
- nulls of old tuples are not printed: a column missing from Change.old is null or not part of the key;
- rows of partitions carry the partition's name: read(roots=True), the default, puts the root's in its place;
- stored generated columns are in it, which pgoutput does not publish before 18;
- it prints every table of the database: read(tables=...) keeps some, and counts seq over those;
- a DELETE or UPDATE whose old row the WAL does not have: the DELETE is left out here too, as no plugin sends it.
"""

import dataclasses
import datetime
import itertools
import re

from postgres import lsn_value
from wal import starts_of_records

_numbers = itertools.count(1)


class _Unchanged:
    """A TOASTed value that the change did not touch and the WAL does not have."""

    def __repr__(self):
        return "UNCHANGED"


UNCHANGED = _Unchanged()


@dataclasses.dataclass
class Change:
    schema: str
    table: str
    op: str  # I, U, D, T
    old: dict | None = None  # column: text, UNCHANGED; U: None if no old key came; nulls are not in it
    new: dict | None = None  # column: text, None (null), UNCHANGED; None for D and T
    types: dict = dataclasses.field(default_factory=dict)  # column: type, as format_type prints it
    flags: tuple = ()  # T: "restart_seqs", "cascade"
    seq: int = 0

    @property
    def name(self):
        return f"{self.schema}.{self.table}"


@dataclasses.dataclass
class Message:
    prefix: str
    content: str
    transactional: bool
    seq: int = 0  # changes of its transaction that came before it


@dataclasses.dataclass
class Transaction:
    xid: int
    changes: list = dataclasses.field(default_factory=list)
    messages: list = dataclasses.field(default_factory=list)
    commit_time: datetime.datetime | None = None
    commit_lsn: int = 0  # start of the commit record: walrow's _commit_lsn
    end_lsn: int = 0  # its end


class Oracle:
    def __init__(self, db):
        self.db = db
        self.slot = f"oracle_{db.name}_{next(_numbers)}"
        self.stray_messages = []  # non-transactional ones, all since the beginning
        db.sql("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", (self.slot,))

    def read(self, tables=None, roots=True):
        """Transactions committed since the last read that changed something.

        tables: keep only those with these "schema.table" names, roots already in their place
        """
        with self.db.connect() as connection:
            for setting in ("TimeZone = 'UTC'", "DateStyle = 'ISO'", "IntervalStyle = 'postgres'", "search_path = ''",
                            "extra_float_digits = 3", "bytea_output = 'hex'", "lc_monetary = 'C'"):  # fmt: skip
                connection.execute(f"SET {setting}")
            rows = connection.execute(
                "SELECT lsn::text, data FROM pg_logical_slot_peek_changes(%s, NULL, NULL, 'include-xids', '1',"
                " 'include-timestamp', '1', 'skip-empty-xacts', '0')",
                (self.slot,),
            ).fetchall()
            if not rows:
                return []
            # the commit record's start is in no plugin's output of the SQL interface
            ends = [lsn_value(lsn) for lsn, line in rows if line.startswith("COMMIT ")]
            starts = starts_of_records(connection, ends)
            root_of = self._roots(connection) if roots else {}
            connection.execute("SELECT pg_replication_slot_advance(%s, %s)", (self.slot, rows[-1][0]))

        transactions, current = [], None
        for lsn, line in rows:
            if line.startswith("BEGIN "):
                current = Transaction(xid=int(line.split()[1]))
            elif line.startswith("COMMIT "):
                current.commit_time = parse_commit_time(line)
                current.end_lsn = lsn_value(lsn)
                current.commit_lsn = starts[current.end_lsn]
                if current.changes or current.messages:
                    transactions.append(current)
                current = None
            elif line.startswith("message: "):
                message = parse_message(line)
                if message.transactional:
                    message.seq = len(current.changes)
                    current.messages.append(message)
                else:
                    self.stray_messages.append(message)
            else:
                for change in parse_changes(line):
                    change.schema, change.table = root_of.get((change.schema, change.table), (change.schema, change.table))
                    if tables is None or change.name in tables:
                        change.seq = len(current.changes)
                        current.changes.append(change)
        return transactions

    def changes(self, tables=None, roots=True):
        """The same, flat: (transaction, change) in the order of positions."""
        found = self.read(tables, roots)
        return [(transaction, change) for transaction in found for change in transaction.changes]

    def close(self):
        self.db.sql("SELECT pg_drop_replication_slot(%s)", (self.slot,))

    @staticmethod
    def _roots(connection):
        rows = connection.execute(
            "SELECT ln.nspname, l.relname, rn.nspname, r.relname"
            " FROM pg_class l JOIN pg_namespace ln ON ln.oid = l.relnamespace"
            " JOIN pg_class r ON r.oid = pg_partition_root(l.oid) JOIN pg_namespace rn ON rn.oid = r.relnamespace"
            " WHERE l.relispartition"
        )
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}


# ---- the grammar ------------------------------------------------------------------------------------------


class Cursor:
    """A place in a line."""

    def __init__(self, text, at=0):
        self.text = text
        self.at = at

    def done(self):
        return self.at >= len(self.text)

    def take(self, literal):
        """Step over literal if it is next; whether it was."""
        if self.text.startswith(literal, self.at):
            self.at += len(literal)
            return True
        return False

    def expect(self, literal):
        if not self.take(literal):
            raise ValueError(f"{literal!r} expected at {self.at}: {self.text[self.at:self.at + 60]!r} of {self.text!r}")

    def match(self, pattern):
        found = re.compile(pattern).match(self.text, self.at)
        if not found:
            raise ValueError(f"{pattern} expected at {self.at}: {self.text[self.at:self.at + 60]!r} of {self.text!r}")
        self.at = found.end()
        return found.group()

    def quoted(self, quote):
        """A quoted text without its quotes, doubled ones inside it halved."""
        self.expect(quote)
        parts = []
        while True:
            end = self.text.index(quote, self.at)
            parts.append(self.text[self.at : end])
            self.at = end + 1
            if not self.take(quote):
                return "".join(parts)
            parts.append(quote)


def read_identifier(cursor):
    """A name as quote_identifier prints it."""
    if cursor.text.startswith('"', cursor.at):
        return cursor.quoted('"')
    return cursor.match(r"[a-z_][a-z0-9_]*")


def read_qualified(cursor):
    schema = read_identifier(cursor)
    cursor.expect(".")
    return schema, read_identifier(cursor)


def read_type(cursor):
    """What stands between the brackets: integer, integer[], timestamp with time zone, public."odd]type" """
    start, depth = cursor.at, 0
    while True:
        char = cursor.text[cursor.at]
        if char == '"':
            cursor.quoted('"')
            continue
        if char == "]":
            if depth == 0:
                return cursor.text[start : cursor.at]
            depth -= 1
        elif char == "[":
            depth += 1
        cursor.at += 1


def read_value(cursor):
    """A literal as test_decoding's print_literal writes it."""
    if cursor.take("unchanged-toast-datum"):
        return UNCHANGED
    if cursor.take("null"):
        return None
    if cursor.take("B'"):  # bit strings
        cursor.at -= 1
        return cursor.quoted("'")
    if cursor.text.startswith("'", cursor.at):
        return cursor.quoted("'")
    if cursor.take("true"):  # as bool's output function has it
        return "t"
    if cursor.take("false"):
        return "f"
    return cursor.match(r"[^ ]+")  # numbers, NaN and infinities


def read_tuple(cursor, types):
    """Columns up to the line's end or to "new-tuple:"; None for "(no-tuple-data)" """
    if cursor.take(" (no-tuple-data)"):
        return None
    values = {}
    while not cursor.done() and not cursor.text.startswith(" new-tuple:", cursor.at):
        cursor.expect(" ")
        column = read_identifier(cursor)
        cursor.expect("[")
        types[column] = read_type(cursor)
        cursor.expect("]:")
        values[column] = read_value(cursor)
    return values


def parse_changes(line):
    """A "table ..." line: one change, as many as there are tables for TRUNCATE, none for a DELETE without old row."""
    cursor = Cursor(line)
    cursor.expect("table ")
    names = [read_qualified(cursor)]
    while cursor.take(", "):
        names.append(read_qualified(cursor))
    cursor.expect(": ")
    op = cursor.match("INSERT|UPDATE|DELETE|TRUNCATE")[0]
    cursor.expect(":")

    if op == "T":
        flags = () if cursor.take(" (no-flags)") else tuple(cursor.match(".*").split())
        return [Change(schema, table, op, flags=flags) for schema, table in names]

    change = Change(*names[0], op)
    if op == "U" and cursor.take(" old-key:"):
        change.old = read_tuple(cursor, change.types)
        cursor.expect(" new-tuple:")
    if op == "D":
        change.old = read_tuple(cursor, change.types)
    else:
        change.new = read_tuple(cursor, change.types)
    if not cursor.done():
        raise ValueError(f"more than expected at {cursor.at}: {line!r}")
    return [] if op == "D" and change.old is None else [change]


def parse_message(line):
    found = re.fullmatch(r"message: transactional: ([01]) prefix: (.*), sz: (\d+) content:(.*)", line, re.DOTALL)
    transactional, prefix, _, content = found.groups()
    return Message(prefix, content, transactional == "1")


def parse_commit_time(line):
    """COMMIT 734 (at 2026-01-01 00:00:00.123456+00)"""
    stamp = re.fullmatch(r"COMMIT \d+ \(at (.*)\+00\)", line).group(1)
    return datetime.datetime.fromisoformat(stamp).replace(tzinfo=datetime.timezone.utc)
