-- what publications can do from 15 on: schemas, and filters, which are refused
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SELECT 'made' FROM pg_create_logical_replication_slot('regress', 'wal2arrow');
CREATE FUNCTION changes(publications text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off',
        'publication_names', publications)
$$;
CREATE SCHEMA s;
CREATE TABLE s.a (id int PRIMARY KEY, x int);
CREATE TABLE b (id int PRIMARY KEY, x int);
CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA s;
CREATE PUBLICATION filtered FOR TABLE b WHERE (id > 5);
CREATE PUBLICATION some_columns FOR TABLE b (id);
INSERT INTO s.a VALUES (1);
CREATE TABLE s.later (id int PRIMARY KEY);
INSERT INTO s.later VALUES (1);
ALTER TABLE s.later SET SCHEMA public;
INSERT INTO later VALUES (2);
ALTER TABLE b SET SCHEMA s;
INSERT INTO s.b VALUES (1);
SELECT * FROM changes('of_schema');
SELECT * FROM changes('filtered');
SELECT * FROM changes('of_schema, some_columns');
SELECT pg_replication_slot_advance('regress', pg_current_wal_lsn()) IS NOT NULL AS done;

-- a table without filters of the same publication
ALTER PUBLICATION filtered ADD TABLE later;
INSERT INTO later VALUES (3);
SELECT * FROM changes('filtered');

DROP PUBLICATION of_schema, filtered, some_columns;
DROP TABLE later;
DROP SCHEMA s CASCADE;
DROP FUNCTION changes;
SELECT pg_drop_replication_slot('regress');
