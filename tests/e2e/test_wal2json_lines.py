"""jsonl:FILE?format=wal2json-v2, byte for byte what the real wal2json prints of the same changes, from pgoutput and from
wal2arrow. The differences that remain are those of docs/wal2json.md, and each is pinned here.
"""

import json
import os

import pytest
from psycopg import sql

from conftest import new_walrow
from edges import create_types, edges_of
from equality import parse
from plugin import needs_newer_wal2json, needs_wal2json
from scenarios import SCENARIOS, leave
from streaming import SETTINGS, Job
from test_equality import SPILL, write_all
from test_wal2json import play

pytestmark = [needs_wal2json, needs_newer_wal2json]

ALL = {"include-xids": "on", "include-timestamp": "on", "include-type-oids": "on"}


class Mirror:
    """A slot of the real wal2json, and slots of the other plugins, that watch the same changes.

    mirror = Mirror(db, walrow, folder)
    db.sql("INSERT ...")
    mirror.real(), mirror.ours()       # wal2json's lines, [pgoutput's, wal2arrow's]
    """

    def __init__(self, db, walrow, folder, tables="public.*", options=ALL, arguments=()):
        self.db, self.slot, self.options, self.arguments = db, f"real_{db.name}", options, arguments
        self.jobs = [Job(db, walrow, folder, way, tables, way) for way in ("pgoutput", "wal2arrow")]
        for job in self.jobs:
            job.setup(*arguments)
        db.sql(f"SELECT pg_create_logical_replication_slot('{self.slot}', 'wal2json')")

    def real(self):
        """In walrow's session settings, without the transactions in which nothing happened: walrow has none of those."""
        options = [word for pair in {"format-version": "2", **self.options}.items() for word in pair]
        places = ", ".join(["%s"] * len(options))
        with self.db.connect() as connection:
            for setting in SETTINGS:
                connection.execute(f"SET {setting}")
            rows = connection.execute(f"SELECT data FROM pg_logical_slot_get_changes('{self.slot}', NULL, NULL, {places})", options)
            return without_empty([data.encode() for (data,) in rows])

    def ours(self, **kwargs):
        found = []
        for job in self.jobs:
            job.stream(*self.arguments, to=[self.sink(job)], **kwargs)
            with open(job.jsonl, "rb") as file:
                found.append(file.read().splitlines())
        return found

    def sink(self, job):
        options = {"format": "wal2json-v2", **self.options}
        return f"jsonl:{job.jsonl}?" + "&".join(f"{name}={value}" for name, value in options.items())


def without_empty(lines):
    kept = []
    for line in lines:
        if line.startswith(b'{"action":"C"') and kept and kept[-1].startswith(b'{"action":"B"'):
            kept.pop()
        else:
            kept.append(line)
    return kept


@pytest.fixture
def db(arrow_server):
    database = arrow_server.create_database("lines")
    yield database
    database.drop()


@pytest.fixture
def mirror(db, walrow, tmp_path):
    return lambda **kwargs: Mirror(db, walrow, tmp_path, **kwargs)


# ---- the workloads of test_equality.py ----------------------------------------------------------------------


def test_every_type(db, mirror):
    """NaN, infinities and values that no Arrow type holds, too."""
    create_types(db)
    kinds = {f"t{i}": (kind, texts) for i, (kind, texts) in enumerate(edges_of(db).items())}
    for table, (kind, _) in kinds.items():
        db.sql(f"CREATE TABLE {table} (id serial PRIMARY KEY, v {kind}, w {kind}); ALTER TABLE {table} REPLICA IDENTITY FULL")
    watching = mirror()
    with db.connect() as connection:
        for table, (kind, texts) in kinds.items():
            write_all(connection, table, kind, texts)
    real = watching.real()
    assert len(real) > 3000
    for lines in watching.ours():
        assert lines == real


@pytest.fixture(scope="module")
def scenarios(arrow_server, tmp_path_factory):
    db = arrow_server.create_database("lines_scenarios")
    db.sql(SPILL.format(db.name))
    create_types(db)
    inserts_only = {f"{one.name}.{table}" for one in SCENARIOS.values() for table in one.inserts_only}
    with db.connect() as connection:
        for scenario in SCENARIOS.values():
            connection.execute(sql.SQL("CREATE SCHEMA {0}; SET search_path = {0}, zoo").format(sql.Identifier(scenario.name)))
            connection.execute(scenario.before)
    with new_walrow(tmp_path_factory.mktemp("scenarios")) as walrow:
        mirror = Mirror(db, walrow, walrow.folder, "*.*", arguments=("--insert-only", ",".join(inserts_only)))
        for scenario in SCENARIOS.values():
            play(db, scenario, lambda: None)
        yield mirror.real(), *mirror.ours()
    leave(db)


def mark_of(schema):
    return f',"schema":{json.dumps(schema, ensure_ascii=False)},"table":'.encode()


def of_schema(lines, name):
    return [line for line in lines if mark_of(name) in line]


PARTITIONED = tuple(name for name in SCENARIOS if name.startswith("partitions"))
FILLED_IN = ("toast_full", "toast_in_key", "toast_of_odd_types", "megabytes")
DIFFERENT = (*PARTITIONED, *FILLED_IN, "identity_nothing", "kinds_of_insert")


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in (*DIFFERENT, "messages")])
def test_scenario(scenarios, name):
    real, *others = (of_schema(lines, name) for lines in scenarios)
    assert real
    for lines in others:
        assert lines == real


def test_begins_commits_and_messages(scenarios):
    """Messages have no schema. Of transactions only those are missing that are in no publication, see below."""
    unseen = [mark_of(name) for name in PARTITIONED] + [mark_of("kinds_of_insert") + b'"seen"']

    def frame(lines):
        kept = [line for line in lines if not any(mark in line for mark in unseen)]
        return [line for line in without_empty(kept) if b',"schema":' not in line]

    real, *others = (frame(lines) for lines in scenarios)
    assert any(b'"content":"two\\nlines \\"quoted\\" ' in line for line in real)
    for lines in others:
        assert lines == real


# ---- the differences that remain ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILLED_IN)
def test_values_that_were_not_sent_again_are_filled_in_from_the_old_row(scenarios, name):
    """wal2json leaves them out of columns, and has them in identity all the same."""
    real, *others = ([parse(line) for line in of_schema(lines, name)] for lines in scenarios)
    for lines in others:
        filled = 0
        for theirs, ours in zip(real, lines, strict=True):
            sent = {column["name"] for column in theirs.get("columns", ())}
            more = [column for column in ours.get("columns", ()) if column["name"] not in sent]
            assert all(column in ours["identity"] for column in more)
            filled += len(more)
            if "columns" in ours:
                ours["columns"] = [column for column in ours["columns"] if column not in more]
            assert ours == theirs
        assert filled > 0


def test_partitions_have_the_names_of_their_roots(scenarios):
    """And the order of their columns; what is sent of a leaf alone, its TRUNCATE, is not."""
    real, *others = ([parse(line) for line in of_schema(lines, "partitions")] for lines in scenarios)
    assert {line["table"] for line in real} > {"low", "high", "deeper"}
    named = [line for line in real if line["action"] == "I"]
    for lines in others:
        assert "low" not in {line["table"] for line in lines}
        rows = [line for line in lines if line["action"] == "I"]
        assert [as_set(line["columns"]) for line in rows] == [as_set(line["columns"]) for line in named]


def as_set(columns):
    return {(column["name"], column["value"]) for column in columns}


def test_a_table_that_only_publishes_inserts_is_not_truncated(scenarios):
    real, *others = (of_schema(lines, "identity_nothing") for lines in scenarios)
    inserts = [line for line in real if not line.startswith(b'{"action":"T"')]
    assert len(inserts) < len(real)
    for lines in others:
        assert lines == inserts


def test_generated_columns_and_materialized_views_are_not_sent(scenarios):
    real, *others = ([parse(line) for line in of_schema(lines, "kinds_of_insert")] for lines in scenarios)
    published = [line for line in real if line["table"] != "seen"]
    generated = 0
    for line in published:
        kept = [column for column in line.get("columns", ()) if column["name"] != "g"]
        if "columns" in line:
            generated += len(line["columns"]) - len(kept)
            line["columns"] = kept
    assert generated > 0
    for lines in others:
        assert lines == published


def test_a_type_whose_name_needs_quotes(db, mirror):
    """wal2json prints some as they are: that is JSON for "char" and for "Mood", and up to 2.6 none for "Odd".mood, which is ours."""
    db.sql("""CREATE SCHEMA "Odd"; CREATE TYPE "Odd".mood AS ENUM ('sad'); CREATE TABLE t (id "char" PRIMARY KEY, m "Odd".mood, ms "Odd".mood[])""")
    watching = mirror()
    db.sql("INSERT INTO t VALUES ('a', 'sad', '{sad}')")
    real = watching.real()
    assert b'"type":"\\"char\\""' not in real[1] and b'"type":"char"' in real[1]
    assert b'"type":"Odd".mood,' in real[1] or b'"type":"\\"Odd\\".mood",' in real[1]
    for lines in watching.ours():
        assert lines == [line.replace(b'"type":"Odd".mood,', b'"type":"\\"Odd\\".mood",') for line in real]


# ---- its options --------------------------------------------------------------------------------------------

SETS = {
    "none": {},
    "bare": {"include-transaction": "off", "include-schemas": "off", "include-types": "off"},
    "without effect": {"include-typmod": "off", "pretty-print": "1", "write-in-chunks": "1", "include-timestamp": "0"},
    "actions": {"actions": "update,delete", "include-transaction": "f"},
    "prefixes": {"add-msg-prefixes": "a,b", "filter-msg-prefixes": "b,c"},
}


@pytest.mark.parametrize("name", SETS)
def test_options(db, mirror, name):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, n numeric(8,2), v varchar(3)); CREATE TABLE u (id int PRIMARY KEY)")
    watching = mirror(options=SETS[name])
    db.sql("INSERT INTO t VALUES (1, 1.5, 'a'); UPDATE t SET id = 2; UPDATE t SET n = 7; DELETE FROM t; INSERT INTO u VALUES (7)")
    db.sql("TRUNCATE t, u")
    for prefix in "abc":
        db.sql(f"SELECT pg_logical_emit_message(true, '{prefix}', 'in'), pg_logical_emit_message(false, '{prefix}', 'out')")
    real = watching.real()
    assert len(real) > 2
    for lines in watching.ours():
        assert lines == real


REFUSED = ("lsn", "origin", "pk", "default", "not-null", "column-positions", "domain-data-type")


@pytest.mark.parametrize("option", [f"include-{name}" for name in REFUSED])
def test_what_a_batch_cannot_answer_is_refused(walrow, option):
    result = walrow("stream", "-d", "host=nowhere", "--to", f"jsonl:-?format=wal2json-v2&{option}=on")
    assert result.code == 2 and f"{option} cannot be answered: a batch" in result.err


def test_a_snapshot_s_rows_are_inserts_outside_of_transactions(db, mirror):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    watching = mirror(options={"include-xids": "on"})
    columns = b'"columns":[{"name":"id","type":"integer","value":1},{"name":"v","type":"text","value":%s}]'
    for lines in watching.ours(snapshot="initial"):
        assert lines[0] == b'{"action":"I","xid":null,"schema":"public","table":"t",' + columns % b'"a"' + b"}"


# ---- the example of wal2json's own documentation -------------------------------------------------------------

EXAMPLE = (
    "BEGIN", "INSERT INTO table3_with_pk (b, c) VALUES('Backup and Restore', now())", "INSERT INTO table3_with_pk (b, c) VALUES('Tuning', now())",
    "INSERT INTO table3_with_pk (b, c) VALUES('Replication', now())",
    "SELECT pg_logical_emit_message(true, 'wal2json', 'this message will be delivered')",
    "SELECT pg_logical_emit_message(true, 'pgoutput', 'this message will be filtered')",
    "DELETE FROM table3_with_pk WHERE a < 3",
    "SELECT pg_logical_emit_message(false, 'wal2json', 'this non-transactional message will be delivered even if you rollback the transaction')",
    "INSERT INTO table3_without_pk (b, c) VALUES(2.34, 'Tapir')", "UPDATE table3_without_pk SET c = 'Anta' WHERE c = 'Tapir'", "COMMIT",
)  # fmt: skip
WITH_PK = '"schema":"public","table":"table3_with_pk",'
A = '{{"name":"a","type":"integer","value":{}}}'
B = '{{"name":"b","type":"character varying(30)","value":"{}"}}'
C = '{"name":"c","type":"timestamp without time zone","value":"NOW"}'
DOCUMENTED = [
    '{"action":"M","transactional":false,"prefix":"wal2json","content":"this non-transactional message will be delivered even if you rollback the transaction"}',
    '{"action":"B"}',
    *(f'{{"action":"I",{WITH_PK}"columns":[{A.format(i)},{B.format(b)},{C}]}}' for i, b in enumerate(("Backup and Restore", "Tuning", "Replication"), 1)),
    '{"action":"M","transactional":true,"prefix":"wal2json","content":"this message will be delivered"}',
    *(f'{{"action":"D",{WITH_PK}"identity":[{A.format(i)},{C}]}}' for i in (1, 2)),
    '{"action":"I","schema":"public","table":"table3_without_pk","columns":[{"name":"a","type":"integer","value":1},'
    '{"name":"b","type":"numeric(5,2)","value":2.34},{"name":"c","type":"text","value":"Tapir"}]}',
    '{"action":"C"}',
]


def test_the_example_of_the_documentation(db, mirror):
    db.sql("CREATE TABLE table3_with_pk (a SERIAL, b VARCHAR(30), c TIMESTAMP NOT NULL, PRIMARY KEY(a, c));"
           "CREATE TABLE table3_without_pk (a SERIAL, b NUMERIC(5,2), c TEXT)")  # fmt: skip
    watching = mirror(options={"add-msg-prefixes": "wal2json"}, arguments=("--insert-only", "public.table3_without_pk"))
    with db.connect() as connection:
        for step in EXAMPLE:
            connection.execute(step)
    ((now,),) = db.sql("SELECT c::text FROM table3_with_pk")
    documented = [line.replace("NOW", now).encode() for line in DOCUMENTED]
    assert watching.real() == documented
    for lines in watching.ours():
        assert lines == documented


# ---- exactly once --------------------------------------------------------------------------------------------


def test_a_file_goes_on_where_it_was_and_keeps_its_format(db, mirror):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    watching = mirror()
    db.sql("INSERT INTO t VALUES (1)")
    watching.ours()
    job = watching.jobs[0]
    with open(job.jsonl, "ab") as file:
        file.write(b'{"action":"B","xid":')  # what a crash leaves
    db.sql("INSERT INTO t VALUES (2)")
    real = watching.real()
    for lines in watching.ours():
        assert lines == real
    refused = job.stream(to=[f"jsonl:{job.jsonl}"], code=10)
    assert "wal2json-v2" in refused.err and os.path.getsize(job.jsonl) > 0

