-- inserts, updates, deletes, savepoints, several tables, whatever the replica identity gives
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT 'made' FROM pg_create_logical_replication_slot('regress', 'wal2arrow');
CREATE FUNCTION changes() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT data FROM pg_logical_slot_get_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off')
$$;

CREATE TABLE by_key (id int PRIMARY KEY, a text, b int);
CREATE TABLE by_nothing (id int PRIMARY KEY, a text);
CREATE TABLE by_all (id int, a text, b int);
CREATE TABLE by_index (id int PRIMARY KEY, a text, code text NOT NULL UNIQUE, b int);
CREATE TABLE keyless (a int);
ALTER TABLE by_nothing REPLICA IDENTITY NOTHING;
ALTER TABLE by_all REPLICA IDENTITY FULL;
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_code_key;

INSERT INTO by_key VALUES (1, 'one', NULL), (2, 'it''s', 2);
UPDATE by_key SET a = 'uno' WHERE id = 1;
UPDATE by_key SET id = 3 WHERE id = 2;
DELETE FROM by_key;
SELECT * FROM changes();

INSERT INTO by_nothing VALUES (1, 'one'), (2, 'two');
UPDATE by_nothing SET id = 3, a = 'uno' WHERE id = 1;
DELETE FROM by_nothing;
INSERT INTO keyless VALUES (1);
UPDATE keyless SET a = 2;
DELETE FROM keyless;
SELECT * FROM changes();

INSERT INTO by_all VALUES (1, 'one', NULL), (1, 'one', NULL), (NULL, NULL, NULL);
UPDATE by_all SET a = 'uno' WHERE id = 1;
UPDATE by_all SET id = id;
DELETE FROM by_all;
SELECT * FROM changes();

INSERT INTO by_index VALUES (1, 'one', 'I', 1);
UPDATE by_index SET id = 2;
UPDATE by_index SET code = 'II';
DELETE FROM by_index;
SELECT * FROM changes();

-- one transaction, several tables, ordinals across them; what is rolled back never was
BEGIN;
INSERT INTO by_key VALUES (1, 'kept', 1);
SAVEPOINT s;
INSERT INTO by_key VALUES (2, 'rolled back', 1);
INSERT INTO by_all VALUES (2, 'rolled back', 1);
ROLLBACK TO s;
INSERT INTO by_all VALUES (3, 'kept', 1);
INSERT INTO by_key VALUES (4, 'kept', 2);
COMMIT;
BEGIN;
INSERT INTO by_key VALUES (5, 'rolled back', 1);
ROLLBACK;
SELECT * FROM changes();

-- other ways in: on conflict, COPY, two-phase
INSERT INTO by_key VALUES (1, 'excluded', 2), (20, 'new', 2) ON CONFLICT (id) DO UPDATE SET b = excluded.b;
COPY by_key FROM stdin (DELIMITER ',');
21,copied,1
22,copied,2
\.
BEGIN;
INSERT INTO by_key VALUES (30, 'prepared', 1);
PREPARE TRANSACTION 'regress';
INSERT INTO by_key VALUES (31, 'meanwhile', 1);
COMMIT PREPARED 'regress';
SELECT * FROM changes();

-- nothing captured, nothing sent
CREATE TABLE empty ();
CREATE TEMP TABLE temporary (a int);
CREATE UNLOGGED TABLE unlogged (a int);
INSERT INTO temporary VALUES (1);
INSERT INTO unlogged VALUES (1);
CREATE MATERIALIZED VIEW view AS SELECT * FROM by_key;
REFRESH MATERIALIZED VIEW view;
SELECT * FROM changes();

-- no columns, no rows to speak of
INSERT INTO empty DEFAULT VALUES;
SELECT * FROM changes();

-- columns of ours in a table
CREATE TABLE owns_ours (_op int PRIMARY KEY, _old text);
INSERT INTO owns_ours VALUES (1, 'x');
SELECT * FROM changes();

-- truncate
BEGIN;
INSERT INTO by_key VALUES (9, 'gone', 1);
TRUNCATE by_key, by_all, by_index RESTART IDENTITY;
INSERT INTO by_key VALUES (10, 'stays', 1);
COMMIT;
SELECT * FROM changes();

-- logical messages
SELECT 'sent' FROM pg_logical_emit_message(false, 'app', 'alone');
BEGIN;
INSERT INTO by_key VALUES (11, 'between', 1);
SELECT 'sent' FROM pg_logical_emit_message(true, 'app', E'in \\x01 a\ntransaction');
INSERT INTO by_key VALUES (12, 'between', 1);
SELECT 'sent' FROM pg_logical_emit_message(true, 'other', 'of another prefix');
COMMIT;
BEGIN;
SELECT 'sent' FROM pg_logical_emit_message(true, 'app', 'nothing but this');
COMMIT;
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off', 'messages', 'on', 'message_prefixes', 'app');
SELECT data FROM pg_logical_slot_get_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off', 'messages', 'on', 'exclude_message_prefixes', 'app');

DROP MATERIALIZED VIEW view;
DROP TABLE by_key, by_nothing, by_all, by_index, keyless, empty, unlogged, owns_ours;
DROP FUNCTION changes;
SELECT pg_drop_replication_slot('regress');
