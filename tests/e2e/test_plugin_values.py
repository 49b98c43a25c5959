"""wal2arrow's values are those of walrow over pgoutput, bit for bit: every type, at its edges, in every encoding."""

import base64
import contextlib
import os
import sys

import psycopg
import pytest
from psycopg import sql as pgsql

from conftest import ROOT
from frames import DeadLetter, read_frames
from plugin import plugin_conf
from postgres import Postgres
from streaming import SETTINGS, Job, differences

sys.path.append(os.path.join(ROOT, "tests", "data"))
from record_values import OPTIONAL, OPTIONAL_VALUES, SETUP, VALUES  # noqa: E402


@pytest.fixture(scope="module")
def server():
    """One that has the plugin."""
    with Postgres(conf=plugin_conf()) as postgres:
        yield postgres


@pytest.fixture
def new_db(server):
    """new_db("name", "EUC_JP"): a database in an encoding."""
    made = []

    def new(name, encoding):
        made.append(server.create_database(name, f"ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"))
        return made[-1]

    yield new
    for database in made:
        database.drop()


class Both:
    """One workload as walrow sees it through pgoutput, in text, and as wal2arrow says it."""

    def __init__(self, db, walrow, folder, encoding="UTF8", types=()):
        self.db, self.encoding, self.types = db, encoding, types
        self.job = Job(db, walrow, folder)
        self.slot = f"frames_{db.name}"
        self.job.setup()
        db.sql("SELECT pg_create_logical_replication_slot(%s, 'wal2arrow')", (self.slot,))

    def read(self, settings=SETTINGS):
        self.job.stream("--encoding", "text", *(word for column in self.types for word in ("--type", f"{column}=utf8")))
        options = {"publication_names": self.job.slot, "max_bytes": "64MB"}
        if self.types:
            options["types"] = ",".join(f"{column}=utf8" for column in self.types)
        with self.db.connect() as connection:
            connection.execute(f"SET client_encoding = '{self.encoding}'")
            for setting in settings:
                connection.execute(f"SET {setting}")
            self.frames = read_frames(connection, self.slot, **options)
        return self

    def differences(self):
        """What differs: schemas, columns, dead letters."""
        found = []
        for name, files in self.job.lake.items():
            (file,), frames = files, self.frames.table(name.partition(".")[2])
            if not frames.schema.equals(file.table.schema, check_metadata=True):
                found.append((name, frames.schema, file.table.schema))
            found += [(name, column) for column in differences(file.table, frames)]
        if self.frames.dead_letters != self.expected_letters():
            found.append((self.frames.dead_letters, self.expected_letters()))
        if len(self.job.lake) != len(self.frames.batches):
            found.append((sorted(self.job.lake), sorted(self.frames.batches)))
        return found

    def expected_letters(self):
        return [
            DeadLetter(
                one["table"], one["column"], one["seq"], one["op"], one["tuple"], one["reason"],
                base64.b64decode(one["base64"]) if "base64" in one else one["text"].encode(),
            )
            for one in self.job.dead_letters()
        ]  # fmt: skip


@pytest.fixture
def both(walrow, tmp_path):
    return lambda db, **kwargs: Both(db, walrow, tmp_path, **kwargs)


# ---- every value --------------------------------------------------------------------------------------------


def make_zoo(db):
    """A table for each type of tests/data/record_values.py that the server knows; {table: type}"""
    with db.connect() as connection:
        connection.execute(SETUP)
        for statement in OPTIONAL:
            connection.execute(statement)
        tables = {}
        for i, kind in enumerate(VALUES):
            with contextlib.suppress(psycopg.errors.UndefinedObject, psycopg.errors.InvalidParameterValue):
                connection.execute(f"CREATE TABLE t{i} (id serial PRIMARY KEY, v {kind})")
                tables[f"t{i}"] = kind
    return tables


def fill_zoo(db, tables):
    """Each value that its type takes, all in one transaction; how many there are."""
    count = 0
    with db.connect(autocommit=False, client_encoding="UTF8") as connection:
        for setting in SETTINGS:
            connection.execute(f"SET {setting}")
        for name, kind in tables.items():
            for value in [*VALUES[kind], *OPTIONAL_VALUES.get(kind, []), "NULL"]:
                expression, _, source = value.partition(" FROM ")
                try:
                    with connection.transaction():
                        connection.execute(
                            f"INSERT INTO public.{name} (v) SELECT ({expression})::{kind}" + (f" FROM {source}" if source else "")
                        )
                        count += 1
                except psycopg.DataError:
                    pass  # of other precisions, or not in this encoding
    return count


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1", "EUC_JP", "SQL_ASCII"])
def test_every_value_is_the_clients_bit_for_bit(new_db, both, encoding):
    db = new_db(f"zoo_{encoding.lower()}", encoding)
    tables = make_zoo(db)
    seen = both(db, encoding="SQL_ASCII" if encoding == "SQL_ASCII" else "UTF8")
    assert fill_zoo(db, tables) > 1000
    assert seen.read().differences() == []
    assert len(seen.frames.batches) == len(tables)


OTHER_SETTINGS = (
    "DateStyle = 'German'", "TimeZone = 'Asia/Tokyo'", "IntervalStyle = 'iso_8601'", "extra_float_digits = -5", "bytea_output = 'escape'",
    "search_path = 'public, pg_catalog'",
)  # fmt: skip


def test_what_arrow_has_a_type_for_depends_on_no_setting(db, both):
    db.sql("CREATE DOMAIN public.date AS timestamptz; CREATE DOMAIN public.text AS float8; CREATE TYPE pair AS (at timestamptz, f float8)")
    db.sql("CREATE TABLE t (id int PRIMARY KEY, d pg_catalog.date, pd public.date, ts timestamp, tz timestamptz, i interval, f float8,"
           " x pg_catalog.text, px public.text, b bytea, a timestamptz[], p pair, pa public.date[], c \"char\"[])")  # fmt: skip
    seen = both(db)
    db.sql("INSERT INTO t VALUES (1, '2024-02-03', '2024-02-03 04:05:06+01', '2024-02-03 04:05:06', '2024-02-03 04:05:06.7+03', '1 mon -2 days',"
           " 0.1, 'x', 0.2, '\\xff5c', '{2024-02-03 04:05:06+00,-infinity}', ROW('2024-02-03 04:05:06+00', 0.3),"
           " '{2024-02-03 04:05:06+00}', '{a,NULL}')")  # fmt: skip
    assert seen.read(settings=OTHER_SETTINGS).differences() == []


def test_text_is_utf8_whatever_the_session_asks_for(db, both):
    db.sql("CREATE EXTENSION hstore; CREATE TABLE t (id int PRIMARY KEY, t text, h hstore, a text[], j jsonb, n name)")
    seen = both(db, encoding="LATIN1")
    db.sql("INSERT INTO t VALUES (1, 'é', 'é=>è', '{é}', '{\"é\": 1}', 'é')")
    assert seen.read().differences() == []
    assert seen.frames.table("t").column("t").to_pylist() == ["é"]


# ---- names and encodings ------------------------------------------------------------------------------------

FOREIGN = {"LATIN1": ("Größe", "é"), "EUC_JP": ("日本語", "表"), "UTF8": ("🐘 \"x\"", "ü")}


@pytest.mark.parametrize("encoding", FOREIGN)
def test_names_and_text_come_in_utf8(new_db, both, encoding):
    word, letter = FOREIGN[encoding]
    name, mood, other = (pgsql.Identifier(text).as_string() for text in (word, f"{word} {letter}", letter))
    db = new_db(f"names_{encoding.lower()}", encoding)
    db.sql("CREATE EXTENSION hstore; CREATE EXTENSION citext")
    db.sql(f"CREATE TYPE {mood} AS ENUM ('{word}', '{letter}'); CREATE DOMAIN {other} AS text; CREATE TYPE pair AS ({name} int, {other} text)")
    db.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, {name} {mood}, p pair, ps pair[], {other} {other}, t text, v varchar(20),"
           " c char(20), n name, ci citext, h hstore, a text[], j json, jb jsonb, x xml, ts tsvector)")  # fmt: skip
    seen = both(db)
    db.sql(f"INSERT INTO {name} SELECT 1, '{word}', ROW(1, w)::pair, ARRAY[ROW(2, w)::pair], w, w, w, w, w, w, hstore(w, w), ARRAY[w, NULL],"
           f" to_json(w), to_jsonb(w), w::xml, array_to_tsvector(ARRAY[w]) FROM (SELECT '{word}'::text) AS s(w)")  # fmt: skip
    assert seen.read().differences() == []
    table = seen.frames.table(word)
    assert table.schema.names[7:9] == ["id", word]
    assert table.column("t").to_pylist() == [word]


def test_bytes_that_are_no_utf8_are_dead_letters_as_they_are(new_db, both):
    db = new_db("bytes", "SQL_ASCII")
    db.sql("CREATE EXTENSION hstore; CREATE TYPE pair AS (a int, b text)")
    db.sql("CREATE TABLE t (id int PRIMARY KEY, t text, v varchar(9), c char(9), n name, a text[], p pair, h hstore, j json)")
    seen = both(db, encoding="SQL_ASCII")
    db.sql(r"""INSERT INTO t SELECT 1, w, w, w, w, ARRAY['ok', w], ROW(1, w)::pair, hstore('k', w), ('"' || w || '"')::json"""
           r""" FROM (SELECT E'caf\xe9'::text) AS s(w)""")  # fmt: skip
    assert seen.read().differences() == []
    assert {letter.column for letter in seen.frames.dead_letters} == set("tvcnaphj")


def test_bytes_that_a_server_before_15_takes_for_utf8_harm_nobody(db, both):
    db.sql('CREATE TABLE t (id int PRIMARY KEY, c "char", t text)')
    seen = both(db)
    db.sql("""INSERT INTO t VALUES (1, (-56)::"char", (-56)::"char"::text), (2, 'a', 'ok')""")
    assert seen.read().differences() == []


# ---- where values lie ---------------------------------------------------------------------------------------


def test_large_values_come_whole_and_unchanged_ones_not_at_all(db, both):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, plain text, packed text, n numeric, a text[], b bytea, j jsonb)")
    db.sql("ALTER TABLE t ALTER plain SET STORAGE EXTERNAL")
    seen = both(db)
    db.sql("INSERT INTO t SELECT 1, string_agg(md5(i::text), ''), repeat('walrow', 100000), repeat('123456789', 5000)::numeric,"
           " array_agg(repeat(md5(i::text), 5)), decode(string_agg(md5(i::text), ''), 'hex'), jsonb_object_agg(i, md5(i::text))"
           " FROM generate_series(1, 5000) i; UPDATE t SET id = 2; UPDATE t SET packed = 'short', b = NULL")  # fmt: skip
    assert seen.read().differences() == []
    assert seen.frames.table("t").column("_unchanged").to_pylist()[1:] == [["plain", "packed", "a", "b", "j"], ["plain", "a", "j"]]


def test_columns_can_be_had_as_text(db, both):
    db.sql("CREATE TYPE pair AS (a int, b text)")
    db.sql("CREATE TABLE t (id int PRIMARY KEY, i int8, n numeric(5,2), a int[], p pair, ts timestamptz, b bytea, f float4, iv interval, j jsonb)")
    seen = both(db, types=[f"public.t.{column}" for column in ("i", "n", "a", "p", "ts", "b", "f", "iv", "j")])
    db.sql("INSERT INTO t VALUES (1, -5, 'NaN', '{{1},{2}}', '(1,\"a b\")', '2024-01-01 00:00:00+02', '\\xff', 0.1, '1 mon', '{\"a\": 1}')")
    assert seen.read().differences() == []
    assert seen.frames.dead_letters == []


# ---- types that change --------------------------------------------------------------------------------------


def test_types_that_change_come_as_the_table_has_them(db, both):
    db.sql("CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE pair AS (a int, gone text, b text); ALTER TYPE pair DROP ATTRIBUTE gone")
    db.sql("CREATE TABLE t (id int PRIMARY KEY, m mood, gone int, p pair); ALTER TABLE t DROP gone")
    seen = both(db)
    db.sql("ALTER TYPE mood ADD VALUE 'ok'")
    db.sql("INSERT INTO t VALUES (1, 'ok', '(7,x)')")
    assert seen.read().differences() == []
    assert seen.frames.table("t").column("p").to_pylist() == [{"a": 7, "b": "x"}]


def test_a_composite_that_grows_while_streaming_loses_nothing(db, both):
    db.sql("CREATE TYPE shape AS (a int); CREATE TABLE t (id int PRIMARY KEY, s shape)")
    seen = both(db)
    db.sql("INSERT INTO t VALUES (1, '(7)')")
    db.sql("ALTER TYPE shape ADD ATTRIBUTE b text")
    db.sql("INSERT INTO t VALUES (2, '(8,x)')")
    frames = seen.read().frames
    assert frames.table("t").column("s").to_pylist() == [{"a": 7}, None]
    assert [letter.text for letter in frames.dead_letters] == [b"(8,x)"]


# ---- old values ---------------------------------------------------------------------------------------------


def test_a_key_that_only_looks_different_is_no_old_row(db, both):
    db.sql("CREATE TABLE t (n numeric, a int[], f float8, v int, PRIMARY KEY (n, a, f))")
    seen = both(db)
    db.sql("INSERT INTO t VALUES (1.5, '{1,2}', 0, 1), (2, '{3}', 1, 1);"
           " UPDATE t SET a = array_remove(ARRAY[1, NULL, 2], NULL), v = 2 WHERE v = 1 AND n = 1.5; UPDATE t SET n = 2.0 WHERE n = 2")  # fmt: skip
    assert seen.read().differences() == []
    assert [old is None for old in seen.frames.table("t").column("_old").to_pylist()] == [True, True, True, False]


def test_old_values_that_arrow_cannot_hold_are_dead_letters_too(db, both):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, n numeric(5,2), a int[]); ALTER TABLE t REPLICA IDENTITY FULL")
    seen = both(db)
    db.sql("INSERT INTO t VALUES (1, 'NaN', '{{1}}'), (2, 3, '{4}'); UPDATE t SET n = 1; DELETE FROM t")
    assert seen.read().differences() == []
    assert sorted((one.seq, one.op, one.tuple, one.column) for one in seen.frames.dead_letters) == [
        (0, "I", "new", "a"), (0, "I", "new", "n"), (2, "U", "new", "a"), (2, "U", "old", "a"), (2, "U", "old", "n"), (4, "D", "new", "a"),
    ]  # fmt: skip
