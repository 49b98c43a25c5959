#!/usr/bin/env python3
"""Record what the real plugin sends, for the unit tests: wal2json.jsonl (documents, one a line) and wal2json-types.json
(the types they use, as a recording has them).

Run with the tests' Python, after `make`: starts a PostgreSQL of its own, which needs postgresql-15-wal2json.
"""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

from plugin import plugin_conf  # noqa: E402
from postgres import Postgres  # noqa: E402
from record_stream import CHANGES, TABLES  # noqa: E402

SETTINGS = (
    "TimeZone = 'UTC'", "DateStyle = 'ISO'", "IntervalStyle = 'postgres'", "search_path = ''", "extra_float_digits = 3",
    "bytea_output = 'hex'", "lc_monetary = 'C'",
)  # fmt: skip
# as src/pg/plugin_options.c asks for it, but for what 2.5 does not know
OPTIONS = {"format-version": "2"} | {
    f"include-{what}": "on"
    for what in ("transaction", "lsn", "xids", "timestamp", "schemas", "type-oids", "typmod", "types", "pk", "origin")
}
TYPES = """
WITH RECURSIVE made_of(oid) AS (
    SELECT a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'c') AND a.attnum > 0
    UNION SELECT part.oid FROM made_of m JOIN pg_type t ON t.oid = m.oid
    CROSS JOIN LATERAL (SELECT t.typelem AS oid UNION ALL SELECT t.typbasetype UNION ALL
        SELECT atttypid FROM pg_attribute WHERE t.typtype = 'c' AND attrelid = t.typrelid AND attnum > 0) part
    WHERE part.oid <> 0)
SELECT t.oid::int8 AS oid, t.typtype AS kind, n.nspname AS schema, t.typname AS name, p.proname AS output, t.typelem::int8 AS element,
    t.typdelim AS delimiter, t.typbasetype::int8 AS base, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE -1 END AS base_typmod,
    COALESCE((SELECT json_agg(json_build_object('name', attname, 'oid', atttypid::int8, 'typmod', atttypmod) ORDER BY attnum)
        FROM pg_attribute WHERE t.typtype = 'c' AND attrelid = t.typrelid AND attnum > 0), '[]') AS fields
FROM made_of m JOIN pg_type t ON t.oid = m.oid JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_proc p ON p.oid = t.typoutput
ORDER BY t.oid
"""
FORMATS = """
SELECT DISTINCT typ::int8 AS oid, typmod, format_type(typ, typmod) AS text FROM (
    SELECT atttypid AS typ, atttypmod AS typmod FROM pg_attribute WHERE attnum > 0 UNION ALL
    SELECT atttypid, -1 FROM pg_attribute WHERE attnum > 0 UNION ALL SELECT typelem, -1 FROM pg_type WHERE typelem <> 0) t
WHERE typ IN (SELECT atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'public'::regnamespace)
    OR typ IN (SELECT typelem FROM pg_type)
ORDER BY 1, 2
"""


def objects(connection, query):
    """Its rows as JSON objects; the fields' lists are JSON already."""
    return [row[0] for row in connection.execute(f"SELECT row_to_json(q) FROM ({query}) q")]


def main():
    with Postgres(conf=plugin_conf()) as server:
        database = server.create_database("wal2json")
        database.sql(TABLES)
        database.sql("SELECT pg_create_logical_replication_slot('recorded', 'wal2json')")
        for change in CHANGES:
            database.sql(change)
        with database.connect() as connection:
            for setting in SETTINGS:
                connection.execute(f"SET {setting}")
            words = ", ".join(f"'{name}', '{value}'" for name, value in OPTIONS.items())
            documents = [row[0] for row in connection.execute(f"SELECT data FROM pg_catalog.pg_logical_slot_get_changes('recorded', NULL, NULL, {words})")]
            connection.execute("SET search_path = 'pg_catalog'")
            types = {"types": objects(connection, TYPES), "formats": objects(connection, FORMATS)}
    with open(os.path.join(HERE, "wal2json.jsonl"), "w", encoding="utf-8") as file:
        file.writelines(document + "\n" for document in documents)
    with open(os.path.join(HERE, "wal2json-types.json"), "w", encoding="utf-8") as file:
        json.dump(types, file, indent=0)
        file.write("\n")
    print(f"{len(documents)} documents, {len(types['types'])} types")


if __name__ == "__main__":
    main()
