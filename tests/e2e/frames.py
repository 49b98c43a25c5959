"""What wal2arrow says over SQL, read as PROTOCOL.md has it, format ipc.

    frames = read_frames(connection, "slot", publication_names="p")
    frames.table("t")        # a pyarrow.Table
    frames.dead_letters      # what its columns cannot hold
"""

import dataclasses
import struct

import pyarrow as pa


@dataclasses.dataclass(frozen=True, order=True)
class DeadLetter:
    table: str
    column: str
    seq: int
    op: str
    tuple: str  # new or old
    reason: str
    text: bytes


class Frames:
    def __init__(self, messages):
        self.schemas = {}  # of the latest epoch, by relid
        self.batches = {}  # by name of the table and epoch
        self.dead_letters = []
        for message in messages:
            self._read_message(message)

    def table(self, name):
        """All of a table, of one epoch."""
        (batches,) = [batches for (table, _), batches in self.batches.items() if table == name]
        return pa.Table.from_batches(batches)

    def epochs(self, name):
        return [epoch for table, epoch in self.batches if table == name]

    def _read_message(self, message):
        assert message[:7] == b"w2a\1\0\0\0"
        at = 7
        while at < len(message):
            kind, size = struct.unpack_from("<c3xI", message, at)
            self._read_frame(kind, message[at + 8 : at + 8 + size])
            at += 8 + size + -size % 8
        assert at == len(message)

    def _read_frame(self, kind, payload):
        if kind == b"S":
            relid, epoch = struct.unpack_from("<I4xQ", payload)
            self.schemas[relid] = epoch, pa.ipc.read_schema(pa.py_buffer(payload[16:]))
        elif kind == b"R":
            relid, rows, epoch = struct.unpack_from("<IIQ", payload)
            schema = self._schema(relid, epoch)
            batch = pa.ipc.read_record_batch(pa.py_buffer(payload[16:]), schema)
            assert batch.num_rows == rows
            batch.validate(full=True)
            self.batches.setdefault((table_name(schema), epoch), []).append(batch)
        elif kind == b"X":
            self.dead_letters.append(self._dead_letter(payload))
        else:
            assert kind in (b"B", b"C")

    def _schema(self, relid, epoch):
        latest, schema = self.schemas[relid]
        assert latest == epoch
        return schema

    def _dead_letter(self, payload):
        relid, column, epoch, seq, op, old, reason, text = struct.unpack_from("<IIQIc?2xII", payload)
        schema = self._schema(relid, epoch)
        own = schema.names[7:]
        return DeadLetter(
            table_name(schema), own[column], seq, op.decode(), "old" if old else "new", payload[32 : 32 + reason].decode(),
            payload[32 + reason : 32 + reason + text],
        )  # fmt: skip


def table_name(schema):
    return schema.metadata[b"walrow.table"].decode()


def read_frames(connection, slot, **options):
    """Consume what the slot has, in the session that is given: its settings say how values print."""
    words = [word for pair in options.items() for word in pair]
    marks = "".join(", %s" for _ in words)
    query = f"SELECT data FROM pg_catalog.pg_logical_slot_get_binary_changes(%s, NULL, NULL{marks})"
    cursor = connection.cursor(binary=True)
    return Frames(bytes(data) for (data,) in cursor.execute(query, [slot, *words]))
