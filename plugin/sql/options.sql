-- what a client may ask for, and what it is told otherwise
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SELECT 'made' FROM pg_create_logical_replication_slot('regress', 'wal2arrow');
CREATE TABLE t (id int PRIMARY KEY, a text);
CREATE TABLE other (id int PRIMARY KEY);
CREATE TABLE "Odd, name" (id int PRIMARY KEY);
INSERT INTO t VALUES (1, 'one');
INSERT INTO other VALUES (1);
INSERT INTO "Odd, name" VALUES (1);

-- binary unless text is asked for
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL);
SELECT substr(data, 1, 7) AS head, count(*) FROM pg_logical_slot_peek_binary_changes('regress', NULL, NULL) GROUP BY 1;

-- errors say what there is
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'colour', 'blue');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'parquet');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'max_rows', '0');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'max_rows', 'many');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'max_bytes', '1GB');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'tables', 't');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'tables', 'public."t');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'tables', '');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'types', 'public.t.a=int32');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'actions', 'insert,merge');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'messages', 'perhaps');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'origin', 'here');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'publication_names', 'p', 'tables', 'public.t');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'publication_names', '"');

-- tables by name
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off', 'tables', 'public.t, public.o?her');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off', 'tables', 'public."Odd, name"');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off', 'tables', 'pub*.*', 'exclude_tables', '*.o*,*.Odd*');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off', 'tables', 'public."*"');

-- another type
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off', 'tables', 'public.t', 'types', 'public.t.id=utf8');

-- what is not sent has its ordinal all the same
BEGIN;
INSERT INTO t VALUES (2, 'two');
UPDATE t SET a = 'zwei' WHERE id = 2;
DELETE FROM t WHERE id = 2;
TRUNCATE t;
COMMIT;
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off', 'tables', 'public.t', 'actions', 'update, truncate');

-- changes that came from elsewhere
SELECT 'made' FROM pg_logical_slot_get_changes('regress', NULL, NULL, 'format', 'text') LIMIT 1;
SELECT 'made' FROM pg_replication_origin_create('elsewhere');
SELECT pg_replication_origin_session_setup('elsewhere');
BEGIN;
SELECT pg_replication_origin_xact_setup('0/1', '2020-01-01');
INSERT INTO t VALUES (3, 'came');
COMMIT;
SELECT pg_replication_origin_session_reset();
INSERT INTO t VALUES (4, 'made here');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off');
SELECT data FROM pg_logical_slot_get_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off', 'origin', 'none');
SELECT pg_replication_origin_drop('elsewhere');

-- a message holds so many rows
INSERT INTO t SELECT i, 'many' FROM generate_series(10, 19) i;
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('regress', NULL, NULL);
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('regress', NULL, NULL, 'max_rows', '3');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('regress', NULL, NULL, 'max_rows', '3', 'format', 'compact');
INSERT INTO t SELECT i, repeat('many', 500) FROM generate_series(20, 29) i;
SELECT count(*) > 3 FROM pg_logical_slot_get_binary_changes('regress', NULL, NULL, 'max_bytes', '4kB');

DROP TABLE t, other, "Odd, name";
SELECT pg_drop_replication_slot('regress');
