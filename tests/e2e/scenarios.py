"""Workloads for every source to agree on. Each lives in the schema of its name.

before:  the script that makes its tables, run before there is a slot
during:  what happens while the slots watch, each text one execution (several statements in one are one transaction)
"""

import dataclasses

from postgres import server_version
from streaming import PGOUTPUT_HAS_MESSAGES


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    before: str
    during: tuple
    inserts_only: tuple = ()  # tables without an identity


SCENARIOS = {}


def scenario(name, before, *during, inserts_only=()):
    seen_by_all = tuple(step for step in during if PGOUTPUT_HAS_MESSAGES or "pg_logical_emit_message" not in step)
    SCENARIOS[name] = Scenario(name, before, seen_by_all, inserts_only)


def leave(db):
    """Drop the database they were in, and what is the whole server's: their origins."""
    db.sql("SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin")
    db.drop()


BIG = "repeat('x', 100000)"
NOISE = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, {}) i)"  # compression does not help

# ---- replica identities -------------------------------------------------------------------------------------

CHANGES = (
    "INSERT INTO t SELECT i, 'v' || i, CASE WHEN i % 3 > 0 THEN i END FROM generate_series(10, 30) i",
    "UPDATE t SET n = n + 1 WHERE id % 2 = 0",
    "UPDATE t SET n = n, v = v WHERE id = 11",
    "UPDATE t SET v = v || '!' WHERE id % 5 = 0",
    "UPDATE t SET id = id + 100 WHERE id BETWEEN 12 AND 14",
    "UPDATE t SET n = NULL WHERE id % 7 = 0",
    "DELETE FROM t WHERE id % 3 = 0",
    "BEGIN", "UPDATE t SET id = -id WHERE id = 20", "UPDATE t SET id = 1000, v = 'twice' WHERE id = -20", "DELETE FROM t WHERE id = 1000",
    "INSERT INTO t VALUES (1000, 'again', 1)", "COMMIT",
    "TRUNCATE t",
    "INSERT INTO t VALUES (1, '', 0) ON CONFLICT DO NOTHING",
)  # fmt: skip
PLAIN = "CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL, n int); INSERT INTO t VALUES (1, 'a', NULL), (2, 'b', 2);"

scenario("identity_default", PLAIN, *CHANGES)
scenario("identity_full", PLAIN + "ALTER TABLE t REPLICA IDENTITY FULL", *CHANGES)
scenario("identity_index", PLAIN + "CREATE UNIQUE INDEX by_v ON t (v); ALTER TABLE t REPLICA IDENTITY USING INDEX by_v", *CHANGES)
scenario("identity_full_without_key", "CREATE TABLE t (id int, v text, n int); ALTER TABLE t REPLICA IDENTITY FULL", *CHANGES)
scenario(
    "identity_nothing",
    "CREATE TABLE t (id int, v text); ALTER TABLE t REPLICA IDENTITY NOTHING; CREATE TABLE empty ();"
    "CREATE TABLE keyless (id int, v text)",
    "INSERT INTO t VALUES (1, 'a'), (2, NULL); INSERT INTO keyless SELECT * FROM t; INSERT INTO empty DEFAULT VALUES",
    "BEGIN", "INSERT INTO t VALUES (3, 'c')", "UPDATE t SET v = 'unseen'", "DELETE FROM t WHERE id = 1", "UPDATE keyless SET id = 9",
    "INSERT INTO keyless VALUES (4, 'after what is not sent')", "TRUNCATE t, keyless", "INSERT INTO t VALUES (4, 'd')", "COMMIT",
    inserts_only=("t", "keyless", "empty"),
)  # fmt: skip
scenario(
    "identity_of_several_columns",
    "CREATE TABLE t (a int, v text, b text, c int, PRIMARY KEY (c, a, b)); INSERT INTO t VALUES (1, 'v', 'b', 2), (2, 'v', 'b', 3)",
    "UPDATE t SET v = 'w'",
    "UPDATE t SET a = 7 WHERE c = 2",
    "UPDATE t SET b = 'c', c = 8, v = NULL WHERE c = 3",
    "DELETE FROM t",
)
scenario(
    "identity_changes",
    PLAIN + "CREATE UNIQUE INDEX by_v ON t (v)",
    "UPDATE t SET n = 1",
    "ALTER TABLE t REPLICA IDENTITY FULL",
    "UPDATE t SET n = 2; DELETE FROM t WHERE id = 2",
    "BEGIN", "UPDATE t SET n = 3", "ALTER TABLE t REPLICA IDENTITY USING INDEX by_v", "UPDATE t SET v = 'c'", "COMMIT",
    "UPDATE t SET id = 5; UPDATE t SET v = 'd'",
    "ALTER TABLE t REPLICA IDENTITY DEFAULT", "UPDATE t SET id = 6; UPDATE t SET v = 'e'",
    "ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (v, id)", "UPDATE t SET n = 4; UPDATE t SET id = 7", "DELETE FROM t",
)  # fmt: skip
# what changes in a key and is equal to its operators, or changes in its bytes alone
scenario(
    "identity_of_loose_types",
    "CREATE TABLE n (k numeric PRIMARY KEY, v int); INSERT INTO n VALUES (1.0, 0);"
    "CREATE TABLE f (k float8 PRIMARY KEY, v int); INSERT INTO f VALUES ('0', 0), ('NaN', 0);"
    "CREATE TABLE c (k zoo.citext PRIMARY KEY, v int); INSERT INTO c VALUES ('Key', 0);"
    "CREATE TABLE i (k interval PRIMARY KEY, v int); INSERT INTO i VALUES ('1 mon', 0);"
    "CREATE TABLE j (k jsonb PRIMARY KEY, v int); INSERT INTO j VALUES ('{\"a\": 1.0}', 0);"
    "CREATE TABLE d (k numeric(12, 2) PRIMARY KEY, v int); INSERT INTO d VALUES ('NaN', 0);"
    "CREATE TABLE z (k timetz PRIMARY KEY, v int); INSERT INTO z VALUES ('12:00+00', 0);"
    "CREATE TABLE s (k zoo.pair PRIMARY KEY, v int); INSERT INTO s VALUES (ROW(1, 'a'), 0)",
    "UPDATE n SET k = 1.00; UPDATE n SET v = 1; UPDATE n SET k = 1.000, v = 2",
    "UPDATE f SET k = '-0' WHERE k = 0; UPDATE f SET k = k, v = 1; UPDATE f SET k = -k, v = 2",
    "UPDATE c SET k = 'KEY'; UPDATE c SET k = lower(k), v = 1",
    "UPDATE i SET k = '30 days'; UPDATE i SET k = '720:00:00'",
    "UPDATE j SET k = '{\"a\": 1.00}'; UPDATE j SET k = '{\"a\": 1.00 }'",
    "UPDATE d SET k = 'NaN', v = 1; UPDATE d SET k = 1.5; UPDATE d SET k = 'NaN'; DELETE FROM d",
    "UPDATE z SET k = '13:00+01'",
    "UPDATE s SET k = ROW(1, 'b'); UPDATE s SET v = 1; DELETE FROM s",
)
scenario(
    "identity_that_changes_in_bytes_only",
    "CREATE TABLE a (k int[] PRIMARY KEY, v int); INSERT INTO a VALUES ('{1,NULL}', 0)",
    "UPDATE a SET k[2] = 2",  # keeps its bitmap of nulls, although nothing is null
    "UPDATE a SET k = '{1,2}', v = 1",
    "DELETE FROM a",
)

# ---- TOAST --------------------------------------------------------------------------------------------------

TOAST = (
    "CREATE TABLE t (id int PRIMARY KEY, n int, big text, j jsonb, a text[], b bytea);"
    "ALTER TABLE t ALTER big SET STORAGE EXTERNAL;"
    f"INSERT INTO t SELECT i, i, {BIG}, jsonb_build_object('k', {NOISE.format(300)}), ARRAY[{NOISE.format(200)}, NULL], decode({NOISE.format(200)}, 'hex')"
    " FROM generate_series(1, 4) i;"
)
TOAST_CHANGES = (
    "UPDATE t SET n = 2",
    "UPDATE t SET big = big || 'y' WHERE id = 1",
    "UPDATE t SET big = NULL, j = NULL WHERE id = 2",
    "UPDATE t SET id = 10 WHERE id = 3",
    "UPDATE t SET a = '{}', n = NULL WHERE id = 1",
    f"INSERT INTO t VALUES (5, NULL, {BIG}, '{{}}', NULL, NULL)",
    "BEGIN", "UPDATE t SET n = 7 WHERE id = 5", "UPDATE t SET big = big || 'z' WHERE id = 5", "UPDATE t SET n = 8 WHERE id = 5", "COMMIT",
    "DELETE FROM t WHERE id IN (1, 10)",
)  # fmt: skip
scenario("toast_default", TOAST, *TOAST_CHANGES)
scenario("toast_full", TOAST + "ALTER TABLE t REPLICA IDENTITY FULL", *TOAST_CHANGES)
scenario(
    "toast_in_key",
    "CREATE TABLE t (k text PRIMARY KEY, n int, big text); ALTER TABLE t ALTER k SET STORAGE EXTERNAL, ALTER big SET STORAGE EXTERNAL;"
    f"INSERT INTO t SELECT {NOISE.format(80)}, 1, {BIG}",
    "UPDATE t SET n = 2", "UPDATE t SET big = 'small'", "UPDATE t SET k = k || 'x'", "UPDATE t SET k = 'short', n = 3", "DELETE FROM t",
)  # fmt: skip
scenario(
    "toast_of_odd_types",
    "CREATE TABLE t (id int PRIMARY KEY, n int, s zoo.pair, m zoo.hstore, d numeric, x zoo.label, c zoo.citext, p zoo.pair[]);"
    f"INSERT INTO t SELECT 1, 1, ROW(1, {NOISE.format(300)})::zoo.pair, zoo.hstore('k', {NOISE.format(300)}), repeat('9', 9000)::numeric, {NOISE.format(300)},"
    f" {NOISE.format(300)}, ARRAY[ROW(2, {NOISE.format(300)})::zoo.pair]",
    "UPDATE t SET n = 2", "UPDATE t SET s = ROW(3, repeat('y', 5000))", "UPDATE t SET s = NULL, m = m || 'a=>1', d = d + 1",
    "ALTER TABLE t REPLICA IDENTITY FULL", "UPDATE t SET n = 3", "DELETE FROM t",
)  # fmt: skip
scenario(
    "megabytes",
    "CREATE TABLE t (id int PRIMARY KEY, v text, b bytea); ALTER TABLE t REPLICA IDENTITY FULL",
    f"INSERT INTO t SELECT i, {NOISE.format(131072)}, decode({NOISE.format(131072)}, 'hex') FROM generate_series(1, 2) i",
    "UPDATE t SET id = id + 10 WHERE id = 1",
    "DELETE FROM t WHERE id = 2",
)

# ---- partitions ---------------------------------------------------------------------------------------------

PARTED = (
    "CREATE TABLE t (id int PRIMARY KEY, v text, big text) PARTITION BY RANGE (id);"
    "CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10);"
    "CREATE TABLE high (big text, v text, junk int, id int NOT NULL); ALTER TABLE high DROP junk;"
    "ALTER TABLE t ATTACH PARTITION high FOR VALUES FROM (10) TO (20);"
    "CREATE TABLE deep PARTITION OF t FOR VALUES FROM (20) TO (40) PARTITION BY RANGE (id);"
    "CREATE TABLE deeper PARTITION OF deep FOR VALUES FROM (20) TO (30);"
    f"INSERT INTO t VALUES (1, 'a', {BIG}), (2, 'b', NULL), (11, 'c', {BIG}), (21, 'd', '');"
)
PARTED_CHANGES = (
    "INSERT INTO t VALUES (3, 'e', NULL), (12, 'f', NULL), (22, 'g', NULL)",
    "UPDATE t SET v = v || '+'",
    "UPDATE t SET v = v WHERE id < 3",
    "UPDATE t SET id = id + 15 WHERE id IN (1, 11)",
    "UPDATE t SET id = 5 WHERE id = 2",
    "DELETE FROM t WHERE id IN (12, 22)",
    "INSERT INTO high (id, v) VALUES (15, 'straight into the leaf')",
    "TRUNCATE low", "BEGIN", "INSERT INTO t VALUES (4, 'h', NULL)", "TRUNCATE t", "INSERT INTO t VALUES (4, 'i', NULL)", "COMMIT",
)  # fmt: skip
scenario("partitions", PARTED, *PARTED_CHANGES)
scenario("partitions_full_leaves_under_default_root", PARTED + "ALTER TABLE low REPLICA IDENTITY FULL; ALTER TABLE high REPLICA IDENTITY FULL", *PARTED_CHANGES)
scenario(
    "partitions_default_leaves_under_full_root",
    PARTED + "ALTER TABLE ONLY t REPLICA IDENTITY FULL",
    *PARTED_CHANGES,
)
scenario(
    "partitions_all_full",
    PARTED + "ALTER TABLE ONLY t REPLICA IDENTITY FULL; ALTER TABLE low REPLICA IDENTITY FULL; ALTER TABLE high REPLICA IDENTITY FULL; ALTER TABLE deeper REPLICA IDENTITY FULL",
    *PARTED_CHANGES,
)
scenario(
    # a root's RENAME, key and identity are not announced in a running session (DESIGN 3), its columns are
    "partitions_that_change",
    PARTED,
    "UPDATE t SET v = 'x' WHERE id = 1",
    "ALTER TABLE t ADD w int DEFAULT 5", "INSERT INTO t VALUES (13, 'w', NULL, 6)", "UPDATE t SET v = 'y' WHERE id IN (1, 11)",
    "ALTER TABLE t DROP v", "UPDATE t SET w = w + 1", "ALTER TABLE t RENAME w TO v", "DELETE FROM t WHERE id > 10",
    "CREATE TABLE more PARTITION OF t FOR VALUES FROM (40) TO (50)", "INSERT INTO t VALUES (41, NULL, 7)", "UPDATE t SET id = 42 WHERE id = 41",
)  # fmt: skip

# ---- TRUNCATE, savepoints, kinds of insert ------------------------------------------------------------------

scenario(
    "truncate_of_several",
    "CREATE TABLE b (id serial PRIMARY KEY); CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, a int REFERENCES a);"
    "INSERT INTO a VALUES (1); INSERT INTO c VALUES (1, 1)",
    "TRUNCATE b, a, c",
    "BEGIN", "INSERT INTO b DEFAULT VALUES", "TRUNCATE a CASCADE", "INSERT INTO a VALUES (2)", "TRUNCATE b RESTART IDENTITY", "TRUNCATE b, b", "COMMIT",
    "BEGIN", "TRUNCATE a, c", "ROLLBACK",
    "BEGIN", "SAVEPOINT s", "TRUNCATE c", "ROLLBACK TO s", "INSERT INTO b VALUES (77)", "COMMIT",
)  # fmt: skip
scenario(
    "savepoints",
    "CREATE TABLE t (id int PRIMARY KEY, v text)",
    "BEGIN", "INSERT INTO t VALUES (1, 'kept')", "SAVEPOINT a", "INSERT INTO t VALUES (2, 'gone')", "SAVEPOINT b", "INSERT INTO t VALUES (3, 'gone')",
    "RELEASE b", "ROLLBACK TO a", "INSERT INTO t VALUES (2, 'kept')", "SAVEPOINT c", "UPDATE t SET v = v || '!'", "SAVEPOINT d",
    "DELETE FROM t WHERE id = 1", "ROLLBACK TO d", "RELEASE c", "COMMIT",
    "BEGIN", "INSERT INTO t VALUES (9, 'gone')", "SAVEPOINT a", "INSERT INTO t VALUES (10, 'gone')", "ROLLBACK",
    "BEGIN", "SAVEPOINT a", "INSERT INTO t VALUES (11, 'gone')", "ROLLBACK TO a", "COMMIT",
    "DO $$ BEGIN FOR i IN 20 .. 60 LOOP BEGIN INSERT INTO t VALUES (i, 'of a subtransaction');"
    " IF i % 3 = 0 THEN RAISE division_by_zero; END IF; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$",
    "BEGIN", "SAVEPOINT a", "ALTER TABLE t ADD w int", "INSERT INTO t VALUES (70, 'gone', 1)", "ROLLBACK TO a", "INSERT INTO t VALUES (70, 'kept')", "COMMIT",
)  # fmt: skip
MERGE = (
    "MERGE INTO t USING (VALUES (1, 'm'), (3, 'm'), (4, 'm')) s(id, v) ON t.id = s.id WHEN MATCHED AND s.id = 3 THEN DELETE"
    " WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)",
)
scenario(
    "kinds_of_insert",
    "CREATE TABLE t (id int PRIMARY KEY, v text DEFAULT 'default', g int GENERATED ALWAYS AS (id * 2) STORED, i int GENERATED ALWAYS AS IDENTITY)",
    "INSERT INTO t VALUES (1), (2)", "INSERT INTO t VALUES (1, 'up') ON CONFLICT (id) DO UPDATE SET v = excluded.v",
    "INSERT INTO t VALUES (1), (3) ON CONFLICT DO NOTHING",
    "COPY (SELECT i, 'copied ' || i FROM generate_series(10, 500) i) TO '{file}'", "COPY t (id, v) FROM '{file}'",
    "WITH moved AS (DELETE FROM t WHERE id BETWEEN 10 AND 20 RETURNING id, v) INSERT INTO t SELECT id + 1000, v FROM moved",
    *(MERGE if server_version() >= 15 else ()),
    "CREATE TEMP TABLE mine (id int); INSERT INTO mine VALUES (1); DROP TABLE mine",
    "CREATE UNLOGGED TABLE loose (id int); INSERT INTO loose VALUES (1)",
    "CREATE MATERIALIZED VIEW seen AS SELECT * FROM t", "REFRESH MATERIALIZED VIEW seen",
)  # fmt: skip
scenario(
    "prepared",
    "CREATE TABLE t (id int PRIMARY KEY)",
    "BEGIN", "INSERT INTO t VALUES (1), (2)", "SAVEPOINT a", "INSERT INTO t VALUES (7)", "ROLLBACK TO a", "PREPARE TRANSACTION 'two'",
    "INSERT INTO t VALUES (3)", "COMMIT PREPARED 'two'",
    "BEGIN", "INSERT INTO t VALUES (4)", "PREPARE TRANSACTION 'no'", "ROLLBACK PREPARED 'no'",
)  # fmt: skip

# ---- DDL ----------------------------------------------------------------------------------------------------

scenario(
    "ddl_between",
    "CREATE TABLE t (id int PRIMARY KEY, v text, n int, gone int)",
    "INSERT INTO t VALUES (1, 'a', 1, 1)",
    "ALTER TABLE t ADD w numeric(8, 2) DEFAULT 1.5", "INSERT INTO t VALUES (2, 'b', 2, 2, 2.25)", "UPDATE t SET v = 'c' WHERE id = 1",
    "ALTER TABLE t DROP gone", "UPDATE t SET v = 'd'", "ALTER TABLE t RENAME v TO \"V ü\"", "UPDATE t SET \"V ü\" = 'e'",
    "ALTER TABLE t ALTER n TYPE text", "UPDATE t SET n = 'text'", "ALTER TABLE t ALTER w TYPE numeric(9, 3)", "UPDATE t SET w = w + 0.125",
    "ALTER TABLE t ALTER n TYPE varchar(30), ALTER id TYPE bigint", "INSERT INTO t VALUES (5000000000, 'f', 'g', NULL)",
    "ALTER TABLE t ALTER n SET NOT NULL; CREATE INDEX ON t (n); COMMENT ON TABLE t IS 'no epoch'; ANALYZE t", "DELETE FROM t WHERE id = 2",
    "ALTER TABLE t RENAME TO u", "INSERT INTO u VALUES (3, 'h', 'i', 3)", "ALTER TABLE u RENAME TO t", "UPDATE t SET w = 4 WHERE id = 3",
    "ALTER TABLE t ALTER w TYPE numeric(8, 2)", "UPDATE t SET w = w + 1", "VACUUM FULL t", "UPDATE t SET w = w + 1",
)  # fmt: skip
scenario(
    "ddl_inside",
    "CREATE TABLE t (id int PRIMARY KEY, v text, n int); INSERT INTO t VALUES (1, 'a', 1); CREATE TABLE other (id int PRIMARY KEY)",
    "BEGIN", "UPDATE t SET v = 'b'", "INSERT INTO other VALUES (1)", "ALTER TABLE t ADD w int DEFAULT 7", "UPDATE t SET w = 8", "INSERT INTO other VALUES (2)",
    "ALTER TABLE t ALTER n TYPE bigint", "UPDATE t SET n = 5000000000", "SAVEPOINT a", "ALTER TABLE t DROP w", "INSERT INTO t VALUES (2, 'gone', 2)",
    "ROLLBACK TO a", "INSERT INTO t VALUES (2, 'kept', 2, 2)", "ALTER TABLE t DROP v", "DELETE FROM t WHERE id = 2", "COMMIT",
    "INSERT INTO t VALUES (3, 3, 3)",
    "BEGIN", "ALTER TABLE t RENAME TO u", "INSERT INTO u VALUES (4, 4, 4)", "ALTER TABLE u RENAME TO t", "INSERT INTO t VALUES (5, 5, 5)", "COMMIT",
    "BEGIN", "ALTER TABLE t ADD z text", "UPDATE t SET z = 'gone'", "ROLLBACK", "UPDATE t SET w = 0",
)  # fmt: skip
scenario(
    "ddl_that_comes_back",
    "CREATE TABLE t (id int PRIMARY KEY, v text)",
    *(step for i in range(6) for step in (f"INSERT INTO t VALUES ({i}, 'a')", f"ALTER TABLE t RENAME {'v TO w' if i % 2 == 0 else 'w TO v'}")),
    "DROP TABLE t", "CREATE TABLE t (id int PRIMARY KEY, v text)",
)  # fmt: skip
# what a type was then is not asked of pgoutput; labels and what is added to a type's end do not matter to it
scenario(
    "types_that_grow",
    "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (id int PRIMARY KEY, m mood, ms mood[])",
    "INSERT INTO t VALUES (1, 'sad', '{sad}')", "ALTER TYPE mood ADD VALUE 'new, \"odd\"'", "INSERT INTO t VALUES (2, 'new, \"odd\"', ARRAY['new, \"odd\"', NULL]::mood[])",
    "CREATE DOMAIN price AS numeric(6, 2) CHECK (VALUE > 0); ALTER TABLE t ADD p price, ADD ps price[]", "INSERT INTO t VALUES (3, NULL, NULL, 1.5, '{2.25,NULL}')",
    "CREATE TYPE shape AS (a int, p price, \"b ü\" text); ALTER TABLE t ADD s shape", "INSERT INTO t VALUES (4, NULL, NULL, NULL, NULL, '(7,1.25,\"x, y\")')",
)  # fmt: skip

# ---- names and widths ---------------------------------------------------------------------------------------

scenario(
    'Odd.Schema "quoted" ü/%',
    'CREATE TABLE "a ""b"" %/ü" ("C, x]" int PRIMARY KEY, " "" : y" text, "ид" int, "NULL" text);'
    'CREATE TABLE own (id int PRIMARY KEY, _op text); CREATE TABLE "T" (id int PRIMARY KEY, "ID" int); CREATE TABLE t (id int PRIMARY KEY);'
    f'CREATE TABLE {"n" * 63} ({"c" * 63} int PRIMARY KEY); CREATE TABLE "{"ü" * 31}" (id int PRIMARY KEY)',
    'INSERT INTO "a ""b"" %/ü" VALUES (1, \'v\', 2, NULL); UPDATE "a ""b"" %/ü" SET "C, x]" = 3; DELETE FROM "a ""b"" %/ü"',
    "INSERT INTO own VALUES (1, 'mine'); UPDATE own SET id = 2; INSERT INTO \"T\" VALUES (1, 2); INSERT INTO t VALUES (3)",
    f'INSERT INTO {"n" * 63} VALUES (1); INSERT INTO "{"ü" * 31}" VALUES (1)',
)
scenario(
    "many_columns",
    f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(f'c{i} ' + ('int', 'text', 'bool', 'numeric(9,1)', 'float8', 'int[]')[i % 6] for i in range(299))})",
    "INSERT INTO t (id) VALUES (1)",
    "INSERT INTO t (id, c0, c1, c2, c3, c297, c298) VALUES (2, 3, 'x', true, 1.5, NULL, 2.5)",
    *(f"UPDATE t SET c{i} = DEFAULT, c{i + 6} = c{i % 6} WHERE id = 2" for i in range(0, 60, 7)),
    "UPDATE t SET id = 3 WHERE id = 2", "DELETE FROM t",
)  # fmt: skip

# ---- messages and origins: they are in the events ------------------------------------------------------------

scenario(
    "messages",
    "CREATE TABLE t (id int PRIMARY KEY)",
    "SELECT pg_logical_emit_message(false, 'alone', 'before anything')",
    "SELECT pg_logical_emit_message(true, 'in one of its own', '')",
    "BEGIN", "SELECT pg_logical_emit_message(true, 'prefix ü', E'two\\nlines \"quoted\" ü')", "INSERT INTO t VALUES (1)",
    "SELECT pg_logical_emit_message(false, 'alone', 'inside')", "SELECT pg_logical_emit_message(true, '', '\\x00ff'::bytea)", "INSERT INTO t VALUES (2)",
    "SAVEPOINT a", "SELECT pg_logical_emit_message(true, 'gone', 'gone')", "SELECT pg_logical_emit_message(false, 'stays', 'rolled back')", "ROLLBACK TO a", "COMMIT",
    "BEGIN", "SELECT pg_logical_emit_message(true, 'gone', 'gone')", "SELECT pg_logical_emit_message(false, 'stays', repeat('x', 20000))", "ROLLBACK",
    "SELECT pg_logical_emit_message(true, 'large', repeat('y', 3000000))",
)  # fmt: skip
scenario(
    "origins",
    "CREATE TABLE t (id int PRIMARY KEY)",
    "SELECT pg_replication_origin_create('odd \"origin\" ü')", "SELECT pg_replication_origin_session_setup('odd \"origin\" ü')", "INSERT INTO t VALUES (1)",
    "BEGIN", "SELECT pg_replication_origin_xact_setup('0/1234', '2020-01-01')", "INSERT INTO t VALUES (2)", "SELECT pg_logical_emit_message(true, 'p', 'c')", "COMMIT",
    "SELECT pg_logical_emit_message(true, 'alone', 'of an origin')", "SELECT pg_replication_origin_session_reset()", "INSERT INTO t VALUES (3)",
)  # fmt: skip
