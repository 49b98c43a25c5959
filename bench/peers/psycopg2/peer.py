"""psycopg2: peer.py DSN SLOT ROWS. Reads so many rows, prints their number and the seconds from the first to the last.

It hands out what pgoutput sent as it is: the rows are counted, not decoded.
"""

import sys
import time

import psycopg2
from psycopg2.extras import LogicalReplicationConnection, StopReplication


def main(dsn, slot, wanted):
    rows, first = 0, 0.0

    def consume(message):
        nonlocal rows, first
        if message.payload[:1] not in (b"I", b"U", b"D"):
            return
        if rows == 0:
            first = time.monotonic()
        rows += 1
        if rows == wanted:
            raise StopReplication

    connection = psycopg2.connect(dsn, connection_factory=LogicalReplicationConnection)
    cursor = connection.cursor()
    cursor.start_replication(
        slot, decode=False, options={"proto_version": "1", "publication_names": "bench", "binary": "true"}
    )
    try:
        cursor.consume_stream(consume)
    except StopReplication:
        print(rows, f"{time.monotonic() - first:.6f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
