"""Every type of the type table, and more, with the values of tests/data/values.tsv.

    create_types(db)            # the user-defined ones, in schema zoo
    EDGES["numeric(12,2)"]      # their values, as PostgreSQL prints them
"""

import json
import os
import re
import sys

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")
sys.path.append(DATA)
from record_values import OPTIONAL, SETUP  # noqa: E402

# nobody outside the server can print their binary form: pgoutput has to send them as text
TEXT_ONLY = ("xml", "tsquery", "pg_lsn", "regclass", "int2vector", "oidvector")


def create_types(db):
    db.sql(SETUP)
    for statement in OPTIONAL:
        db.sql(statement)


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
