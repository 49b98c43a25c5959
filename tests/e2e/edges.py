"""Every type of the type table, and more, with the values of tests/data/values.tsv.

    create_types(db)            # the user-defined ones, in schema zoo
    edges_of(db)["numeric(12,2)"]   # their values, as PostgreSQL prints them
"""

import json
import os
import re
import sys

import psycopg

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")
sys.path.append(DATA)
from record_values import OPTIONAL, SETUP  # noqa: E402

# nobody outside the server can print their binary form: pgoutput has to send them as text
TEXT_ONLY = ("xml", "tsquery", "pg_lsn", "regclass", "int2vector", "oidvector")


def create_types(db):
    db.sql(SETUP)
    for statement in OPTIONAL:
        db.sql(statement)


def edges_of(db):
    """What the server has of them: before 14 no multirange and no infinite numeric, before 15 no numeric(3,5), before 17
    no infinite interval."""
    with db.connect() as connection:
        edges = {kind: [text for text in texts if _is_value(connection, kind, text)] for kind, texts in EDGES.items()}
    return {kind: texts for kind, texts in edges.items() if texts}


def _is_value(connection, kind, text):
    try:
        connection.execute(f"SELECT %s::{kind}", (text,))
    except (psycopg.DataError, psycopg.errors.UndefinedObject):
        return False
    return True


def unescape(text):
    names = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}
    return re.sub(r"\\(.)", lambda found: names[found.group(1)], text)


def _read():
    with open(os.path.join(DATA, "types.json"), encoding="utf-8") as file:
        names = {(one["oid"], one["typmod"]): one["text"] for one in json.load(file)["formats"]}
    edges = {}
    with open(os.path.join(DATA, "values.tsv"), encoding="utf-8", newline="\n") as file:
        for line in file:
            oid, typmod, _, text = line.rstrip("\n").split("\t")
            edges.setdefault(names[int(oid), int(typmod)], []).append(unescape(text))
    return edges


EDGES = _read()
