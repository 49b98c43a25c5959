-- how types show, values that Arrow cannot hold, and values that were not sent
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SELECT 'made' FROM pg_create_logical_replication_slot('regress', 'wal2arrow');
-- an epoch depends on oids of types, which for those made here differ from server to server
CREATE FUNCTION changes() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT regexp_replace(data, 'SCHEMA [0-9a-f]{16}', 'SCHEMA')
    FROM pg_logical_slot_get_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off')
$$;

CREATE TABLE numbers (id int PRIMARY KEY, i2 int2, i8 int8, o oid, f4 float4, f8 float8, b bool,
    n numeric, n38 numeric(38, 5), n76 numeric(76, 20), n80 numeric(80, 1));
INSERT INTO numbers VALUES
    (1, -32768, -9223372036854775808, 4294967295, '-inf', 'nan', true, 1e40, 1.5, -1.5, 2.5),
    (2, 32767, 9223372036854775807, 0, 1.5, 1e300, false, 'nan', '-1e32', 1e55, 0),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'nan', 'nan', 'nan');
CREATE TABLE times (id int PRIMARY KEY, d date, t time, tz timetz, ts timestamp, tstz timestamptz, i interval);
INSERT INTO times VALUES
    (1, '2001-02-03', '04:05:06.789', '04:05:06+02', '2001-02-03 04:05:06', '2001-02-03 04:05:06+00', '1 mon 2 days 3 s'),
    (2, 'infinity', '24:00', '24:00+00', '-infinity', 'infinity', '300 years'),
    (3, '0044-03-15 BC', '00:00', '00:00-12', '294276-12-31', '4713-01-01 BC', '-2562048:00:00');
CREATE TABLE texts (id int PRIMARY KEY, t text, v varchar(5), c char(5), n name, x bytea, j json, jb jsonb,
    u uuid, a inet, r int4range, bits bit varying);
INSERT INTO texts VALUES
    (1, '', 'v', 'c', 'n', '\x00ff', '{"a" : 1}', '{"a" : 1}', '00000000-0000-0000-0000-0000000000ff', '::1/64', '[1,5)', '101');

CREATE TYPE colour AS ENUM ('red', 'blue');
CREATE TYPE pair AS (x int, y numeric(4, 2));
CREATE DOMAIN price AS numeric(6, 2);
CREATE TABLE nested (id int PRIMARY KEY, c colour, p pair, d price, a int[], t text[], ps pair[], ds price[]);
INSERT INTO nested VALUES
    (1, 'blue', (1, 2.5), 9.99, '{1,NULL,3}', '{a,"b c"}', ARRAY[(1, 2)::pair, NULL], '{1,2}'),
    (2, NULL, (NULL, NULL), NULL, '{}', NULL, '{}', NULL),
    (3, 'red', (1, 'nan'), 'nan', '{{1,2},{3,4}}', '[2:3]={a,b}', ARRAY[(1, 'nan')::pair], '{nan}');
SELECT * FROM changes();

-- dead letters of old and new
ALTER TABLE times REPLICA IDENTITY FULL;
UPDATE times SET t = '12:00' WHERE id = 2;
DELETE FROM times WHERE id = 3;
SELECT * FROM changes();

-- unchanged TOAST is not sent; what is, is whole
CREATE TABLE toasted (id int PRIMARY KEY, big text, n int);
ALTER TABLE toasted ALTER big SET STORAGE EXTERNAL;
CREATE FUNCTION summary() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT regexp_replace(data, '(big){100,}', '<many>', 'g')
    FROM pg_logical_slot_get_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off')
$$;
INSERT INTO toasted VALUES (1, repeat('big', 4000), 1);
UPDATE toasted SET n = 2;
UPDATE toasted SET id = 2;
UPDATE toasted SET big = 'small';
UPDATE toasted SET big = repeat('big', 5000);
ALTER TABLE toasted REPLICA IDENTITY FULL;
UPDATE toasted SET n = 3;
DELETE FROM toasted;
SELECT * FROM summary();

-- compressed, inside and outside of the row
CREATE TABLE compressed (id int PRIMARY KEY, big text, xs int[]);
INSERT INTO compressed VALUES (1, repeat('big', 4000), NULL), (2, repeat('big', 400000), NULL);
SELECT * FROM summary();
INSERT INTO compressed SELECT 3, NULL, array_agg(i) FROM generate_series(1, 10000) i;
SELECT length(data), substr(data, 1, 60) FROM pg_logical_slot_get_changes('regress', NULL, NULL, 'format', 'text', 'xids', 'off');

DROP TABLE numbers, times, texts, nested, toasted, compressed;
DROP TYPE colour, pair;
DROP DOMAIN price;
DROP FUNCTION changes, summary;
SELECT pg_drop_replication_slot('regress');
