"""What _old, _unchanged and the row of a delete hold, form by form of replica identity; and changes of the schema."""

import json

import pytest

from streaming import own_values, ways

pytestmark = ways("binary", "text", "wal2arrow")

BIG = "repeat('x', 100000)"


@pytest.fixture
def stream(db, job):
    """stream(table, dml): create it, set up, change it; the rows."""

    def run(ddl, dml, table="t"):
        db.sql(ddl)
        job.setup()
        db.sql(dml)
        job.stream()
        return job.rows(table)

    return run


PLAIN = "CREATE TABLE t (id int PRIMARY KEY, v text, n int); INSERT INTO t VALUES (1, 'a', NULL), (2, 'b', 2);"
FULL = PLAIN + "ALTER TABLE t REPLICA IDENTITY FULL;"
INDEX = (
    "CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL, n int); CREATE UNIQUE INDEX by_v ON t (v);"
    "ALTER TABLE t REPLICA IDENTITY USING INDEX by_v; INSERT INTO t VALUES (1, 'a', NULL), (2, 'b', 2);"
)
TOAST = (
    "CREATE TABLE t (id int PRIMARY KEY, n int, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;"
    f"INSERT INTO t VALUES (1, 1, {BIG});"
)


def test_default_update_of_other_columns_has_no_old(stream):
    (row,) = stream(PLAIN, "UPDATE t SET v = 'c' WHERE id = 1")
    assert (row["_op"], row["_old"], own_values(row)) == ("U", None, {"id": 1, "v": "c", "n": None})


def test_default_update_of_the_key_has_the_old_key(stream):
    (row,) = stream(PLAIN, "UPDATE t SET id = 7 WHERE id = 1")
    assert (row["_old"], row["id"]) == ({"id": 1, "v": None, "n": None}, 7)


def test_default_delete_has_the_key_only(stream):
    (row,) = stream(PLAIN, "DELETE FROM t WHERE id = 2")
    assert (row["_op"], row["_old"], own_values(row)) == ("D", None, {"id": 2, "v": None, "n": None})


def test_full_update_has_the_whole_old_row(stream):
    (row,) = stream(FULL, "UPDATE t SET v = 'c' WHERE id = 2")
    assert (row["_old"], own_values(row)) == ({"id": 2, "v": "b", "n": 2}, {"id": 2, "v": "c", "n": 2})


def test_full_update_that_changes_nothing_has_the_old_row_still(stream):
    (row,) = stream(FULL, "UPDATE t SET v = v WHERE id = 2")
    assert row["_old"] == {"id": 2, "v": "b", "n": 2}


def test_full_delete_has_the_whole_row(stream):
    (row,) = stream(FULL, "DELETE FROM t WHERE id = 2")
    assert (row["_old"], own_values(row)) == (None, {"id": 2, "v": "b", "n": 2})


def test_index_update_of_its_column_has_the_old_one(stream):
    (row,) = stream(INDEX, "UPDATE t SET v = 'c' WHERE id = 1")
    assert row["_old"] == {"id": None, "v": "a", "n": None}


def test_index_update_of_the_primary_key_has_no_old(stream):
    (row,) = stream(INDEX, "UPDATE t SET id = 5 WHERE id = 1")
    assert (row["_old"], row["id"], row["v"]) == (None, 5, "a")


def test_index_delete_has_its_column_only(stream):
    (row,) = stream(INDEX, "DELETE FROM t WHERE id = 2")
    assert own_values(row) == {"id": None, "v": "b", "n": None}


def test_nothing_is_refused_until_inserts_only_are_asked_for(db, job):
    db.sql("CREATE TABLE t (id int, v text); ALTER TABLE t REPLICA IDENTITY NOTHING")
    assert job.walrow(*job.arguments("setup")).code == 7
    job.setup("--insert-only", "public.t")
    db.sql("INSERT INTO t VALUES (1, 'a'); UPDATE t SET v = 'b'; DELETE FROM t; INSERT INTO t VALUES (2, 'c')")
    job.stream("--insert-only", "public.t")
    assert [(row["_op"], row["id"]) for row in job.rows("t")] == [("I", 1), ("I", 2)]


@pytest.mark.parametrize(
    "ddl, key", [(PLAIN, ["id"]), (INDEX, ["v"]), (FULL, ["id", "v", "n"])], ids=["default", "index", "full"]
)
def test_the_metadata_name_the_table_and_its_key(db, job, walrow, ddl, key):
    db.sql(ddl)
    job.setup()
    db.sql("INSERT INTO t VALUES (9, 'z', 9)")
    job.stream()
    (file,) = job.files("t")
    assert json.loads(file.metadata["walrow.key"]) == key
    assert (file.metadata["walrow.schema"], file.metadata["walrow.table"]) == ("public", "t")
    assert int(file.metadata["walrow.relid"]) == db.value("SELECT 't'::regclass::oid::int8")
    assert len(file.metadata["walrow.epoch"]) == 16
    assert file.metadata["walrow.version"] in walrow("version").out.split()


def test_unchanged_toast_is_null_and_named(stream):
    (row,) = stream(TOAST, "UPDATE t SET n = 2")
    assert (row["n"], row["big"], row["_unchanged"], row["_old"]) == (2, None, ["big"], None)


def test_a_changed_toast_is_whole(stream):
    (row,) = stream(TOAST, "UPDATE t SET big = repeat('y', 100000)")
    assert (row["big"], row["_unchanged"]) == ("y" * 100000, None)


def test_an_sql_null_is_not_unchanged(stream):
    (row,) = stream(TOAST, "UPDATE t SET big = NULL")
    assert (row["big"], row["_unchanged"]) == (None, None)


def test_full_fills_unchanged_toast_from_the_old_row(stream):
    (row,) = stream(TOAST + "ALTER TABLE t REPLICA IDENTITY FULL;", "UPDATE t SET n = 2")
    assert (row["big"], row["_unchanged"]) == ("x" * 100000, None)
    assert row["_old"] == {"id": 1, "n": 1, "big": "x" * 100000}


def test_a_toasted_key_is_filled_in_and_gives_no_old(stream):
    ddl = (
        "CREATE TABLE t (k text PRIMARY KEY, n int); ALTER TABLE t ALTER k SET STORAGE EXTERNAL;"
        "INSERT INTO t SELECT string_agg(md5(i::text), ''), 1 FROM generate_series(1, 80) i;"
    )
    (row,) = stream(ddl, "UPDATE t SET n = 2")
    assert (len(row["k"]), row["_unchanged"], row["_old"]) == (2560, None, None)


def test_truncate_is_a_row_of_nulls(stream):
    (row,) = stream(PLAIN, "TRUNCATE t")
    assert (row["_op"], row["_old"], own_values(row)) == ("T", None, {"id": None, "v": None, "n": None})


ROOT = (
    "CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);"
    "CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10);"
    "CREATE TABLE high (v text, junk int, id int NOT NULL); ALTER TABLE high DROP junk;"
    "ALTER TABLE t ATTACH PARTITION high FOR VALUES FROM (10) TO (20);"
)


def test_partitions_are_their_root(db, new_job):
    db.sql(ROOT)
    job = new_job("root", tables="public.t")
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'a'), (11, 'b'); UPDATE t SET id = 12 WHERE id = 1; DELETE FROM t WHERE id = 11")
    job.stream()
    assert [(r["_op"], r["id"], r["v"]) for r in job.rows("t")] == [
        ("I", 1, "a"), ("I", 11, "b"), ("D", 1, None), ("I", 12, "a"), ("D", 11, None),
    ]  # fmt: skip
    assert list(job.lake) == ["public.t"]


def test_a_full_leaf_under_a_default_root_keeps_what_came(db, new_job):
    db.sql(ROOT + "ALTER TABLE low REPLICA IDENTITY FULL; INSERT INTO t VALUES (1, 'a'), (2, 'b');")
    job = new_job("root", tables="public.t")
    job.setup()
    db.sql("UPDATE t SET v = 'c' WHERE id = 1; UPDATE t SET v = v WHERE id = 2; DELETE FROM t WHERE id = 2")
    job.stream()
    update, same, delete = job.rows("t")
    assert update["_old"] == {"id": 1, "v": "a"}
    assert same["_old"] is None
    assert own_values(delete) == {"id": 2, "v": "b"}


# ---- schema changes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ddl, insert, columns",
    [
        ("ALTER TABLE t ADD w int", "(2, 'b', 2, 3)", {"id": 2, "v": "b", "n": 2, "w": 3}),
        ("ALTER TABLE t DROP v", "(2, 2)", {"id": 2, "n": 2}),
        ("ALTER TABLE t RENAME v TO w", "(2, 'b', 2)", {"id": 2, "w": "b", "n": 2}),
        ("ALTER TABLE t ALTER n TYPE text", "(2, 'b', 'two')", {"id": 2, "v": "b", "n": "two"}),
        ("ALTER TABLE t ALTER n TYPE numeric(5,1)", "(2, 'b', 2)", None),
    ],
)
def test_a_changed_table_is_a_new_epoch_in_a_new_file(db, job, ddl, insert, columns):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text, n int)")
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'a', 1)")
    db.sql(ddl)
    db.sql(f"INSERT INTO t VALUES {insert}")
    job.stream()
    before, after = job.files("t")
    assert [own_values(row) for row in before.table.to_pylist()] == [{"id": 1, "v": "a", "n": 1}]
    if columns is not None:
        assert [own_values(row) for row in after.table.to_pylist()] == [columns]
    assert before.metadata["walrow.epoch"] != after.metadata["walrow.epoch"]
    assert before.metadata["walrow.relid"] == after.metadata["walrow.relid"]


def test_a_change_back_is_the_epoch_it_was(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    job.setup()
    for i, ddl in enumerate(["ALTER TABLE t RENAME v TO w", "ALTER TABLE t RENAME w TO v", "SELECT 1"]):
        db.sql(f"INSERT INTO t VALUES ({i}, 'a')")
        db.sql(ddl)
    job.stream()
    first, second, third = [file.metadata["walrow.epoch"] for file in job.files("t")]
    assert first == third != second


def test_a_schema_change_within_a_transaction_keeps_every_row(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    job.setup()
    with db.connect(autocommit=False) as connection:
        connection.execute("INSERT INTO t VALUES (1, 'a')")
        connection.execute("ALTER TABLE t ADD w int")
        connection.execute("INSERT INTO t VALUES (2, 'b', 3)")
    job.stream()
    assert [(r["_seq"], r["id"], r.get("w")) for r in job.rows("t")] == [(0, 1, None), (1, 2, 3)]


def test_a_renamed_table_goes_on_under_its_new_name(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    job.setup()
    db.sql("INSERT INTO t VALUES (1)")
    db.sql("ALTER TABLE t RENAME TO u")
    db.sql("INSERT INTO u VALUES (2)")
    job.stream()
    (before,), (after,) = job.files("t"), job.files("u")
    assert [row["id"] for row in job.rows("t") + job.rows("u")] == [1, 2]
    assert before.metadata["walrow.epoch"] == after.metadata["walrow.epoch"]


def test_a_dropped_and_made_again_table_is_another_file(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    job.snapshot()
    db.sql("INSERT INTO t VALUES (1)")
    job.snapshot()
    db.sql("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    job.snapshot()
    relids = {file.metadata["walrow.relid"] for file in job.files("t")}
    assert ([row["id"] for row in job.rows("t")], len(relids)) == ([1, 1], 2)


# ---- names --------------------------------------------------------------------------------------------------


def test_a_table_that_owns_one_of_our_names_gets_all_of_them_prefixed(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, _op text)")
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'mine')")
    job.stream()
    (row,) = job.rows("t")
    ours = ["op", "commit_lsn", "seq", "xid", "commit_time", "unchanged", "old"]
    assert list(row) == [f"_walrow_{name}" for name in ours] + ["id", "_op"]
    assert (row["_walrow_op"], row["_op"]) == ("I", "mine")


def test_odd_names_are_kept(db, new_job):
    name = '"Odd.Schema"."a ""b"" %/ü"'
    db.sql(f'CREATE SCHEMA "Odd.Schema"; CREATE TABLE {name} ("C, x]" int PRIMARY KEY, " "" : y" text)')
    job = new_job("odd", tables=name)
    job.setup()
    db.sql(f"INSERT INTO {name} VALUES (1, 'v')")
    job.stream()
    (file,) = job.lake['Odd.Schema.a "b" %/ü']
    assert [own_values(row) for row in file.table.to_pylist()] == [{"C, x]": 1, ' " : y': "v"}]
    assert file.path.split("/")[-2] == "Odd%2ESchema.a%20%22b%22%20%25%2F%C3%BC"


def test_names_that_differ_in_case_only_are_different(db, job):
    db.sql('CREATE TABLE t (id int PRIMARY KEY, "ID" int); CREATE TABLE "T" (id int PRIMARY KEY)')
    job.setup()
    db.sql('INSERT INTO t VALUES (1, 2); INSERT INTO "T" VALUES (3)')
    job.stream()
    assert [own_values(row) for row in job.rows("t") + job.rows("T")] == [{"id": 1, "ID": 2}, {"id": 3}]


@pytest.mark.parametrize("snapshot", ["initial", "never"])
def test_three_hundred_columns(db, job, snapshot):
    db.sql(f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(f'c{i} int' for i in range(299))})")
    if snapshot == "never":
        job.setup()
    db.sql(f"INSERT INTO t VALUES (1, {', '.join(map(str, range(299)))})")
    job.stream(snapshot=snapshot)
    assert [own_values(row) for row in job.rows("t")] == [{"id": 1} | {f"c{i}": i for i in range(299)}]


def test_a_table_without_columns_counts_its_rows(db, job):
    db.sql("CREATE TABLE t ()")
    job.setup("--insert-only", "public.t")
    db.sql("INSERT INTO t DEFAULT VALUES")
    job.stream("--insert-only", "public.t")
    assert job.ops("t") == "I"


def test_a_snapshot_has_a_generated_column_where_the_stream_has(db, new_job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)")
    stream, snapshot = new_job("stream"), new_job("snapshot")
    stream.setup()
    db.sql("INSERT INTO t VALUES (1)")
    stream.stream(), snapshot.snapshot()
    assert own_values(stream.rows("t")[0]) == own_values(snapshot.rows("t")[0])
    assert stream.table("t").schema.equals(snapshot.table("t").schema, check_metadata=True)
