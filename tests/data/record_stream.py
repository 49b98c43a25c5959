#!/usr/bin/env python3
"""Record the streams that the fuzz test bends: stream-binary.walrow and stream-text.walrow.

Run with the tests' Python, after `make`: starts a PostgreSQL of its own and asks `walrow record` for both.
"""

import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

from command import Walrow  # noqa: E402
from postgres import Postgres  # noqa: E402

TABLES = """
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (x int, label text);
CREATE DOMAIN amount AS numeric(12,2);
CREATE TABLE many (
    id bigint PRIMARY KEY, a smallint, b int, f real, d double precision, flag bool, n numeric(12,2), big numeric(60,5),
    free numeric, money amount, t text, v varchar(20), raw bytea, day date, clock time, clockz timetz, at timestamp,
    atz timestamptz, span interval, u uuid, doc json, docb jsonb, ints int[], texts text[], stamps timestamptz[],
    p pair, m mood, h hstore, pairs pair[]
);
CREATE TABLE wide (id int PRIMARY KEY, toast text, other int);
ALTER TABLE wide ALTER toast SET STORAGE EXTERNAL;
CREATE TABLE whole (a int, b text);
ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE TABLE parts (id int PRIMARY KEY, t text) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200);
"""

VALUES = """(%s, 1, -2, 1.5, 'NaN', true, 12.34, 123456789012345678901234567890.12345, 0.000000001, 99.95, 'text – ünï',
    'varchar', '\\x0001ff', '2024-02-29', '23:59:59.999999', '12:00+02', '2024-05-01 12:00', 'infinity', '1 mon -2 days 3.5 s',
    '00112233-4455-6677-8899-aabbccddeeff', '{"a": [1, null]}', '{"b": 2}', '{1,NULL,3}', '{"x,y","",NULL}',
    '{2024-01-01 00:00+00}', ROW(1, 'one'), 'ok', 'k=>v,n=>NULL', ARRAY[ROW(2, NULL)::pair])"""

CHANGES = [
    "INSERT INTO many VALUES " + VALUES % 1 + "," + VALUES % 2,
    "INSERT INTO many (id) VALUES (3)",
    "UPDATE many SET n = -0.01, free = 'NaN', ints = '{{1},{2}}', clock = '24:00' WHERE id = 1",
    "UPDATE many SET id = 4 WHERE id = 3",
    "INSERT INTO wide VALUES (1, repeat('toast ', 500), 1)",
    "UPDATE wide SET other = 2",
    "UPDATE wide SET id = 2",
    "INSERT INTO whole VALUES (1, 'one'), (1, 'one'), (NULL, NULL)",
    "UPDATE whole SET b = 'two' WHERE a = 1",
    "DELETE FROM whole",
    "INSERT INTO parts SELECT i, 'part ' || i FROM generate_series(95, 104) i",
    "UPDATE parts SET id = id + 100 WHERE id < 100",
    "ALTER TABLE parts ADD more int DEFAULT 7; UPDATE parts SET t = 'more'",
    "SELECT pg_logical_emit_message(true, 'prefix', 'content'), pg_logical_emit_message(false, 'other', '')",
    "DELETE FROM many WHERE id = 2",
    "TRUNCATE whole, parts",
]


def main():
    with Postgres() as server, tempfile.TemporaryDirectory() as folder:
        walrow = Walrow(os.path.join(ROOT, "build", "walrow"), folder)
        for encoding in ("binary", "text"):
            database = server.create_database(f"stream_{encoding}")
            database.sql(TABLES)
            path = os.path.join(HERE, f"stream-{encoding}.walrow")
            if os.path.exists(path):
                os.unlink(path)
            options = ["--source", database.url(), "--slot", f"stream_{encoding}", "--encoding", encoding]
            walrow("setup", *options[:4], code=0)
            for change in CHANGES:
                database.sql(change)
            walrow("record", path, *options, "--until", "now", code=0)
            print(f"{path}: {os.path.getsize(path)} bytes")
            database.drop()


if __name__ == "__main__":
    main()
