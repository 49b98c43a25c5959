-- the tables and operations that a publication has
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SELECT 'made' FROM pg_create_logical_replication_slot('regress', 'wal2arrow');
CREATE FUNCTION changes(publications text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off',
        'publication_names', publications)
$$;
CREATE FUNCTION skip() RETURNS void LANGUAGE sql AS $$
    SELECT pg_replication_slot_advance('regress', pg_current_wal_lsn())
$$;
CREATE TABLE a (id int PRIMARY KEY);
CREATE TABLE b (id int PRIMARY KEY);
CREATE PUBLICATION only_a FOR TABLE a;
CREATE PUBLICATION inserts_of_both FOR TABLE a, b WITH (publish = 'insert');
CREATE PUBLICATION "Odd, one" FOR TABLE b;
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE PUBLICATION nothing;

INSERT INTO a VALUES (1);
BEGIN;
INSERT INTO a VALUES (2);
INSERT INTO b VALUES (2);
UPDATE a SET id = 3 WHERE id = 2;
UPDATE b SET id = 3 WHERE id = 2;
TRUNCATE a, b;
COMMIT;
SELECT * FROM changes('only_a');
SELECT * FROM changes('inserts_of_both');
SELECT * FROM changes('only_a, inserts_of_both');
SELECT * FROM changes('"Odd, one"');
SELECT * FROM changes('everything');
SELECT * FROM changes('nothing');
SELECT * FROM changes('only_a, missing');
SELECT * FROM changes('Only_A');

-- a publication that changes on the way
SELECT skip();
INSERT INTO b VALUES (10);
ALTER PUBLICATION only_a ADD TABLE b;
INSERT INTO b VALUES (11);
ALTER PUBLICATION only_a DROP TABLE a;
INSERT INTO a VALUES (11);
INSERT INTO b VALUES (12);
ALTER PUBLICATION only_a SET (publish = 'delete');
INSERT INTO b VALUES (13);
DELETE FROM b;
SELECT * FROM changes('only_a');
SELECT skip();

-- user tables in the system's schemas are nobody's data
CREATE TABLE information_schema.t (id int PRIMARY KEY);
INSERT INTO information_schema.t VALUES (1);
SELECT * FROM changes('everything');
DROP TABLE information_schema.t;
SELECT skip();

-- partitions: as themselves or as their root, with other columns in other places
CREATE TABLE root (id int, region text, amount int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE north (gone int, amount int, region text NOT NULL, id int NOT NULL);
ALTER TABLE north DROP gone;
ALTER TABLE root ATTACH PARTITION north FOR VALUES IN ('north');
CREATE TABLE south PARTITION OF root FOR VALUES IN ('south') PARTITION BY RANGE (id);
CREATE TABLE south_low PARTITION OF south FOR VALUES FROM (0) TO (100);
CREATE TABLE south_high PARTITION OF south FOR VALUES FROM (100) TO (200);
ALTER TABLE south_high REPLICA IDENTITY FULL;
CREATE PUBLICATION leaves FOR TABLE root;
CREATE PUBLICATION as_root FOR TABLE root WITH (publish_via_partition_root);
CREATE PUBLICATION as_south FOR TABLE south WITH (publish_via_partition_root);
CREATE PUBLICATION all_as_root FOR ALL TABLES WITH (publish_via_partition_root);
CREATE PUBLICATION one_leaf FOR TABLE south_low;
BEGIN;
INSERT INTO root VALUES (1, 'north', 10), (2, 'south', 20), (102, 'south', 30);
UPDATE root SET amount = amount + 1;
UPDATE root SET id = 3 WHERE id = 2;
UPDATE root SET region = 'south' WHERE id = 1;
DELETE FROM root WHERE id = 102;
TRUNCATE south_low;
TRUNCATE root;
COMMIT;
SELECT * FROM changes('leaves');
SELECT * FROM changes('as_root');
SELECT * FROM changes('as_south');
SELECT * FROM changes('all_as_root');
SELECT * FROM changes('one_leaf');
SELECT * FROM changes('one_leaf, as_root');
SELECT * FROM changes('as_south, as_root');
SELECT data FROM pg_logical_slot_peek_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off', 'tables', 'public.root');
SELECT skip();

-- the root changes between its partitions' changes
INSERT INTO root VALUES (1, 'north', 10);
ALTER TABLE root ADD note text;
INSERT INTO root VALUES (2, 'north', 20, 'noted'), (3, 'south', 30, 'noted');
ALTER TABLE root DROP amount;
INSERT INTO root VALUES (4, 'north', 'less'), (5, 'south', 'less');
SELECT * FROM changes('as_root');

DROP PUBLICATION only_a, inserts_of_both, "Odd, one", everything, nothing, leaves, as_root, as_south, all_as_root, one_leaf;
DROP TABLE a, b, root;
DROP FUNCTION changes, skip;
SELECT pg_drop_replication_slot('regress');
