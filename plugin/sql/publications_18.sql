-- publications that publish generated columns, from 18 on, are refused where a table has one
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SELECT 'made' FROM pg_create_logical_replication_slot('regress', 'wal2arrow');
CREATE FUNCTION changes(publications text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off',
        'publication_names', publications)
$$;
CREATE TABLE plain (id int PRIMARY KEY);
CREATE TABLE generated (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) STORED,
    v int GENERATED ALWAYS AS (id * 3) VIRTUAL);
CREATE PUBLICATION with_generated FOR ALL TABLES WITH (publish_generated_columns = stored);
CREATE PUBLICATION without FOR ALL TABLES;
INSERT INTO plain VALUES (1);
SELECT * FROM changes('with_generated');
INSERT INTO generated VALUES (1);
SELECT * FROM changes('with_generated');
SELECT * FROM changes('without');

DROP PUBLICATION with_generated, without;
DROP TABLE plain, generated;
DROP FUNCTION changes;
SELECT pg_drop_replication_slot('regress');
