"""Batches, and their way to whoever reads Arrow: the PyCapsule interface."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Sequence
from ctypes import PYFUNCTYPE, Structure, addressof, byref, c_char_p, c_void_p, py_object
from typing import NamedTuple, Protocol

from ._abi import ArrowArray, ArrowArrayStream, ArrowSchema, Partitioning, call

ARRAY, SCHEMA, STREAM = b"arrow_array", b"arrow_schema", b"arrow_array_stream"
HASHES = ("murmur3_x64_128", "murmur3_x86_32")

_Release = ctypes.CFUNCTYPE(None, c_void_p)


def release(struct: Structure) -> None:
    """What Arrow asks of an owner; a struct that was moved from has nothing to be released."""
    if struct.release:
        _Release(struct.release)(addressof(struct))


# ---- capsules ------------------------------------------------------------------------------------------------

_new = PYFUNCTYPE(py_object, c_void_p, c_char_p, c_void_p)(("PyCapsule_New", ctypes.pythonapi))
_pointer = PYFUNCTYPE(c_void_p, py_object, c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))

# A capsule's destructor runs where its consumer drops it, perhaps with an exception on its way, which one written in
# Python would lose. So they have none: what nobody else has any more is released when the next one is made.
_made: list[tuple[object, Structure]] = []
_making = threading.Lock()
ONLY_OURS = 2  # references: of the list's tuple, and the argument of getrefcount


def capsule(name: bytes, struct: Structure) -> object:
    """A capsule that owns the struct. name is one of the constants: capsules borrow theirs."""
    with _making:
        for dropped in [pair for pair in _made if sys.getrefcount(pair[0]) <= ONLY_OURS]:
            _made.remove(dropped)
            release(dropped[1])
        made = _new(addressof(struct), name, None)
        _made.append((made, struct))
    return made


# ---- batches -------------------------------------------------------------------------------------------------


class Position(NamedTuple):
    """Where a change is in the stream: a total order."""

    commit_lsn: int
    seq: int


class Schema:
    """A copy of one that was borrowed, released after the last batch that has it."""

    def __init__(self, borrowed: object) -> None:
        self.struct = ArrowSchema()
        call("walrow_schema_copy", borrowed, byref(self.struct))

    def __del__(self) -> None:
        release(self.struct)

    def names(self) -> list[str]:
        return [self.struct.children[i].contents.name.decode() for i in range(self.struct.n_children)]

    def __arrow_c_schema__(self) -> object:
        out = ArrowSchema()
        call("walrow_schema_copy", byref(self.struct), byref(out))
        return capsule(SCHEMA, out)


class Batch:
    """Some rows of one schema, in the order of their positions.

    Whatever reads Arrow reads it, as often as it likes and without a copy: pyarrow.record_batch(batch),
    polars.DataFrame(batch), duckdb.sql("FROM batch").

    table:       "schema.table"; None: of several
    position:    of the last row, for Reader.ack; None: a part of a batch
    snapshot:    rows that were there before the stream began
    new_schema:  another one than the reader's rows before had, or its first
    """

    def __init__(
        self, array: ArrowArray, schema: Schema, table: str | None = None, position: Position | None = None,
        snapshot: bool = False, new_schema: bool = False,
    ) -> None:  # fmt: skip
        self._array, self._schema, self._lock = array, schema, threading.Lock()
        self.num_rows: int = array.length
        self.table, self.position, self.snapshot, self.new_schema = table, position, snapshot, new_schema

    def __del__(self) -> None:
        release(self._array)

    def __len__(self) -> int:
        return self.num_rows

    def __repr__(self) -> str:
        return f"<walrow.Batch of {self.table or 'several tables'}: {self.num_rows} rows>"

    @property
    def column_names(self) -> list[str]:
        return self._schema.names()

    def _share(self) -> ArrowArray:
        out = ArrowArray()
        with self._lock:  # sharing replaces the array
            call("walrow_array_share", byref(self._array), byref(out))
        return out

    def __arrow_c_schema__(self) -> object:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return self.__arrow_c_schema__(), capsule(ARRAY, self._share())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        out, shared = ArrowArrayStream(), self._share()
        try:
            call("walrow_array_stream", byref(shared), byref(self._schema.struct), byref(out))
        finally:
            release(shared)
        return capsule(STREAM, out)


class ArrowBatch(Protocol):
    """Rows of whatever library."""

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]: ...


def partition(
    batch: ArrowBatch, n: int, columns: Sequence[str] = (), *, by_table: bool = False, hash: str = HASHES[0], seed: int = 0
) -> list[Batch | None]:
    """Divide rows among n partitions by a hash of their key; None where there are none.

    columns: the key; without them the table's. by_table: by the table's name, instead.
    walrow.h says what is hashed and what becomes of updates that move a row to another owner.
    """
    schema_capsule, array_capsule = batch.__arrow_c_array__()
    array = ArrowArray.from_address(_pointer(array_capsule, ARRAY))
    schema = Schema(ctypes.cast(_pointer(schema_capsule, SCHEMA), ctypes.POINTER(ArrowSchema)))
    names = (c_char_p * len(columns))(*(name.encode() for name in columns))
    how = Partitioning(n, int(by_table), names, len(columns), HASHES.index(hash), seed)
    out = (ArrowArray * n)()
    call("walrow_partition", byref(array), byref(schema.struct), byref(how), out)
    table = getattr(batch, "table", None)
    return [Batch(moved(part), schema, table) if part.release else None for part in out]


def moved(struct: ArrowArray) -> ArrowArray:
    """The array, in a struct of its own."""
    copy = ArrowArray.from_buffer_copy(struct)
    struct.release = None
    return copy
