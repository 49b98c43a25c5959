"""One stream, many readers."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from ctypes import addressof, byref, c_char_p, c_void_p
from typing import Any, Self

from ._abi import END, OK, TIMEOUT, ArrowArrayStream, Rows, call, library, text
from ._arrow import STREAM, Batch, Position, Schema, capsule, moved
from ._options import Options, interruptible, tables
from ._wait import deadline_in, kept, readable, until_readable
from .errors import WalrowError

ALL = Position(2**64 - 1, 2**32 - 1)


class _Handle:
    """A walrow_reader, until it is closed. The lock: no thread is in the library with one that another one closes."""

    def __init__(self) -> None:
        self.value, self.lock = c_void_p(), threading.Lock()

    def close(self) -> None:
        with self.lock:
            library.walrow_reader_close(self.value)
            self.value = c_void_p()


class _Handles:
    """What a stream has to free; without a reference to it, because it is freed when nobody has one any more."""

    def __init__(self, options: Options) -> None:
        self.options, self.stream = options, c_void_p()
        self.readers: list[_Handle] = []

    def free(self) -> None:
        """The readers after the stream: what they did not acknowledge is to come again."""
        library.walrow_close(self.stream)
        for handle in self.readers:
            handle.close()
        self.options.free()


class _Closing:
    """with and async with"""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)


class Stream(_Closing):
    """One connection, from which readers are opened. Takes what auto_configure takes, but for route_by_table.

    What comes for a table that nobody reads is passed over: open all readers before the first of them is read.
    """

    def __init__(self, **options: Any) -> None:
        handles = _Handles(Options(options))
        try:
            interruptible(lambda: call("walrow_open", handles.options.handle, byref(handles.stream)), handles.free)
        except Exception:
            handles.free()
            raise
        self._handles = handles
        self._appeared_fd: int | None = None
        self._free = weakref.finalize(self, handles.free)

    def close(self) -> None:
        """Confirm what was acknowledged, and disconnect. The slot stays."""
        self._free()

    def _call(self, function: str, *arguments: object, allowed: tuple[int, ...] = ()) -> tuple[int, Reader | None]:
        if not self._free.alive:
            raise WalrowError("the stream was closed", code="END")
        handle = _Handle()
        code = call(function, self._handles.stream, *arguments, byref(handle.value), allowed=allowed)
        return code, self._reader(handle) if code == OK else None

    def _open(self, function: str, *arguments: object) -> Reader:
        reader = self._call(function, *arguments)[1]
        assert reader is not None
        return reader

    def _reader(self, handle: _Handle) -> Reader:
        self._handles.readers.append(handle)
        return Reader(self, handle)

    def reader(self, table: str, max_bytes: int = 0) -> Reader:
        """Read the changes of one table, "schema.table". max_bytes: kept until they are read; 0: as batch_bytes says"""
        return self._open("walrow_reader", table.encode(), max_bytes)

    def events(self, max_bytes: int = 0, *, owned: bool = False) -> Reader:
        """Read all there is as events, in commit order over all tables. owned: closing the reader closes the stream"""
        reader = self._open("walrow_events", max_bytes)
        reader._owns_stream = owned
        return reader

    def appeared(self, timeout: float | None = None) -> Reader | None:
        """Wait for a table that has no reader yet, and read it; None: the stream has ended.

        From the first call on each table of which something comes has a reader, and the stream waits until its rows
        are read, or it is closed. Raises TimeoutError.
        """
        deadline = deadline_in(timeout)
        while (found := self._take_appeared())[0] == TIMEOUT:
            until_readable(self._appeared_descriptor(), deadline)
        return found[1]

    async def appearing(self) -> AsyncIterator[Reader]:
        """The same for all that will come."""
        while True:
            code, reader = self._take_appeared()
            if code == TIMEOUT:
                await readable(self._appeared_descriptor())
            elif reader is None:
                return
            else:
                yield reader

    def _take_appeared(self) -> tuple[int, Reader | None]:
        return self._call("walrow_readers", 0, allowed=(TIMEOUT, END))

    def _appeared_descriptor(self) -> int:
        if self._appeared_fd is None:
            self._appeared_fd = kept(self, library.walrow_readers_fd(self._handles.stream))
        return self._appeared_fd


class Reader(_Closing):
    """The changes of a table, of several (merge) or, as events, of all: for batch in reader, async for batch in reader.

    One reader is read by one thread, or task, at a time; it may be acknowledged and closed by another. At a new schema
    of its table it goes on by itself. Through Arrow's own interface (pyarrow.RecordBatchReader.from_stream(reader)) the
    rows of one schema are a stream, and those of the next one another; Ctrl-C has to wait there.

    table: "schema.table"; None: of several.  position: of the last row that was read
    """

    def __init__(self, stream: Stream, handle: _Handle) -> None:
        self._stream, self._handle, self._owns_stream = stream, handle, False
        self._fd: int | None = None
        self._schema: Schema | None = None
        self._borrowed = 0  # the address of what that is a copy of
        self.position: Position | None = None
        self.table = _table_of(handle.value)

    def __repr__(self) -> str:
        return f"<walrow.Reader of {self.table or 'several tables'}{', closed' if self.closed else ''}>"

    # ---- reading ----

    def read(self, timeout: float | None = None) -> Batch | None:
        """Wait for rows; None: the stream has ended. timeout: in seconds; raises TimeoutError"""
        deadline = deadline_in(timeout)
        while (taken := self._take())[0] == TIMEOUT:
            until_readable(self.fileno(), deadline)
        return taken[1]

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.read, None)

    async def read_batches(self) -> AsyncIterator[Batch]:
        """Until the stream ends. Waits for a descriptor, without a thread."""
        while True:
            code, batch = self._take()
            if code == TIMEOUT:
                await readable(self.fileno())
            elif batch is None:
                return
            else:
                yield batch
                await asyncio.sleep(0)  # others have their turn, however much there is

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self.read_batches()

    def _take(self) -> tuple[int, Batch | None]:
        """What is there already: (OK, batch), (TIMEOUT, None), (END, None)"""
        rows = Rows()
        with self._handle.lock:
            if not self._handle.value:
                return END, None
            code = call("walrow_reader_next", self._handle.value, byref(rows), 0, allowed=(TIMEOUT, END))
            if code == TIMEOUT:
                self._descriptor()  # there to be waited for, whoever closes the reader meanwhile
            return code, self._batch(rows) if code == OK else None

    def _batch(self, rows: Rows) -> Batch:
        """With the lock held: the schema is the reader's."""
        array, borrowed = moved(rows.array), addressof(rows.schema.contents)
        if self._schema is None or self._borrowed != borrowed:
            self._schema, self._borrowed = Schema(rows.schema), borrowed
        self.position = Position(rows.commit_lsn, rows.seq)
        return Batch(array, self._schema, self.table, self.position, rows.snapshot, rows.new_schema)

    def fileno(self) -> int:
        """A descriptor for event loops, select and the like: readable while read() would not wait."""
        with self._handle.lock:
            return self._descriptor()

    def _descriptor(self) -> int:
        if self._fd is None:
            self._fd = kept(self, library.walrow_reader_fd(self._open_handle()))
        return self._fd

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        out = ArrowArrayStream()
        with self._handle.lock:
            call("walrow_reader_stream", self._open_handle(), byref(out))
        return capsule(STREAM, out)

    # ---- acknowledging, closing ----

    def ack(self, upto: Batch | Position | None = None) -> None:
        """Say that what was read is durable, all of it or up to a batch; the server may forget what all readers have."""
        position = ALL if upto is None else upto.position if isinstance(upto, Batch) else upto
        if position is None:
            raise ValueError("a part of a batch has no position to be acknowledged")
        with self._handle.lock:
            call("walrow_reader_ack", self._open_handle(), *position)

    @property
    def closed(self) -> bool:
        return not self._handle.value

    def close(self) -> None:
        """It no longer counts for what is confirmed: what it did not acknowledge is given up.

        To have that again later close the stream, or the readers of auto_configure; events are closed like these.
        """
        if self._owns_stream:
            self._stream.close()
        self._handle.close()

    def _open_handle(self) -> c_void_p:
        if not self._handle.value:
            raise WalrowError("the reader was closed", code="END")
        return self._handle.value


def _table_of(handle: c_void_p) -> str | None:
    schema, table = c_char_p(), c_char_p()
    library.walrow_reader_table(handle, byref(schema), byref(table))
    return f"{text(schema.value)}.{text(table.value)}" if table.value else None


def merge(readers: Iterable[Reader]) -> Reader:
    """Read several tables of one stream as one, in position order, with their names in the column _table.

    Columns are those of all of them, null where a table has none. The readers are taken over.
    """
    merged = list(readers)
    if not merged:
        raise ValueError("there are no readers to be merged")
    stream = merged[0]._stream
    handles = (c_void_p * len(merged))(*(reader._open_handle().value for reader in merged))
    handle = _Handle()
    call("walrow_merge", handles, len(merged), byref(handle.value))
    for reader in merged:
        reader._handle.value = c_void_p()
    return stream._reader(handle)


class Readers(_Closing, Mapping[str, Reader]):
    """Readers by table, "schema.table": of the tables that the patterns match, those that appear later too.

    A table's reader is opened when it is asked for; what comes for others is passed over, so ask for all that are
    wanted before the first of them is read. What is asked for has to be read: the stream waits for its slowest reader.
    """

    def __init__(self, stream: Stream, options: dict[str, Any]) -> None:
        self._stream, self._options = stream, options
        self._opened: dict[str, Reader] = {}
        self._names = self._discover()

    def _discover(self) -> list[str]:
        return [table.full_name for table in tables(**self._options) if table.streamable]

    def __getitem__(self, table: str) -> Reader:
        reader = self._opened.get(table)
        if reader is not None:
            return reader
        if table not in self._names:
            self._names = self._discover()
        if table not in self._names:
            raise KeyError(table)
        return self._add(self._stream.reader(table))

    def _add(self, reader: Reader) -> Reader:
        if reader.table not in self._names:
            self._names.append(reader.table)
        self._opened[reader.table] = reader
        return reader

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._names))

    def __len__(self) -> int:
        return len(self._names)

    def appeared(self, timeout: float | None = None) -> Reader | None:
        """Stream.appeared, with the reader among these from then on."""
        reader = self._stream.appeared(timeout)
        return reader and self._add(reader)

    async def appearing(self) -> AsyncIterator[Reader]:
        """Stream.appearing, with the readers among these from then on."""
        async for reader in self._stream.appearing():
            yield self._add(reader)

    # ---- closing ----

    def close(self) -> None:
        """Confirm what was acknowledged, and disconnect. The slot stays."""
        self._stream.close()
