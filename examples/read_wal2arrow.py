#!/usr/bin/env python3
"""Print what a slot of wal2arrow has, with psycopg and pyarrow alone: read_wal2arrow.py CONNECTION SLOT [option=value ...]

PROTOCOL.md says what is read here. The slot is not moved: this peeks.
"""

import struct
import sys

import psycopg
import pyarrow as pa

PEEK = "SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, VARIADIC %s::text[])"


def frames(message):
    """The frames of a message: a letter and a payload each."""
    assert message[:4] == b"w2a\x01", "not wal2arrow's version 1"
    at = 7
    while at < len(message):
        kind, size = struct.unpack_from("<cxxxI", message, at)
        yield kind, message[at + 8 : at + 8 + size]
        at += 8 + (size + 7) // 8 * 8


def batches(messages):
    """The record batches of some messages, in order; what they are of is in their schema's metadata."""
    schemas = {}
    for message in messages:
        for kind, payload in frames(message):
            if kind in (b"S", b"R"):
                (relid,) = struct.unpack_from("<I", payload)
                arrow = pa.py_buffer(payload[16:])
                if kind == b"S":
                    schemas[relid] = pa.ipc.read_schema(arrow)
                else:
                    yield pa.ipc.read_record_batch(arrow, schemas[relid])


if __name__ == "__main__":
    connection, slot, *options = sys.argv[1:]
    words = [word for option in options for word in option.split("=", 1)]
    with psycopg.connect(connection) as server:
        for batch in batches(row[0] for row in server.execute(PEEK, (slot, words))):
            print(*(batch.schema.metadata[key].decode() for key in (b"walrow.schema", b"walrow.table")), sep=".")
            for row in batch.to_pylist():
                print(" ", row)
