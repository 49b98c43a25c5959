"""Whether several sources say the same of one workload, bit for bit.

    watch = Watch(db, walrow, folder)
    watch.setup()                      # a slot for each source
    db.sql("INSERT ...")               # the workload
    watch.stream()                     # each of them, up to now
    assert watch.differences() == []

A difference says table, epoch, column, row and both values. What is compared (DESIGN 3): for each table and epoch
the concatenation of all batches, in the order of positions, schema with all metadata and every buffer; the files of
the dead letters, line for line once they are in order; the events of jsonl:, byte for byte.
"""

import copy
import dataclasses
import functools
import json
import os

import pyarrow as pa

import bits
from plugin import create_extension, drop_extension
from postgres import lsn_text
from readers import read_ipc
from streaming import Job, known_ways
from values import plain_column


@dataclasses.dataclass(frozen=True)
class Source:
    name: str
    plugin: str
    stream: tuple = ()  # arguments of stream alone
    says: str = ""  # in its log
    extension: bool = False  # wal2arrow's is in the database when it streams


TEXT = Source("text", "pgoutput", ("--encoding", "text"))
BINARY = Source("binary", "pgoutput", ("--encoding", "binary"))
WAL2ARROW = Source("wal2arrow", "wal2arrow")
WAL2JSON = Source("wal2json", "wal2json")  # says less: test_wal2json.py
SOURCES = tuple(source for source in (TEXT, BINARY, WAL2ARROW) if known_ways(source.name))

PULL = ("--transport", "pull")
BY_FUNCTION, BY_PROCEDURE = "pulling with pg_logical_slot_get_", "pulling with CALL wal2arrow.stream"
PULLED = (
    Source("pulled", "pgoutput", PULL, BY_FUNCTION), Source("wal2arrow_pulled", "wal2arrow", PULL, BY_FUNCTION),
    Source("called", "pgoutput", PULL, BY_PROCEDURE, extension=True),
    Source("wal2arrow_called", "wal2arrow", PULL, BY_PROCEDURE, extension=True),
)  # fmt: skip
WAL2JSON_PULLED = (
    Source("wal2json_pulled", "wal2json", PULL, BY_FUNCTION), Source("wal2json_called", "wal2json", PULL, BY_PROCEDURE, extension=True),
)  # fmt: skip
SMALL_WINDOWS = {"WALROW_PULL_WINDOW": "100000"}


class Watch:
    """Slots of several sources that see the same workload. options: of setup and stream."""

    def __init__(self, db, walrow, folder, tables="public.*", sources=SOURCES, options=()):
        self.db, self.sources, self.options = db, sources, options
        self.jobs = {source: Job(db, walrow, folder, source.name, tables, source.plugin) for source in sources}

    def setup(self):
        for source, job in self.jobs.items():
            job.setup(*self.options)
            slots = dict(self.db.server.sql("SELECT slot_name::text, plugin::text FROM pg_replication_slots"))
            assert slots[job.slot] == source.plugin

    def stream(self, *args, timeout=120):
        """Everything up to now, all sources at the same time, those that need the extension after the others."""
        later = [source for source in self.sources if source.extension]
        self._stream([source for source in self.sources if source not in later], args, timeout)
        if later:
            create_extension(self.db)
            self._stream(later, args, timeout)
            drop_extension(self.db)

    def _stream(self, sources, args, timeout):
        runs = {source: self._start(source, self.jobs[source], args) for source in sources}
        for source, run in runs.items():
            done = run.wait(timeout)
            assert done.code == 0, f"{source.name}: {done.code}\n{done.err}"
            assert source.says in done.err
            assert "pulling" not in source.says or "changes are pushed" not in done.err

    def _start(self, source, job, args):
        to = [f"ipc:{job.ipc}", f"jsonl:{job.jsonl}"]
        return job.start(*source.stream, *self.options, *args, until="now", to=to, env=SMALL_WINDOWS)

    def read(self):
        """What each source has delivered."""
        return [Delivery(source.name, job) for source, job in self.jobs.items()]

    def differences(self):
        first, *others = self.read()
        return [*first.flaws(), *(what for other in others for what in (*other.flaws(), *differences(first, other)))]


class Delivery:
    """The files of one source: {(schema.table, relid, epoch): one pyarrow.Table of one chunk}, and what lies beside them."""

    def __init__(self, name, job):
        self.name = name
        self.batches = {}
        self.paths = {}
        for table, files in job.lake.items():
            for file in files:
                key = (table, file.metadata["walrow.relid"], file.metadata["walrow.epoch"])
                self.batches.setdefault(key, []).append(file.table)
                self.paths.setdefault(key, []).append(file.path)
        self.tables = {key: join(batches) for key, batches in self.batches.items()}
        self.dead_letters = sorted(lines(os.path.join(job.ipc, "_dead_letters.jsonl")))
        self.events = lines(job.jsonl)

    def of_schema(self, schema):
        """The same of one schema alone."""
        part = copy.copy(self)
        for name in ("batches", "paths", "tables"):
            setattr(part, name, {key: value for key, value in getattr(self, name).items() if key[0].startswith(f"{schema}.")})
        part.dead_letters, part.events = ([line for of, line in lines if of == schema] for lines in self._schemas)
        return part

    @functools.cached_property
    def _schemas(self):
        """[(schema, line)] of dead letters and events"""
        return [[(parse(line).get("schema"), line) for line in lines] for lines in (self.dead_letters, self.events)]

    def flaws(self):
        """Where a batch as it was written is not canonical."""
        found = [(key, flaw) for key, paths in self.paths.items() for path in paths for flaw in bits.needless_validity(path)]
        found += [
            (key, flaw)
            for key, tables in self.batches.items()
            for table in tables
            for batch in table.to_batches()
            for column, name in zip(batch.columns, batch.schema.names)
            for flaw in bits.flaws(column, name)
        ]
        return [f"{self.name}: {describe(key)}, {flaw}" for key, flaw in found]


def join(tables):
    schemas = {table.schema.serialize().to_pybytes() for table in tables}
    assert len(schemas) == 1, f"schemas of one epoch differ: {[table.schema for table in tables]}"
    return pa.concat_tables(tables).combine_chunks()


def lines(path):
    if not os.path.exists(path):
        return []
    with open(path, "rb") as file:
        return file.read().splitlines()


def parse(line):
    return json.loads(line, parse_int=str, parse_float=str)  # numerics may have more digits than Python reads


def describe(key):
    table, relid, epoch = key
    return f"{table} (relid {relid}) epoch {epoch}"


# ---- two deliveries -----------------------------------------------------------------------------------------


def differences(left, right):
    """What differs, as lines for people; [] when nothing does."""
    found = [f"{describe(key)} is only in {left.name}" for key in left.tables.keys() - right.tables.keys()]
    found += [f"{describe(key)} is only in {right.name}" for key in right.tables.keys() - left.tables.keys()]
    for key in left.tables.keys() & right.tables.keys():
        found += [f"{describe(key)}, {what}" for what in table_differences(left, right, key)]
    found += lines_differ("dead letter", left, right, left.dead_letters, right.dead_letters)
    found += lines_differ("event", left, right, left.events, right.events)
    return sorted(found)


def table_differences(left, right, key):
    a, b = left.tables[key], right.tables[key]
    if a.schema.serialize() != b.schema.serialize():
        both = [table.schema.to_string(show_schema_metadata=True, truncate_metadata=False) for table in (a, b)]
        yield f"schema\n{left.name}:\n{both[0]}\n{right.name}:\n{both[1]}"
        return
    if positions(a) != positions(b):
        yield position_difference(left, right, positions(a), positions(b))
        return
    for i, name in enumerate(a.schema.names):
        one, other = column_of(a, i), column_of(b, i)
        if bits.parts(one) != bits.parts(other):
            yield f"column {name}, {column_difference(left, right, one, other, positions(a))}"


def column_of(table, i):
    column = table.column(i)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def positions(table):
    """(commit LSN, seq) of each row; the second and third of walrow's own columns, whatever they are called."""
    return list(zip(table.column(1).to_pylist(), table.column(2).to_pylist()))


def position_difference(left, right, a, b):
    for name, mine, others in ((left.name, a, b), (right.name, b, a)):
        alone = sorted(set(mine) - set(others))
        if alone:
            return f"{len(alone)} of {len(mine)} rows are only in {name}, the first at {position_text(alone[0])}"
    return f"the same positions in another order, or twice: {left.name} {a}, {right.name} {b}"


def position_text(position):
    lsn, seq = position
    return f"{lsn_text(lsn)}, {seq}"


def column_difference(left, right, a, b, places):
    for row, place in enumerate(places):
        one, other = bits.cell(a, row), bits.cell(b, row)
        if one != other:
            both = (f"{side.name} {show(column, row)} {only(cell, rest)}"
                    for side, column, cell, rest in ((left, a, one, other), (right, b, other, one)))  # fmt: skip
            return f"row {row} at {position_text(place)}: " + ", ".join(both)
    one, other = bits.parts(a), bits.parts(b)
    return f"no row, but its buffers: {left.name} {only(one, other)}, {right.name} {only(other, one)}"


def show(column, row):
    text = repr(plain_column(pa.concat_arrays([column.slice(row, 1), column.slice(0, 0)]))[0])
    return text if len(text) < 200 else f"{text[:200]}... of {len(text)}"


def only(mine, others):
    """The buffers that are not the other's too, in hexadecimal."""
    texts = [f"{path} {part} {value[:64].hex()}" for path, part, value in mine if (path, part, value) not in others]
    return f"[{'; '.join(text.strip() for text in texts)}]"


def lines_differ(what, left, right, a, b):
    for i, (one, other) in enumerate(zip(a, b)):
        if one != other:
            yield f"{what} {i}: {left.name} {one.decode()[:2000]}, {right.name} {other.decode()[:2000]}"
            return
    if len(a) != len(b):
        more, rest = (left, a[len(b) :]) if len(a) > len(b) else (right, b[len(a) :])
        yield f"{len(rest)} {what}s more in {more.name}, the first {rest[0].decode()[:2000]}"
