-- the procedure: who may call it, from where, and what it sends
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE EXTENSION wal2arrow;
CREATE TABLE t (id int PRIMARY KEY, a text);
SELECT 'made' FROM pg_create_logical_replication_slot('regress', 'wal2arrow');
INSERT INTO t VALUES (1, 'one'), (2, 'two');
INSERT INTO t VALUES (3, 'three');

-- what a psql that writes to a file would have in it
CALL wal2arrow.stream('regress', NULL, 'format', 'text', 'xids', 'off') \g | LC_ALL=C grep -aoE "BEGIN|COMMIT|public[.]t: INSERT [0-9]+: id.integer.:[0-9]+ a.text.:'[a-z]+'"
-- nothing was confirmed
CALL wal2arrow.stream('regress', NULL, 'format', 'text', 'xids', 'off', 'tables', 'public.none') \g | wc -c
CALL wal2arrow.stream('regress', NULL, 'format', 'text', 'xids', 'off') \g | LC_ALL=C grep -ao COMMIT
CALL wal2arrow.stream('regress', '0/1', 'format', 'text') \g | wc -c
CALL wal2arrow.stream('regress', upto_lsn => NULL, VARIADIC options => ARRAY['format', 'text', 'confirm', 'on']) \g | LC_ALL=C grep -aoE "COMMIT"
CALL wal2arrow.stream('regress') \g | wc -c

-- a temporary slot is confirmed unless the caller says otherwise
INSERT INTO t VALUES (4, 'four');
SELECT 'made' FROM pg_copy_logical_replication_slot('regress', 'copy', true);
CALL wal2arrow.stream('copy', NULL, 'format', 'text', 'confirm', 'off') \g | LC_ALL=C grep -ao COMMIT
CALL wal2arrow.stream('copy', NULL, 'format', 'text') \g | LC_ALL=C grep -ao COMMIT
CALL wal2arrow.stream('copy', NULL, 'format', 'text') \g | wc -c

-- small transactions share messages, behind the one with the schema; not in format text
INSERT INTO t VALUES (14, 'fourteen');
INSERT INTO t VALUES (15, 'fifteen');
CALL wal2arrow.stream('regress', NULL, 'format', 'compact') \g | LC_ALL=C grep -ao w2a | wc -l
CALL wal2arrow.stream('regress', NULL, 'format', 'compact', 'group', '32kB') \g | LC_ALL=C grep -ao w2a | wc -l
CALL wal2arrow.stream('regress', NULL, 'format', 'text', 'group', '32kB') \g | LC_ALL=C grep -ao COMMIT
CALL wal2arrow.stream('regress', NULL, 'group', '2MB');
CALL wal2arrow.stream('regress', NULL, 'group', 'large');

-- the client itself calls it, and nothing else is going on
BEGIN;
CALL wal2arrow.stream('regress');
ROLLBACK;
DO $$ BEGIN CALL wal2arrow.stream('regress'); END $$;
CREATE PROCEDURE by_procedure() LANGUAGE plpgsql AS $$ BEGIN CALL wal2arrow.stream('regress'); END $$;
CALL by_procedure();
CREATE FUNCTION by_function() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL wal2arrow.stream('regress'); END $$;
SELECT by_function();
CREATE FUNCTION by_argument() RETURNS name LANGUAGE plpgsql AS $$ BEGIN CALL wal2arrow.stream('regress'); RETURN 'regress'; END $$;
CALL wal2arrow.stream(by_argument());
SELECT wal2arrow.stream('regress');
SELECT 1 AS before \; CALL wal2arrow.stream('regress');
SET default_transaction_isolation = 'repeatable read';
CALL wal2arrow.stream('regress', NULL, 'format', 'text') \g | LC_ALL=C grep -ao COMMIT
RESET default_transaction_isolation;

-- arguments
CALL wal2arrow.stream(NULL);
CALL wal2arrow.stream('regress', NULL, VARIADIC NULL);
CALL wal2arrow.stream('regress', NULL, 'format');
CALL wal2arrow.stream('regress', NULL, 'format', NULL);
CALL wal2arrow.stream('regress', NULL, VARIADIC ARRAY[['format', 'text']]);
CALL wal2arrow.stream('regress', NULL, 'confirm', 'perhaps');
CALL wal2arrow.stream('regress', NULL, 'colour', 'blue');
CALL wal2arrow.stream('missing');

-- as the functions of SQL: REPLICATION, and nothing more
CREATE ROLE regress_stranger;
CREATE ROLE regress_reader REPLICATION;
SET ROLE regress_stranger;
\set VERBOSITY sqlstate
CALL wal2arrow.stream('regress');
\set VERBOSITY terse
SET ROLE regress_reader;
CALL wal2arrow.stream('regress', NULL, 'format', 'text') \g | LC_ALL=C grep -ao COMMIT
RESET ROLE;

-- moving a slot without reading WAL: to where a copy of it is
SELECT restart_lsn AS old_restart, confirmed_flush_lsn AS old_lsn FROM pg_replication_slots WHERE slot_name = 'regress' \gset
CHECKPOINT;
INSERT INTO t VALUES (5, 'five');
SELECT 'made' FROM pg_copy_logical_replication_slot('regress', 'second', true);
CALL wal2arrow.stream('second', NULL, 'format', 'text') \g | LC_ALL=C grep -ao COMMIT
SELECT restart_lsn, confirmed_flush_lsn AS lsn, catalog_xmin FROM pg_replication_slots WHERE slot_name = 'second' \gset
INSERT INTO t VALUES (6, 'six');
SELECT wal2arrow.advance('regress', :'lsn');
SELECT restart_lsn = :'old_restart' AS restart_stays, confirmed_flush_lsn = :'lsn' AS moved FROM pg_replication_slots WHERE slot_name = 'regress';
SELECT wal2arrow.advance('regress', :'lsn', :'restart_lsn', :'catalog_xmin');
SELECT restart_lsn > :'old_restart' AND restart_lsn = :'restart_lsn' AS restart_moved, confirmed_flush_lsn = :'lsn' AS stays
    FROM pg_replication_slots WHERE slot_name = 'regress';
CALL wal2arrow.stream('regress', NULL, 'format', 'text', 'xids', 'off') \g | LC_ALL=C grep -aoE "public[.]t: INSERT [0-9]+: id.integer.:[0-9]+ a.text.:'[a-z]+'"
SELECT wal2arrow.advance(NULL, :'lsn');
SELECT wal2arrow.advance('regress', NULL);
SELECT wal2arrow.advance('missing', :'lsn');
SELECT wal2arrow.advance('regress', :'lsn', :'lsn', '0');
SELECT wal2arrow.advance('regress', :'lsn', :'lsn', '2147483647');
\set VERBOSITY sqlstate
SELECT wal2arrow.advance('regress', :'old_lsn');
SELECT wal2arrow.advance('regress', 'FFFFFFFF/0');
SELECT wal2arrow.advance('regress', :'lsn', 'FFFFFFFF/0', :'catalog_xmin');
SET ROLE regress_stranger;
SELECT wal2arrow.advance('regress', :'lsn');
RESET ROLE;
\set VERBOSITY terse

-- slots of other kinds
SELECT 'made' FROM pg_create_physical_replication_slot('physical');
CALL wal2arrow.stream('physical');
SELECT wal2arrow.advance('physical', :'lsn');
SELECT pg_drop_replication_slot('physical');
SELECT 'made' FROM pg_create_logical_replication_slot('other', 'pgoutput');
CALL wal2arrow.stream('other', NULL, 'proto_version', '1', 'publication_names', 'none', 'group', '32kB');
SELECT pg_drop_replication_slot('other');

DROP PROCEDURE by_procedure;
DROP FUNCTION by_function, by_argument;
DROP ROLE regress_stranger, regress_reader;
DROP TABLE t;
SELECT pg_drop_replication_slot('regress');
DROP EXTENSION wal2arrow;
