-- a table that changes has a new schema; one that does not, keeps it
\pset format unaligned
\pset tuples_only on
SELECT 'made' FROM pg_create_logical_replication_slot('regress', 'wal2arrow');
CREATE FUNCTION changes() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT data FROM pg_logical_slot_get_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off')
$$;
CREATE TABLE t (id int PRIMARY KEY, a text);
INSERT INTO t VALUES (1, 'first');
ALTER TABLE t ADD b int;
INSERT INTO t VALUES (2, 'added', 2);
ALTER TABLE t ADD c int DEFAULT 42;
UPDATE t SET b = 3 WHERE id = 1;
ALTER TABLE t DROP a;
INSERT INTO t VALUES (3, 3);
ALTER TABLE t RENAME b TO bee;
INSERT INTO t VALUES (4, 4);
ALTER TABLE t ALTER bee TYPE numeric(6, 2);
INSERT INTO t VALUES (5, 5);
ALTER TABLE t REPLICA IDENTITY FULL;
INSERT INTO t VALUES (6, 6);
ALTER TABLE t ADD g int GENERATED ALWAYS AS (id * 2) STORED;
INSERT INTO t VALUES (7, 7);
ALTER TABLE t RENAME TO tee;
INSERT INTO tee VALUES (8, 8);
CREATE SCHEMA s;
ALTER TABLE tee SET SCHEMA s;
INSERT INTO s.tee VALUES (9, 9);
ALTER SCHEMA s RENAME TO ess;
INSERT INTO ess.tee VALUES (10, 10);
SELECT * FROM changes();

-- changes of the catalogs that are none of the schema's
INSERT INTO ess.tee VALUES (11, 11);
ANALYZE ess.tee;
CREATE INDEX ON ess.tee (bee);
ALTER TABLE ess.tee ALTER bee SET DEFAULT 1;
COMMENT ON TABLE ess.tee IS 'nothing new';
GRANT SELECT ON ess.tee TO PUBLIC;
VACUUM FULL ess.tee;
INSERT INTO ess.tee VALUES (12, 12);
SELECT * FROM changes();

-- inside one transaction
BEGIN;
CREATE TABLE u (id int PRIMARY KEY);
INSERT INTO u VALUES (1);
ALTER TABLE u ADD a text;
INSERT INTO u VALUES (2, 'two');
ALTER TABLE u DROP a;
INSERT INTO u VALUES (3);
SAVEPOINT s;
ALTER TABLE u ADD b text;
INSERT INTO u VALUES (4, 'never');
ROLLBACK TO s;
INSERT INTO u VALUES (5);
DROP TABLE u;
CREATE TABLE u (id int PRIMARY KEY, c text);
INSERT INTO u VALUES (6, 'another table');
COMMIT;
SELECT * FROM changes();
-- all of it one message of rows, though three schemas
BEGIN;
INSERT INTO u VALUES (7, 'seven');
ALTER TABLE u ADD d int;
INSERT INTO u VALUES (8, 'eight', 8);
ALTER TABLE u DROP d;
INSERT INTO u VALUES (9, 'nine');
COMMIT;
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('regress', NULL, NULL);
SELECT count(*) FROM pg_logical_slot_get_binary_changes('regress', NULL, NULL, 'format', 'compact');

DROP TABLE u;
DROP SCHEMA ess CASCADE;
DROP FUNCTION changes;
SELECT pg_drop_replication_slot('regress');
