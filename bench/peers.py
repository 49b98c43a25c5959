"""The peers that `make bench-peers` has built: each reads so many rows of the slot and says in what time."""

import os
import re

from clients import ROOT, OwnClock

SOURCES = os.path.join(ROOT, "bench", "peers")
BUILT = os.path.join(ROOT, "build", "peers")


class Peer(OwnClock):
    """program: its first words."""

    group = "peer"
    slow = True

    def __init__(self, server, folder, name, program, json=False):
        super().__init__(server, f"{name}, JSON lines" if json else name, "pgoutput")
        self.program = program
        self.file = os.path.join(folder, "peer.jsonl") if json else None

    def command(self, workload):
        return [*self.program, "copy", str(workload.rows), *([self.file] if self.file else [])]


def built(name, program):
    return os.path.exists(os.path.join(BUILT, name, program))


def pglogrepl(server):
    return [os.path.join(BUILT, "pglogrepl", "peer"), server.url()]


def peers(server, folder):
    """Those that are there."""
    found = []
    if built("pglogrepl", "peer"):
        found += [Peer(server, folder, "pglogrepl (Go)", pglogrepl(server), json) for json in (False, True)]
    if built("pg_walstream", "release/peer"):
        program = [os.path.join(BUILT, "pg_walstream", "release", "peer"), server.url()]
        found += [Peer(server, folder, "pg_walstream (Rust)", program, json) for json in (False, True)]
    if built("psycopg2", "bin/python"):
        program = [os.path.join(BUILT, "psycopg2", "bin", "python"), os.path.join(SOURCES, "psycopg2", "peer.py")]
        found.append(Peer(server, folder, "psycopg2, not decoded", [*program, server.dsn()]))
    if built("debezium", "classes/Peer.class"):
        places = [os.path.join(BUILT, "debezium", place) for place in ("classes", "lib/*")]
        program = ["java", "-cp", ":".join(places), "Peer", "127.0.0.1", str(server.port)]
        found += [Peer(server, folder, "Debezium engine (Java)", program, json) for json in (False, True)]
    return found


PINNED = {
    "pglogrepl": ("pglogrepl/go.mod", r"pglogrepl (v\S+)"),
    "pg_walstream": ("pg_walstream/Cargo.lock", r'name = "pg_walstream"\nversion = "(.+)"'),
    "psycopg2": ("psycopg2/requirements.txt", r"==(\S+)"),
    "Debezium": ("debezium/pom.xml", r"<debezium.version>(.+)<"),
}


def versions():
    """Of those that are built, as their sources pin them."""
    found = {}
    for name, (path, pattern) in PINNED.items():
        if not os.path.exists(os.path.join(BUILT, name.lower())):
            continue
        with open(os.path.join(SOURCES, path), encoding="utf-8") as file:
            found[name] = re.search(pattern, file.read()).group(1)
    return found
