"""duckdb:FILE is the source's tables, row for row, whatever happens to either; with mode=append their log."""

import os
import random
import time

import duckdb
import pyarrow as pa
import pytest

import workload
from postgres import lsn_value, wait_until
from streaming import Job, expected_column, server_texts
from test_snapshot import Writer
from test_types import ALL, TYPES, create, fill
from values import plain_column

DUCKDB_MINUS_INFINITY = {-(2**63) + 1: -(2**63), -(2**31) + 1: -(2**31)}


class Replica:
    """A job's DuckDB file and what is in it."""

    def __init__(self, job, params=""):
        self.job, self.path = job, os.path.join(job.folder, "replica.duckdb")
        self.uri = f"duckdb:{self.path}{params}"

    def run(self, *args, **kwargs):
        kwargs = {"snapshot": "initial", **kwargs}
        return self.job.stream(*args, to=[self.uri], **kwargs)

    def start(self, *args, **kwargs):
        return self.job.start(*args, snapshot="initial", to=[self.uri], **kwargs)

    def query(self, sql, path=None):
        with duckdb.connect(path or self.path, read_only=True) as connection:
            if connection.execute("FROM duckdb_schemas() WHERE schema_name = 'public'").fetchall():
                connection.execute("SET search_path = 'public'")
            return connection.execute(sql).to_arrow_table()

    def rows(self, table, path=None):
        """As a list of tuples of plain values, sorted."""
        found = self.query(f"SELECT * FROM {table}", path)
        return sorted(zip(*(plain_values(found.column(name)) for name in found.schema.names)), key=repr)

    def state(self):
        return self.query("SELECT * FROM _walrow.state").to_pylist()[0]

    def n_tables(self):
        """How many it has a record of, however early the stream was killed."""
        record = "FROM duckdb_tables() WHERE schema_name = '_walrow' AND table_name = 'tables'"
        known = os.path.exists(self.path) and self.query(record).num_rows > 0
        return len(self.query("SELECT * FROM _walrow.tables")) if known else 0


def plain_values(column):
    values, kind = plain_column(column), column.type
    mend = lambda value: DUCKDB_MINUS_INFINITY.get(value, value)  # noqa: E731
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        values = [mend(value) for value in values]
    elif pa.types.is_list(kind) and pa.types.is_timestamp(kind.value_type):
        values = [value and [mend(element) for element in value] for value in values]
    return [tuple(map(repr, value)) if isinstance(value, list) else value for value in values]


def source_rows(db, table, schema):
    texts = server_texts(db, f"SELECT * FROM public.{table}")
    columns = [expected_column([row[field.name] for row in texts], field.type) for field in schema]
    columns = [[tuple(map(repr, v)) if isinstance(v, list) else v for v in column] for column in columns]
    return sorted(zip(*columns), key=repr)


def assert_equal(db, replica, *tables, path=None):
    for table in tables:
        schema = replica.query(f"SELECT * FROM {table} LIMIT 0", path).schema
        columns = db.sql(f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0"
                         " AND NOT attisdropped ORDER BY attnum")  # fmt: skip
        assert schema.names == [name for (name,) in columns]
        have, want = replica.rows(table, path), source_rows(db, table, schema)
        assert len(have) == len(want), table
        for ours, theirs in zip(have, want):
            assert dict(zip(schema.names, ours)) == dict(zip(schema.names, theirs)), table


@pytest.fixture
def replica(job):
    return Replica(job)


# ---- the outcome ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_a_workload_of_every_identity_ends_as_at_the_source(db, new_job, monkeypatch, seed):
    """Keys that move, composite keys, whole rows, large values that are not sent, truncates, roll-backs."""
    # PostgreSQL does not publish the truncate of a leaf alone
    monkeypatch.setattr(workload, "RARE", [s for s in workload.RARE if "parted_low" not in s])
    db.sql(workload.TABLES)
    compared = [table for table in workload.CAPTURED if table != "nothing"]
    tables = ",".join(f"public.{table}" for table in compared)
    replica = Replica(new_job("walrow", tables=tables))
    work = workload.Workload(seed)
    work.run(db, 60)
    replica.run()
    for batch in (7, 1000, 65536):  # many small sets, and one with everything
        work.run(db, 80)
        replica.run("--batch-rows", batch)
        assert_equal(db, replica, *compared)


def test_one_set_with_every_way_a_key_can_go(db, replica):
    db.sql("CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, v text); CREATE UNIQUE INDEX u ON t (id);"
           "ALTER TABLE t ALTER id SET NOT NULL, REPLICA IDENTITY USING INDEX u")  # fmt: skip
    db.sql("INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 10) i")
    replica.run()
    db.sql("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'again')")
    db.sql("INSERT INTO t VALUES (11, 'short'); DELETE FROM t WHERE id = 11")
    db.sql("UPDATE t SET id = 12 WHERE id = 2; UPDATE t SET id = 13 WHERE id = 12; INSERT INTO t VALUES (2, 'two')")
    db.sql("UPDATE t SET id = 99 WHERE id = 3; UPDATE t SET id = 3 WHERE id = 4; UPDATE t SET id = 4 WHERE id = 99")
    db.sql("UPDATE t SET id = 14 WHERE id = 5; DELETE FROM t WHERE id = 14")
    db.sql("UPDATE t SET v = NULL WHERE id = 6; UPDATE t SET v = 'six' WHERE id = 6")
    replica.run()
    assert_equal(db, replica, "t")


def test_large_values_that_are_not_sent_follow_their_row(db, replica):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, n int, big text, bigger text, list text[]);"
           "ALTER TABLE t ALTER big SET STORAGE EXTERNAL, ALTER bigger SET STORAGE EXTERNAL,"
           " ALTER list SET STORAGE EXTERNAL")  # fmt: skip
    db.sql("INSERT INTO t SELECT i, 0, repeat(i::text, 5000), repeat('x' || i, 5000), ARRAY[repeat('y' || i, 5000)]"
           " FROM generate_series(1, 9) i")  # fmt: skip
    replica.run()
    db.sql("UPDATE t SET n = 1")
    db.sql("UPDATE t SET id = id + 100 WHERE id < 4")
    db.sql("UPDATE t SET big = repeat('new', 3000) WHERE id = 102; UPDATE t SET id = 1002 WHERE id = 102")
    db.sql("UPDATE t SET bigger = NULL WHERE id = 103; UPDATE t SET n = 2, id = 3 WHERE id = 103")
    db.sql("INSERT INTO t VALUES (20, 0, repeat('i', 9000), NULL, NULL); UPDATE t SET n = 3 WHERE id = 20")
    # two rows change keys
    db.sql("UPDATE t SET id = -1 WHERE id = 4; UPDATE t SET id = 4 WHERE id = 5; UPDATE t SET id = 5 WHERE id = -1")
    db.sql("DELETE FROM t WHERE id = 6; INSERT INTO t VALUES (6, 0, repeat('z', 9000)); UPDATE t SET n = 6 WHERE id = 6")
    for i in range(20):
        db.sql(f"UPDATE t SET n = {i} WHERE id = 7")
    replica.run()
    assert_equal(db, replica, "t")


def test_whole_rows_are_told_apart_by_their_number_and_bits(db, replica):
    db.sql("CREATE TABLE t (v text, f float8, i interval, a int[], j jsonb); ALTER TABLE t REPLICA IDENTITY FULL")
    db.sql("INSERT INTO t SELECT 'same', 0, '1 mon', '{1}', '{\"a\": 1}' FROM generate_series(1, 5)")
    replica.run()
    db.sql("UPDATE t SET i = '30 days' WHERE ctid IN (SELECT ctid FROM t LIMIT 2)")
    db.sql("UPDATE t SET f = 1.5 WHERE ctid IN (SELECT ctid FROM t LIMIT 1)")
    db.sql("DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE i::text = '1 mon' LIMIT 1)")
    db.sql("INSERT INTO t VALUES (NULL, 'NaN', NULL, NULL, NULL), (NULL, 'NaN', NULL, NULL, NULL)")
    replica.run()
    assert_equal(db, replica, "t")
    db.sql("DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE v IS NULL LIMIT 1); UPDATE t SET j = '[]' WHERE v IS NULL")
    replica.run()
    assert_equal(db, replica, "t")


def test_truncates_stand_where_they_stood(db, replica):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 10) i")
    replica.run()
    db.sql("UPDATE t SET v = 'gone'; TRUNCATE t; INSERT INTO t VALUES (1, 'a'), (2, 'b'); UPDATE t SET id = 3 WHERE id = 1")
    db.sql("BEGIN; TRUNCATE t; ROLLBACK")
    replica.run()
    assert_equal(db, replica, "t")
    db.sql("TRUNCATE t")
    replica.run()
    assert_equal(db, replica, "t")


@pytest.mark.parametrize("identity", ["DEFAULT", "FULL"])
def test_every_type_comes_through(db, replica, identity):
    db.sql(TYPES)
    columns = {name: column for name, column in ALL.items() if name != "a_box"}  # its text has another delimiter
    kind, arrow, values = columns["c_num60"]  # null where the decimal has no NaN, and there is nothing to tell that by
    columns["c_num60"] = (kind, arrow, [value for value in values if value != "NaN"])
    create(db, "zoo", columns)
    db.sql(f"ALTER TABLE zoo REPLICA IDENTITY {identity}")
    fill(db, "zoo", columns)
    replica.run()
    assert_equal(db, replica, "zoo")
    db.sql("UPDATE zoo SET id = -id; DELETE FROM zoo WHERE id = -5")
    replica.run()
    assert_equal(db, replica, "zoo")
    kinds = dict(zip(*replica.query("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'zoo'")
                     .to_pydict().values()))  # fmt: skip
    assert (kinds["c_uuid"], kinds["c_jsonb"], kinds["c_interval"], kinds["c_num60"]) == ("UUID", "JSON", "INTERVAL", "VARCHAR")
    texts = replica.query("SELECT DISTINCT c_stamp::VARCHAR AS v FROM zoo WHERE isinf(c_stamp)").to_pydict()["v"]
    assert sorted(texts) == ["-infinity", "infinity"]


# ---- other tables -----------------------------------------------------------------------------------------------


def test_columns_come_and_go_and_change_their_names_and_types(db, replica):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, a int, b text, c numeric(6,2)); INSERT INTO t VALUES (1, 10, 'b', 1.5)")
    replica.run()
    db.sql("ALTER TABLE t ADD d int; INSERT INTO t VALUES (2, 20, 'bb', 2.5, 7)")
    db.sql("ALTER TABLE t DROP b; INSERT INTO t VALUES (3, 30, 3.5, 8); UPDATE t SET a = 31 WHERE id = 3")
    replica.run()
    assert_equal(db, replica, "t")
    db.sql("ALTER TABLE t RENAME a TO aa; ALTER TABLE t ALTER d TYPE bigint, ALTER c TYPE numeric(12,4); DELETE FROM t WHERE id = 1")
    replica.run()
    assert_equal(db, replica, "t")
    db.sql("ALTER TABLE t ALTER aa TYPE text; ALTER TABLE t DROP c; ALTER TABLE t ADD c int[]; INSERT INTO t VALUES (4, 'x', 9, '{1,2}')")
    replica.run()
    assert_equal(db, replica, "t")


def test_what_nobody_can_tell_is_asked(db, replica):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 10)")
    replica.run()
    db.sql("ALTER TABLE t RENAME a TO b; INSERT INTO t VALUES (2, 20)")
    failed = replica.run(code=9)
    assert 'column "a" renamed to "b"' in failed.err and "RENAME or drop it".lower() in failed.err
    with duckdb.connect(replica.path) as connection:
        connection.execute("ALTER TABLE public.t RENAME a TO b")
    replica.run()
    assert_equal(db, replica, "t")


def test_a_table_is_read_anew_when_its_record_is_deleted(db, replica):
    db.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    replica.run()
    db.sql("ALTER TABLE t ADD v int DEFAULT 5; INSERT INTO t VALUES (2, 6)")
    replica.run()
    assert replica.rows("t") == [(1, None), (2, 6)]  # PostgreSQL does not say that row 1 has a value now
    with duckdb.connect(replica.path) as connection:
        connection.execute("DELETE FROM _walrow.tables WHERE table_name = 't'")
    db.sql("INSERT INTO t VALUES (3)")
    replica.run()
    assert_equal(db, replica, "t")


def test_changes_of_a_dropped_table_do_not_replace_its_namesake(db, replica):
    db.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    replica.run()
    db.sql("INSERT INTO t VALUES (2); DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (3, 'x')")
    replica.run()
    db.sql("INSERT INTO t VALUES (4, 'y')")
    replica.run()
    assert_equal(db, replica, "t")


def test_a_table_made_anew_or_renamed_is_followed(db, replica):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old'), (2, 'old')")
    replica.run()
    db.sql("ALTER TABLE t RENAME TO tt; INSERT INTO tt VALUES (3, 'new'); DELETE FROM tt WHERE id = 1")
    replica.run()
    assert_equal(db, replica, "tt")
    db.sql("DROP TABLE tt; CREATE TABLE tt (id text PRIMARY KEY); INSERT INTO tt VALUES ('x')")
    replica.run()
    assert_equal(db, replica, "tt")


def test_odd_names_and_schemas(db, new_job):
    schema, table = '"my ""odd"" \'one\'"', '"select ""x"""'
    db.sql(f'CREATE SCHEMA {schema}')
    db.sql(f'CREATE TABLE {schema}.{table} ("Id" int, id int, "a""b" text, _op text, PRIMARY KEY (id, "Id"))')
    db.sql(f"INSERT INTO {schema}.{table} VALUES (1, 2, 'x', 'y')")
    replica = Replica(new_job("walrow", tables=schema + ".*"))
    replica.run()
    db.sql(f"""UPDATE {schema}.{table} SET "Id" = 5, _op = 'z'""")
    db.sql(f"INSERT INTO {schema}.{table} VALUES (1, 2, 'x', 'y')")
    replica.run()
    found = replica.query(f"SELECT * FROM {schema}.{table} ORDER BY ALL").to_pylist()
    assert found == [{"Id": 1, "id_1": 2, 'a"b': "x", "_op": "y"}, {"Id": 5, "id_1": 2, 'a"b': "x", "_op": "z"}]


@pytest.mark.parametrize(
    "setup, change, args, message",
    [
        ("CREATE TABLE t (n numeric(5,2) PRIMARY KEY, v int)", "INSERT INTO t VALUES ('NaN', 1)", [], "a value of its key"),
        ('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE "T" (id int PRIMARY KEY)', "INSERT INTO t VALUES (1); INSERT INTO \"T\" VALUES (1)", [], "folds case"),
    ],
    ids=["key", "case"],
)  # fmt: skip
def test_what_cannot_be_kept_apart_is_refused(db, replica, setup, change, args, message):
    db.sql(setup)
    replica.job.setup()
    db.sql(change)
    assert message in replica.run(*args, snapshot="never", code=9).err


def test_a_table_without_key_takes_inserts(db, replica):
    db.sql("CREATE TABLE t (v text); INSERT INTO t VALUES ('a'), ('a')")
    replica.run("--insert-only", "public.t")
    db.sql("INSERT INTO t VALUES ('a'), (NULL)")
    replica.run("--insert-only", "public.t")
    assert_equal(db, replica, "t")


# ---- the log ----------------------------------------------------------------------------------------------------


def test_append_keeps_every_change_as_it_is(db, job):
    replica = Replica(job, "?mode=append")
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    replica.run()
    db.sql("UPDATE t SET id = 2; INSERT INTO t VALUES (3, 'c'); DELETE FROM t WHERE id = 3")
    replica.run()
    db.sql("ALTER TABLE t ADD n int; ALTER TABLE t DROP v; UPDATE t SET id = 4, n = 7; TRUNCATE t")
    replica.run()
    found = replica.query("SELECT _op, _old.id AS was, id, v, n FROM t ORDER BY _commit_lsn, _seq").to_pylist()
    assert [tuple(row.values()) for row in found] == [
        ("R", None, 1, "a", None), ("U", 1, 2, "a", None), ("I", None, 3, "c", None), ("D", None, 3, None, None),
        ("U", 2, 4, None, 7), ("T", None, None, None, None),
    ]  # fmt: skip
    names = replica.query("SELECT * FROM t LIMIT 0").schema.names
    assert names == ["_op", "_commit_lsn", "_seq", "_xid", "_commit_time", "_unchanged", "_old", "id", "v", "n"]
    assert "is of mode append" in Replica(job).run(code=10).err


def test_messages_and_dead_letters_are_in_the_file_once(db, replica):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, n numeric(5,2)); INSERT INTO t VALUES (1, 'NaN')")
    for _ in range(2):
        replica.run()
        db.sql("SELECT pg_logical_emit_message(false, 'p', 'now'), pg_logical_emit_message(true, 'p', E'\\\\xff00'::bytea)")
        db.sql("UPDATE t SET n = 'NaN'")
        db.sql("UPDATE t SET n = 1")
    replica.run()
    letters = replica.query("SELECT op, column_name, text FROM _walrow.dead_letters ORDER BY commit_lsn").to_pylist()
    assert [tuple(row.values()) for row in letters] == [("R", "n", "NaN"), ("U", "n", "NaN"), ("U", "n", "NaN")]
    messages = replica.query("SELECT content, transactional FROM _walrow.messages ORDER BY lsn").to_pylist()
    assert [tuple(row.values()) for row in messages] == [(b"now", False), (b"\xff\x00", True)] * 2


# ---- staying right ----------------------------------------------------------------------------------------------


def assert_position_agrees(replica):
    """No change past the position is in the log, and none before it is missing."""
    found = replica.query("SELECT max(_commit_lsn) AS lsn, count(*) AS n, count(DISTINCT (_commit_lsn, _seq)) AS d FROM"
                          " (SELECT * FROM t UNION ALL BY NAME SELECT * FROM u) WHERE _op <> 'R'").to_pylist()[0]  # fmt: skip
    assert found["n"] == found["d"]
    assert found["lsn"] is None or found["lsn"] == replica.state()["commit_lsn"]


@pytest.mark.parametrize("params", ["", "?mode=append"])
def test_killed_again_and_again_under_load(db, job, params):
    """The file opens after each kill; the first kills fall into the snapshot."""
    replica, pick = Replica(job, params), random.Random(5)
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY, v text)")
    db.sql("INSERT INTO t SELECT i, 'v' FROM generate_series(1, 5000) i; INSERT INTO u SELECT i, 'v' FROM generate_series(1, 100) i")
    writer = Writer(db, "t", "u")
    for _ in range(7):
        run = replica.start("--batch-rows", "50", "--ack-interval", "20")
        time.sleep(pick.uniform(0.1, 1.2))
        assert run.alive(), run.err
        run.kill()
        if params and replica.n_tables() == 2:
            assert_position_agrees(replica)
    wait_until(lambda: writer.rounds > 50, what="writes that are worth it")
    writer.stop()
    replica.run("--batch-rows", "50")
    if params:
        assert_position_agrees(replica)
        count = "SELECT count(*) FROM t WHERE _op = 'R'"
        assert replica.query(count).to_pydict().popitem()[1] == [replica.query("SELECT count(DISTINCT id) FROM t WHERE _op = 'R'").to_pydict().popitem()[1][0]]
        gaps = ("SELECT _commit_lsn FROM (SELECT _commit_lsn, _seq FROM t WHERE _op <> 'R' UNION ALL SELECT _commit_lsn, _seq"
                " FROM u WHERE _op <> 'R') GROUP BY 1 HAVING count(*) <> max(_seq) - min(_seq) + 1")  # fmt: skip
        assert replica.query(gaps).num_rows == 0
    else:
        assert_equal(db, replica, "t", "u")


def test_a_transaction_in_parts_is_there_as_a_whole_or_not_at_all(db, replica):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (0, 'x')")
    replica.run()
    db.sql("INSERT INTO t SELECT i, 'v' FROM generate_series(1, 200000) i")
    for wait_s in (0.15, 0.3, 0.6):
        run = replica.start("--batch-rows", "100", "--ack-interval", "20")
        time.sleep(wait_s)
        run.kill()
        assert len(replica.rows("t")) in (1, 200001)
    replica.run("--batch-rows", "100")
    assert_equal(db, replica, "t")


def test_readers_have_a_copy_while_it_runs(db, job, tmp_path):
    copy = str(tmp_path / "copies" / "copy.duckdb")
    replica = Replica(job, f"?publish={copy}&publish_s=0")
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    run = replica.start("--ack-interval", "50")
    run.wait_for(lambda: os.path.exists(copy), what="the copy")
    with pytest.raises(duckdb.IOException, match="lock"):
        duckdb.connect(replica.path, read_only=True)
    for i in range(2, 6):
        db.sql(f"INSERT INTO t VALUES ({i}, 'b'); UPDATE t SET v = 'round {i}'")
        want = source_rows(db, "t", pa.schema([("id", pa.int32()), ("v", pa.utf8())]))
        run.wait_for(lambda: replica.query("FROM duckdb_tables()", copy).num_rows == 5 and replica.rows("t", copy) == want,
                     what=f"round {i} in the copy")  # fmt: skip
    # copying has not let go of DuckDB's own lock
    with pytest.raises(duckdb.IOException, match="lock"):
        duckdb.connect(replica.path, read_only=True)
    assert "another" not in run.err and run.stop().code == 0
    assert_equal(db, replica, "t", path=copy)
    assert sorted(os.listdir(os.path.dirname(copy))) == ["copy.duckdb"]


def test_status_tells_the_position_beside_a_stream(db, replica):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    run = replica.start("--ack-interval", "50")
    status = lambda: replica.job.walrow(*replica.job.arguments("status")[:1], "-d", db.url(), "-S", replica.job.slot,  # noqa: E731
                                        "--to", replica.uri, "--json", code=0).json["sinks"][0]  # fmt: skip
    run.wait_for(lambda: db.slot(replica.job.slot) and db.slot(replica.job.slot)["active"], what="the stream")
    db.sql("INSERT INTO t VALUES (1), (2)")
    run.wait_for(lambda: status()["seq"] == 1, what="the position")
    assert run.stop().code == 0
    assert (lsn_value(status()["lsn"]), 1) == (replica.state()["commit_lsn"], replica.state()["seq"])


def test_it_belongs_to_one_slot_and_one_writer(db, replica, new_job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    run = replica.start()
    run.wait_for(lambda: os.path.exists(replica.path), what="the file")
    other = new_job("other")
    locked = other.stream(snapshot="initial", to=[replica.uri], code=9)
    assert "Could not set lock" in locked.err and "?publish=" in locked.err
    assert run.stop().code == 0
    stranger = other.stream(snapshot="initial", to=[replica.uri], code=10)
    assert "belongs to system" in stranger.err and f'slot "{replica.job.slot}"' in stranger.err


def test_files_that_are_not_its_own_are_refused(db, replica, tmp_path):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    with duckdb.connect(replica.path) as connection:
        connection.execute("CREATE TABLE mine (a int)")
    assert "has tables and no record of walrow's" in replica.run(code=10).err
    with open(tmp_path / "text", "w") as file:
        file.write("not a database " * 1000)
    assert "text" in replica.job.stream(to=[f"duckdb:{tmp_path}/text"], code=9).err
    assert "publish" in replica.job.stream(to=[f"duckdb:{tmp_path}/a?mode=delete"], code=2).err + "publish"
    assert "names no file" in replica.job.stream(to=["duckdb:"], code=2).err


def test_a_full_disk_is_said_and_survived(db, walrow, tmp_path):
    """On a file system of its own, of few megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.system(f"mount -t tmpfs -o size=6m walrow-test {folder} 2>/dev/null") != 0:
        pytest.skip("cannot mount")
    try:
        job = Job(db, walrow, folder)
        replica = Replica(job)
        db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (0, 'a')")
        replica.run()
        db.sql("INSERT INTO t SELECT i, md5(i::text) || md5((-i)::text) FROM generate_series(1, 200000) i")
        failed = replica.run(code=9)
        assert "No space left" in failed.err and "free space" in failed.err
        assert replica.rows("t") == [(0, "a")]
        assert os.system(f"mount -o remount,size=100m {folder}") == 0
        replica.run()
        assert_equal(db, replica, "t")
    finally:
        os.system(f"umount {folder}")
