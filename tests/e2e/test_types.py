"""Every type of the type table, at its edges: by stream in text and in binary, and by snapshot."""

import pyarrow as pa
import pytest

from postgres import lsn_value
from streaming import Job, differences, expected_column, own_columns, server_texts, ways
from values import plain_column

UTF8, JSON = pa.utf8(), pa.json_()
PAIR = pa.struct([("a", pa.int32()), ("b y", UTF8), ("n", pa.decimal128(5, 2))])

TYPES = """
CREATE EXTENSION hstore; CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('sad', 'o''k, "fine"');
CREATE TYPE pair AS (a int, "b y" text, n numeric(5,2));
CREATE TYPE nest AS (p pair, tags text[], at timestamptz);
CREATE DOMAIN amount AS numeric(10,3);
CREATE DOMAIN amount2 AS amount CHECK (VALUE < 1000);
CREATE DOMAIN tags AS text[];
"""

# column: (type, Arrow type, values); in these pgoutput's binary form is understood
BINARY = {
    "c_bool": ("bool", pa.bool_(), ["true", "false"]),
    "c_int2": ("int2", pa.int16(), ["-32768", "32767", "0"]),
    "c_int4": ("int4", pa.int32(), ["-2147483648", "2147483647", "0"]),
    "c_int8": ("int8", pa.int64(), ["-9223372036854775808", "9223372036854775807", "0"]),
    "c_float4": ("float4", pa.float32(), ["NaN", "Infinity", "-Infinity", "-0", "1e-45", "3.4028235e38", "0.1"]),
    "c_float8": ("float8", pa.float64(), ["NaN", "Infinity", "-Infinity", "-0", "5e-324", "1.7976931348623157e308", "0.1"]),
    "c_oid": ("oid", pa.uint32(), ["0", "4294967295"]),
    "c_num": ("numeric(10,2)", pa.decimal128(10, 2), ["99999999.99", "-99999999.99", "0", "-0.01", "NaN"]),
    "c_num38": ("numeric(38,0)", pa.decimal128(38, 0), ["9" * 38, "-" + "9" * 38, "1" + "0" * 37]),
    "c_num39": ("numeric(39,39)", pa.decimal256(39, 39), ["0." + "9" * 39, "-0." + "0" * 38 + "1"]),
    "c_num60": ("numeric(60,10)", pa.decimal256(60, 10), ["9" * 50 + "." + "9" * 10, "-1.0000000001", "0", "NaN"]),
    "c_num76": ("numeric(76,0)", pa.decimal256(76, 0), ["9" * 76, "-" + "9" * 76]),
    "c_num77": ("numeric(77,1)", UTF8, ["9" * 76 + ".9", "NaN", "0"]),
    "c_hundreds": ("numeric(5,-2)", pa.decimal128(5, -2), ["9999900", "-100", "0"]),
    "c_numeric": ("numeric", UTF8, ["NaN", "Infinity", "-Infinity", "1e300", "-0.00000000000000000001", "1.500", "0"]),
    "c_text": ("text", UTF8, ["", "ünï 🐘 '", "two\nlines\ttab\\ back", "NULL"]),
    "c_varchar": ("varchar(5)", UTF8, ["", "abc  "]),
    "c_char": ("char(5)", UTF8, ["", "ab"]),
    "c_name": ("name", UTF8, ["", "n" * 63]),
    "c_citext": ("public.citext", UTF8, ["", "MiXeD"]),
    "c_enum": ("public.mood", UTF8, ["sad", "o'k, \"fine\""]),
    "c_bytea": ("bytea", pa.binary(), ["", "\\x00ff0a", "\\x" + "5c" * 3000]),
    "c_date": ("date", pa.date32(), ["infinity", "-infinity", "4713-01-01 BC", "0001-12-31 BC", "0001-01-01", "5874897-12-31", "1970-01-01"]),
    "c_time": ("time", pa.time64("us"), ["00:00", "23:59:59.999999", "24:00:00"]),
    "c_stamp": ("timestamp", pa.timestamp("us"), ["infinity", "-infinity", "4713-01-01 00:00:00 BC", "294247-01-10 04:00:54.775806",
                "294247-01-10 04:00:54.775807", "294276-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999"]),
    "c_stamptz": ("timestamptz", pa.timestamp("us", "UTC"), ["infinity", "-infinity", "0044-03-15 12:00:00+00 BC",
                  "2026-01-01 00:00:00.000001+05:30", "294276-12-31 23:59:59.999999+00"]),
    "c_timetz": ("timetz", UTF8, ["00:00:00+15:59:59", "24:00:00-15:59", "12:34:56.789+05:30", "01:02:03+00"]),
    "c_interval": ("interval", pa.month_day_nano_interval(), ["-1 year -2 mons 3 days -04:05:06.000007", "178000000 years",
                   "-178000000 years", "2562047:47:16.854775", "2562047:47:16.854776", "-2562048:00:00", "0"]),
    "c_uuid": ("uuid", pa.uuid(), ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-fffffffffffe"]),
    "c_json": ("json", JSON, ['{"a":  [1, null], "a": "x"}', "null", '"\\u0041"']),
    "c_jsonb": ("jsonb", JSON, ['{"b": 1.500, "a": {"x": "🐘"}}', "[]", "null"]),
    "c_amount": ("public.amount", pa.decimal128(10, 3), ["-1234567.891", "0", "NaN"]),
    "c_amount2": ("public.amount2", pa.decimal128(10, 3), ["999.999", "-0.001"]),
    "c_tags": ("public.tags", pa.list_(UTF8), ["{}", "{a,NULL}"]),
    "a_int4": ("int4[]", pa.list_(pa.int32()), ["{1,NULL,-3}", "{}", "{{1,2},{3,4}}", "[0:1]={1,2}", "{NULL}"]),
    "a_bool": ("bool[]", pa.list_(pa.bool_()), ["{t,NULL,f}", "{}"]),
    "a_text": ("text[]", pa.list_(UTF8), ['{a,NULL,"NULL","x,\\"y\\\\z",""," ","{}"}', "{}"]),
    "a_num": ("numeric(5,2)[]", pa.list_(pa.decimal128(5, 2)), ["{1.5,NULL,-999.99}", "{1,NaN}", "{}"]),
    "a_numeric": ("numeric[]", pa.list_(UTF8), ["{1.50,NaN}", "{NULL}"]),
    "a_float8": ("float8[]", pa.list_(pa.float64()), ["{NaN,-Infinity,NULL,-0}", "{}"]),
    "a_date": ("date[]", pa.list_(pa.date32()), ["{infinity,NULL,0044-03-15 BC}", "{}"]),
    "a_stamptz": ("timestamptz[]", pa.list_(pa.timestamp("us", "UTC")), ['{"2026-01-01 00:00:00+02",-infinity}', '{"294276-12-31 00:00:00+00"}']),
    "a_interval": ("interval[]", pa.list_(pa.month_day_nano_interval()), ['{"1 mon -1 day",NULL}', "{9999999:00:00}"]),
    "a_uuid": ("uuid[]", pa.list_(pa.uuid()), ["{00112233-4455-6677-8899-aabbccddeeff,NULL}", "{}"]),
    "a_bytea": ("bytea[]", pa.list_(pa.binary()), ['{"\\\\x00ff",NULL,""}', "{}"]),
    "a_enum": ("public.mood[]", pa.list_(UTF8), ["{sad,NULL,\"o'k, \\\"fine\\\"\"}", "{}"]),
    "a_jsonb": ("jsonb[]", pa.list_(JSON), ['{"{\\"a\\": [1, 2]}",NULL}', "{}"]),
    "a_amount": ("public.amount[]", pa.list_(pa.decimal128(10, 3)), ["{1.5,NULL}", "{NaN}"]),
    "a_pair": ("public.pair[]", pa.list_(PAIR), ['{"(1,\\"x, y\\",1.50)",NULL,"(,,)"}', "{}"]),
    "s_pair": ("public.pair", PAIR, ['(1,"a ""b"", (c)",-1.50)', "(,,)", '(,"",)', "(1,x,NaN)"]),
    "s_nest": ("public.nest", pa.struct([("p", PAIR), ("tags", pa.list_(UTF8)), ("at", pa.timestamp("us", "UTC"))]),
               ['("(1,x,2.00)","{a,""b c"",NULL}","2026-01-01 00:00:00+00")', "(,,)", '(,"{{a},{b}}",)']),
    "c_hstore": ("public.hstore", pa.map_(UTF8, UTF8), ['a=>1, "b\\"=>"=>NULL, ""=>""', "", "k=>NULL"]),
}  # fmt: skip

# of these nobody outside the server can print the binary form
TEXT_ONLY = {
    "c_xml": ("xml", UTF8, ["<a>&amp;<b/></a>", ""]),
    "c_tsvector": ("tsvector", UTF8, ["'fat':2A 'rat':3", ""]),
    "c_inet": ("inet", UTF8, ["10.1.2.3/8", "::1", "10.0.0.1"]),
    "c_cidr": ("cidr", UTF8, ["10.0.0.0/8", "2001:db8::/32"]),
    "c_macaddr": ("macaddr", UTF8, ["08:00:2b:01:02:03"]),
    "c_money": ("money", UTF8, ["-92233720368547758.08", "1234.5"]),
    "c_bit": ("bit(3)", UTF8, ["101"]),
    "c_varbit": ("varbit", UTF8, ["", "10101"]),
    "c_range": ("int4range", UTF8, ["[1,5)", "empty", "(,)"]),
    "c_multirange": ("nummultirange", UTF8, ["{[1.5,2],(3,)}", "{}"]),
    "c_lsn": ("pg_lsn", UTF8, ["0/0", "FFFFFFFF/FFFFFFFF"]),
    "c_point": ("point", UTF8, ["(1.5,-Infinity)"]),
    "c_vector": ("int2vector", UTF8, ["1 2 3", ""]),
    "c_path": ("jsonpath", UTF8, ['$."a"[*]']),
    "a_inet": ("inet[]", pa.list_(UTF8), ["{10.0.0.1,NULL}", "{}"]),
    "a_box": ("box[]", pa.list_(pa.field("item", UTF8, metadata={"pg.type": "box"})), ["{(1,1),(0,0);(2,2),(0,0)}"]),
    "a_range": ("int4range[]", pa.list_(UTF8), ['{"[1,5)",NULL}']),
}
ALL = BINARY | TEXT_ONLY

DEAD = {  # column: how many of the values above its Arrow type cannot hold
    "c_num": 1, "c_num60": 1, "c_time": 1, "c_stamp": 2, "c_stamptz": 1, "c_interval": 2, "c_amount": 1, "a_int4": 2,
    "a_num": 1, "a_stamptz": 1, "a_interval": 1, "a_amount": 1, "s_pair": 1, "s_nest": 1,
}  # fmt: skip


def create(db, name, columns):
    listed = ", ".join(f"{column} {kind}" for column, (kind, _, _) in columns.items())
    db.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, {listed})")


def fill(db, name, columns):
    """A row of nulls, then a row for each edge; columns with fewer of them go on with null."""
    names = ", ".join(columns)
    marks = ", ".join(f"%s::{kind}" for kind, _, _ in columns.values())
    rows = max(len(values) for _, _, values in columns.values())
    with db.connect(autocommit=False) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"INSERT INTO {name} (id) VALUES (0)")
        for i in range(rows):
            row = [values[i] if i < len(values) else None for _, _, values in columns.values()]
            connection.execute(f"INSERT INTO {name} (id, {names}) VALUES ({i + 1}, {marks})", row)


@pytest.fixture
def zoo(db):
    """zoo("name", columns) makes a table of all of these."""
    db.sql(TYPES)
    return lambda name, columns: create(db, name, columns)


@pytest.fixture
def streamed(db, job, zoo):
    """All types, streamed in text or as columns."""
    zoo("zoo", ALL)
    job.setup()
    fill(db, "zoo", ALL)
    job.stream()
    return job


@ways("text", "wal2arrow")
def test_arrow_types_are_those_of_the_type_table(streamed):
    schema = streamed.table("zoo").schema
    assert {c: str(schema.field(c).type) for c in ALL} == {c: str(kind) for c, (_, kind, _) in ALL.items()}


@ways("text", "wal2arrow")
def test_values_are_what_the_server_prints(streamed, db):
    table, texts = streamed.table("zoo"), server_texts(db, "SELECT * FROM public.zoo ORDER BY id")
    wrong = {}
    for column, (_, kind, _) in ALL.items():
        want, have = expected_column([row[column] for row in texts], kind), plain_column(table.column(column))
        if want != have:
            wrong[column] = (want, have)
    assert wrong == {}


@ways("text", "wal2arrow")
def test_fields_say_their_postgres_type(streamed, db):
    (file,) = streamed.files("zoo")
    rows = db.sql(
        "SELECT attname, format_type(atttypid, atttypmod), atttypid::text, atttypmod::text FROM pg_attribute"
        " WHERE attrelid = 'zoo'::regclass AND attnum > 0"
    )
    public = ("citext", "mood", "pair", "nest", "amount", "tags", "hstore")
    named = lambda kind: f"public.{kind}" if kind.startswith(public) else kind  # noqa: E731
    want = {name: (named(kind), oid, typmod) for name, kind, oid, typmod in rows}
    have = {n: tuple(file.field_metadata(n).get(k) for k in ("pg.type", "pg.oid", "pg.typmod")) for n in want}
    assert have == want


@ways("text", "wal2arrow")
def test_what_no_arrow_type_holds_goes_to_the_dead_letters_as_text(streamed, db):
    texts = {int(row["id"]): row for row in server_texts(db, "SELECT * FROM public.zoo")}
    table = streamed.table("zoo")
    places = zip(*(table.column(name).to_pylist() for name in ("_commit_lsn", "_seq", "id", "_xid")))
    at = {(lsn, seq): (i, key, xid) for i, (lsn, seq, key, xid) in enumerate(places)}
    letters, counts = streamed.dead_letters(), {}
    for letter in letters:
        row, key, xid = at[lsn_value(letter["lsn"]), letter["seq"]]
        assert letter["text"] == texts[key][letter["column"]]
        assert (letter["schema"], letter["table"], letter["tuple"], letter["op"]) == ("public", "zoo", "new", "I")
        assert letter["xid"] == xid
        assert not table.column(letter["column"])[row].is_valid
        counts[letter["column"]] = counts.get(letter["column"], 0) + 1
    assert counts == DEAD


def test_binary_is_text_bit_for_bit(db, zoo, new_job):
    zoo("zoo", BINARY)
    text, binary = new_job("text"), new_job("binary")
    text.setup(), binary.setup()
    fill(db, "zoo", BINARY)
    db.sql("UPDATE zoo SET id = id + 100; DELETE FROM zoo WHERE id > 102")
    text.stream("--encoding", "text"), binary.stream("--encoding", "binary")
    assert text.table("zoo").schema.equals(binary.table("zoo").schema, check_metadata=True)
    assert differences(text.table("zoo"), binary.table("zoo")) == []
    assert text.dead_letters() == binary.dead_letters()


@ways("binary", "text", "wal2arrow")
def test_a_snapshot_is_the_stream_bit_for_bit(db, zoo, new_job, way):
    columns = BINARY if way == "binary" else ALL
    zoo("zoo", columns)
    stream, snapshot = new_job("stream"), new_job("snapshot")
    stream.setup()
    fill(db, "zoo", columns)
    stream.stream(), snapshot.snapshot()
    assert snapshot.ops("zoo") == "R" * len(stream.ops("zoo"))
    assert differences(own_columns(stream.table("zoo")), own_columns(snapshot.table("zoo"))) == []
    letter = lambda one: (one["column"], one["text"], one["reason"], one["pg_type"])  # noqa: E731
    assert sorted(map(letter, stream.dead_letters())) == sorted(map(letter, snapshot.dead_letters()))


def test_auto_takes_text_where_a_type_needs_it(db, zoo, job):
    zoo("zoo", {"c_int4": ALL["c_int4"], "c_inet": ALL["c_inet"]})
    job.setup()
    db.sql("INSERT INTO zoo VALUES (1, 7, '10.0.0.1')")
    job.stream()
    assert [(row["c_int4"], row["c_inet"]) for row in job.rows("zoo")] == [(7, "10.0.0.1")]


def test_auto_turns_to_text_when_such_a_type_comes_up_later(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v int)")
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 1)")
    db.sql("ALTER TABLE t ADD ip inet")
    db.sql("INSERT INTO t VALUES (2, 2, '10.0.0.1')")
    job.stream()
    assert [(row["id"], row.get("ip")) for row in job.rows("t")] == [(1, None), (2, "10.0.0.1")]


@ways("binary", "text", "wal2arrow")
def test_four_megabytes_of_text_come_whole(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text, b bytea)")
    job.setup()
    db.sql("INSERT INTO t SELECT 1, string_agg(md5(i::text), ''), decode(string_agg(md5(i::text), ''), 'hex')"
           " FROM generate_series(1, 131072) i")  # fmt: skip
    job.stream()
    (row,) = job.rows("t")
    assert (len(row["v"]), len(row["b"])) == (4 << 20, 2 << 20)
    assert bytes.fromhex(row["v"]) == row["b"]
    assert db.value("SELECT v FROM t") == row["v"]


@ways("binary", "text", "wal2arrow")
@pytest.mark.parametrize("snapshot", ["initial", "never"])
def test_strict_fails_where_a_value_cannot_be_held(db, job, snapshot):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, n numeric(5,2))")
    if snapshot == "never":
        job.setup()
    db.sql("INSERT INTO t VALUES (1, 'NaN')")
    failed = job.stream("--strict", snapshot=snapshot, code=8)
    assert "public.t.n" in failed.err
    assert job.rows("t") == []


@ways("pgoutput", "wal2arrow")
@pytest.mark.parametrize("snapshot", ["initial", "never"])
def test_a_column_can_be_had_as_text(db, job, snapshot):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, n numeric(5,2), a int[])")
    if snapshot == "never":
        job.setup()
    db.sql("INSERT INTO t VALUES (1, 'NaN', '{{1},{2}}')")
    job.stream("--type", "public.t.n=utf8", "--type", "public.t.a=utf8", snapshot=snapshot)
    assert [(row["n"], row["a"]) for row in job.rows("t")] == [("NaN", "{{1},{2}}")]
    assert job.table("t").schema.field("n").type == UTF8
    assert job.dead_letters() == []


@ways("pgoutput", "wal2arrow")
def test_an_oddly_named_column_can_be_had_as_text(db, job):
    db.sql('''CREATE TABLE "odd, t""able" (id int PRIMARY KEY, "a=b.c" numeric(5,2), "A=b.c" numeric(5,2))''')
    job.setup()
    db.sql('''INSERT INTO "odd, t""able" VALUES (1, 'NaN', 1)''')
    job.stream("--type", '''public."odd, t""able"."a=b.c"=utf8''')
    schema = job.table('public.odd, t"able').schema
    assert [str(schema.field(name).type) for name in ("a=b.c", "A=b.c")] == ["string", "decimal128(5, 2)"]


@ways("pgoutput", "wal2arrow")
def test_old_values_that_cannot_be_held_are_dead_letters_too(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, n numeric(5,2)); ALTER TABLE t REPLICA IDENTITY FULL")
    db.sql("INSERT INTO t VALUES (1, 'NaN')")
    job.setup()
    db.sql("UPDATE t SET n = 1")
    job.stream()
    assert [(one["tuple"], one["op"], one["text"]) for one in job.dead_letters()] == [("old", "U", "NaN")]


@ways("pgoutput", "wal2arrow")
def test_bytes_that_are_no_utf8_are_kept_as_base64(db, walrow, tmp_path, way):
    latin = db.server.create_database("latin", "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        latin.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
        job = Job(latin, walrow, tmp_path, way=way)
        job.setup()
        latin.sql(r"INSERT INTO t VALUES (1, E'caf\xe9'), (2, 'ok')")
        job.stream()
        assert [row["v"] for row in job.rows("t")] == [None, "ok"]
        assert [one["base64"] for one in job.dead_letters()] == ["Y2Fm6Q=="]
    finally:
        latin.drop()


def test_dropped_columns_and_attributes_leave_no_trace(db, job):
    db.sql("CREATE TYPE shape AS (a int, gone text, b text); ALTER TYPE shape DROP ATTRIBUTE gone")
    db.sql("CREATE TABLE t (id int PRIMARY KEY, gone int, s shape); ALTER TABLE t DROP gone")
    job.setup()
    db.sql("INSERT INTO t VALUES (1, '(7,x)')")
    for encoding in ("text", "binary"):
        job.stream()
    assert [(row["id"], row["s"]) for row in job.rows("t")] == [(1, {"a": 7, "b": "x"})]


@ways("binary", "text", "wal2arrow")
def test_a_composite_that_grows_while_streaming_loses_nothing(db, job):
    db.sql("CREATE TYPE shape AS (a int); CREATE TABLE t (id int PRIMARY KEY, s shape)")
    job.setup()
    run = job.start(to=[f"ipc:{job.ipc}?rotate_s=1"])
    db.sql("INSERT INTO t VALUES (1, '(7)')")
    run.wait_for(lambda: job.rows("t"), what="the first row")
    db.sql("ALTER TYPE shape ADD ATTRIBUTE b text")
    db.sql("INSERT INTO t VALUES (2, '(8,x)')")
    run.wait_for(lambda: len(job.rows("t")) == 2, what="the second row")
    assert run.stop().code == 0
    value = job.rows("t")[1]["s"]
    assert value == {"a": 8, "b": "x"} or (value is None and [one["text"] for one in job.dead_letters()] == ["(8,x)"])


@ways("binary", "text", "wal2arrow")
def test_an_enum_label_made_while_streaming_comes(db, job):
    db.sql("CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (id int PRIMARY KEY, m mood)")
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'sad'); ALTER TYPE mood ADD VALUE 'new'")
    db.sql("INSERT INTO t VALUES (2, 'new')")
    job.stream()
    assert [row["m"] for row in job.rows("t")] == ["sad", "new"]
