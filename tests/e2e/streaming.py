"""A walrow setup and its streams of one database, and what must come out of them.

    job.setup()                         # publication and slot, for every table of public
    db.sql("INSERT ...")
    job.stream()                        # everything up to now, into an ipc: folder
    job.rows("t")                       # what is in its files
"""

import os

import pytest

from postgres import server_version
from readers import read_ipc, read_jsonl
from values import CANNOT_HOLD, plain

PREFIXES = ("_op", "_commit_lsn", "_seq", "_xid", "_commit_time", "_unchanged", "_old")
SETTINGS = (
    "TimeZone = 'UTC'", "DateStyle = 'ISO'", "IntervalStyle = 'postgres'", "search_path = ''", "extra_float_digits = 3",
    "bytea_output = 'hex'", "lc_monetary = 'C'",
)  # fmt: skip


class Job:
    """One slot and one folder; a test that needs two makes two."""

    def __init__(self, db, walrow, folder, slot="walrow", tables="public.*", way="pgoutput"):
        self.db, self.walrow, self.slot, self.tables = db, walrow, f"{slot}_{db.name}", tables
        self.plugin = way if way in ("wal2arrow", "wal2json") else "pgoutput"
        self.encoding = ["--encoding", way] if way in ("binary", "text") else []
        self.folder = os.path.join(str(folder), slot)
        self.ipc, self.jsonl = os.path.join(self.folder, "ipc"), os.path.join(self.folder, "events.jsonl")
        os.makedirs(self.folder, exist_ok=True)

    def arguments(self, command):
        return [command, "-d", self.db.url(), "--tables", self.tables, "-S", self.slot, "--publication", self.slot]

    def setup(self, *args):
        return self.walrow(*self.arguments("setup"), "--plugin", self.plugin, *args, code=0)

    def arguments_of_stream(self, *args, to=None, until="now", snapshot="never"):
        sinks = [f"ipc:{self.ipc}"] if to is None else to
        words = [*self.arguments("stream"), "--plugin", self.plugin, "--snapshot", snapshot, *self.encoding, *args]
        words += ["--until", until] if until else []
        return words + [word for sink in sinks for word in ("--to", sink)]

    def stream(self, *args, code=0, timeout=120, env=None, **kwargs):
        """Run to its end: up to now, without a snapshot and into the ipc: folder unless told otherwise."""
        return self.walrow(*self.arguments_of_stream(*args, **kwargs), code=code, timeout=timeout, env=env)

    def start(self, *args, until=None, env=None, **kwargs):
        """The same in the background, without an end."""
        return self.walrow.start(*self.arguments_of_stream(*args, until=until, **kwargs), env=env)

    def snapshot(self, *args, **kwargs):
        """setup and the existing rows"""
        return self.stream(*args, snapshot="initial", **kwargs)

    @property
    def lake(self):
        return read_ipc(self.ipc)

    def files(self, table):
        return self.lake.get(qualified(table), [])

    def table(self, table):
        return self.lake.table(qualified(table))

    def rows(self, table):
        return self.lake.rows(qualified(table))

    def ops(self, table):
        return "".join(op for file in self.files(table) for op in file.table.column("_op").to_pylist())

    def events(self, *kinds, exact=False):
        events = read_jsonl(self.jsonl, exact) if os.path.exists(self.jsonl) else []
        return [event for event in events if not kinds or event["event_type"] in kinds]

    def dead_letters(self):
        path = os.path.join(self.ipc, "_dead_letters.jsonl")
        return read_jsonl(path) if os.path.exists(path) else []


PGOUTPUT_HAS_MESSAGES = server_version() >= 14


def known_ways(*names):
    """Those that the server has: before 14 pgoutput sends text only."""
    return tuple(name for name in names if name != "binary" or server_version() >= 14)


def ways(*names):
    """A module's, or a test's, database and job once for each: see the fixture "way"."""
    return pytest.mark.parametrize("way", known_ways(*names), indirect=True)


def qualified(table):
    return table if "." in table else f"public.{table}"


def own_columns(table):
    """An Arrow table without the seven columns that walrow puts before the table's own."""
    return table.select(table.schema.names[len(PREFIXES) :])


def own_values(row):
    return {name: value for name, value in row.items() if name not in PREFIXES}


# ---- the source ---------------------------------------------------------------------------------------------


def server_texts(db, query):
    """A query's rows as the server's output functions print them: [{column: text or None}]"""
    with db.connect() as connection:
        for setting in SETTINGS:
            connection.execute(f"SET {setting}")
        result = connection.execute(query).pgresult  # the simple protocol answers in text
        names = [result.fname(i).decode() for i in range(result.nfields)]
        value = lambda r, c: v if (v := result.get_value(r, c)) is None else v.decode()  # noqa: E731
        return [{n: value(r, c) for c, n in enumerate(names)} for r in range(result.ntuples)]


def expected_column(texts, kind):
    """Plain values of what the server prints; null where the Arrow type cannot hold it."""
    values = [plain(text, kind) for text in texts]
    return [None if value == CANNOT_HOLD else value for value in values]


# ---- the copy -----------------------------------------------------------------------------------------------


def replay(changes, key=("id",)):
    """The table that is left after (op, new, old, unchanged) were applied in order: {key: row}.

    Strict: an insert of what is there, an update or delete of what is not, is a failure.
    """
    table = {}
    for op, new, old, unchanged in changes:
        if op == "T":
            table.clear()
            continue
        now = tuple(new[column] for column in key)
        if op in "IR":
            assert now not in table, f"{op} of {now}, which is there"
            table[now] = dict(new)
        elif op == "D":
            assert now in table, f"D of {now}, which is not there"
            del table[now]
        else:
            before = tuple(old[column] for column in key) if old and all(old[c] is not None for c in key) else now
            assert before in table, f"U of {before}, which is not there"
            row = table.pop(before)
            table[now] = {**new, **{column: row[column] for column in unchanged or ()}}
    return table


def replay_rows(rows, key=("id",)):
    """The same of rows of an ipc: file, snapshot chunks first."""
    rows = sorted(rows, key=lambda row: row["_op"] != "R")
    return replay([(r["_op"], own_values(r), r["_old"], r["_unchanged"]) for r in rows], key)


def source_rows(db, table, key=("id",)):
    """The source's rows as replay() gives them; for tables of types that psycopg and pyarrow read alike."""
    with db.connect() as connection:
        cursor = connection.execute(f"SELECT * FROM {table}")
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor]
    return {tuple(row[column] for column in key): row for row in rows}


def positions(rows):
    """{commit LSN: [seq, ...]} in the order of the rows; snapshot rows have none."""
    found = {}
    for row in rows:
        if row["_op"] != "R":
            found.setdefault(row["_commit_lsn"], []).append(row["_seq"])
    return found


# ---- bits ---------------------------------------------------------------------------------------------------


def differences(left, right):
    """Names of columns of two Arrow tables of one batch each that differ in type, metadata or any bit."""
    assert left.schema.names == right.schema.names
    return [
        name
        for name in left.schema.names
        if not left.schema.field(name).equals(right.schema.field(name), check_metadata=True)
        or bits(left.column(name)) != bits(right.column(name))
    ]


def bits(column):
    assert column.num_chunks == 1, "one batch each, please"
    return [None if buffer is None else buffer.to_pybytes() for buffer in column.chunk(0).buffers()]


