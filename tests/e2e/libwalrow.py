"""libwalrow.so by ctypes: as much of walrow.h as the tests of readers and partitions need; rows are pyarrow's."""

import ctypes
import os
from ctypes import POINTER, byref, c_bool, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

import pyarrow as pa

OK, TIMEOUT, END = 0, 1, 2
FOR_EVER, SOON_MS = -1, 60000


class Error(ctypes.Structure):
    _fields_ = (
        ("code", c_int), ("retryable", c_bool), ("sys_errno", c_int), ("sqlstate", c_char * 6),
        ("message", c_char * 512), ("hint", c_char * 512),
    )  # fmt: skip


class ArrowArray(ctypes.Structure):
    _fields_ = (
        ("length", c_int64), ("null_count", c_int64), ("offset", c_int64), ("n_buffers", c_int64),
        ("n_children", c_int64), ("buffers", c_void_p), ("children", c_void_p), ("dictionary", c_void_p),
        ("release", c_void_p), ("data", c_void_p),
    )  # fmt: skip


class ArrowSchema(ctypes.Structure):
    _fields_ = (
        ("format", c_char_p), ("name", c_char_p), ("metadata", c_void_p), ("flags", c_int64), ("n_children", c_int64),
        ("children", c_void_p), ("dictionary", c_void_p), ("release", c_void_p), ("data", c_void_p),
    )  # fmt: skip


class ArrowArrayStream(ctypes.Structure):
    _fields_ = tuple((name, c_void_p) for name in ("get_schema", "get_next", "get_last_error", "release", "data"))


class Rows(ctypes.Structure):
    _fields_ = (
        ("schema", c_void_p), ("array", ArrowArray), ("new_schema", c_bool), ("snapshot", c_bool),
        ("commit_lsn", c_uint64), ("seq", c_uint32),
    )  # fmt: skip


class Partitioning(ctypes.Structure):
    _fields_ = (
        ("n", c_uint32), ("by", c_int), ("columns", POINTER(c_char_p)), ("n_columns", c_size_t), ("hash", c_int),
        ("seed", c_uint32),
    )  # fmt: skip


class WalrowError(Exception):
    def __init__(self, error):
        super().__init__(f"{error.message.decode()}\n{error.hint.decode()}")
        self.code = error.code


class Library:
    def __init__(self, path):
        self._library = ctypes.CDLL(path)

    def call(self, name, *arguments, allowed=()):
        """A function whose last argument is the error."""
        error = Error()
        code = getattr(self._library, name)(*arguments, byref(error))
        if code != OK and code not in allowed:
            raise WalrowError(error)
        return code

    def plain(self, name, *arguments):
        return getattr(self._library, name)(*arguments)

    def open(self, **options):
        return Stream(self, options)


def load():
    """The library beside the command that is tested."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    binary = os.environ.get("WALROW_BIN") or os.path.join(root, "build", "walrow")
    return Library(os.path.join(os.path.dirname(os.path.abspath(binary)), "libwalrow.so"))


class Stream:
    def __init__(self, library, options):
        self.library = library
        self._stream, self._options, self._readers = c_void_p(), c_void_p(), []
        library.call("walrow_options_new", byref(self._options))
        try:
            for name, value in options.items():
                name = name.replace("_", "-").encode()
                library.call("walrow_options_set", self._options, name, str(value).encode())
            library.call("walrow_open", self._options, byref(self._stream))
        except WalrowError:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """The readers after it: what they did not acknowledge is to come again."""
        self.library.plain("walrow_close", self._stream)
        for reader in self._readers:
            reader.close()
        self.library.plain("walrow_options_free", self._options)
        self._stream, self._options, self._readers = c_void_p(), c_void_p(), []

    def _reader(self, handle):
        self._readers.append(Reader(self.library, handle))
        return self._readers[-1]

    def reader(self, table, max_bytes=0):
        handle = c_void_p()
        self.library.call("walrow_reader", self._stream, table.encode(), c_int64(max_bytes), byref(handle))
        return self._reader(handle)

    def appeared(self, timeout_ms=SOON_MS):
        """The reader of the next table that had none; None: there is none."""
        handle = c_void_p()
        code = self.library.call("walrow_readers", self._stream, timeout_ms, byref(handle), allowed=(TIMEOUT, END))
        return self._reader(handle) if code == OK else None

    def events(self):
        handle = c_void_p()
        self.library.call("walrow_events", self._stream, c_int64(0), byref(handle))
        return self._reader(handle)

    def merge(self, *readers):
        handle, handles = c_void_p(), (c_void_p * len(readers))(*(reader.handle for reader in readers))
        self.library.call("walrow_merge", handles, c_size_t(len(readers)), byref(handle))
        for reader in readers:
            reader.handle = c_void_p()
        return self._reader(handle)


class Reader:
    def __init__(self, library, handle):
        self.library, self.handle, self.schema = library, handle, None
        self.position = (0, 0)

    @property
    def table(self):
        schema, table = c_char_p(), c_char_p()
        self.library.plain("walrow_reader_table", self.handle, byref(schema), byref(table))
        return f"{schema.value.decode()}.{table.value.decode()}"

    @property
    def fd(self):
        return self.library.plain("walrow_reader_fd", self.handle)

    def next(self, timeout_ms=SOON_MS):
        """The next rows; None: the stream has ended, or there are none."""
        rows = Rows()
        code = self.library.call("walrow_reader_next", self.handle, byref(rows), timeout_ms, allowed=(TIMEOUT, END))
        if code != OK:
            return None
        self.position = (rows.commit_lsn, rows.seq)
        if rows.new_schema:
            self.schema = import_borrowed(rows.schema)
        return pa.RecordBatch._import_from_c(ctypes.addressof(rows) + Rows.array.offset, self.schema)

    def __iter__(self):
        return iter(self.next, None)

    def rows(self):
        """All until the stream ends."""
        return [row for batch in self for row in batch.to_pylist()]

    def arrow(self):
        """A pyarrow.RecordBatchReader of the rows of one schema."""
        stream = ArrowArrayStream()
        self.library.call("walrow_reader_stream", self.handle, byref(stream))
        return pa.RecordBatchReader._import_from_c(ctypes.addressof(stream))

    def ack(self, position=None):
        lsn, seq = position or self.position
        self.library.call("walrow_reader_ack", self.handle, c_uint64(lsn), c_uint32(seq))

    def close(self):
        self.library.plain("walrow_reader_close", self.handle)
        self.handle = c_void_p()


def import_borrowed(address):
    """pyarrow takes what it imports: it gets a copy of the struct, whose release does nothing."""
    copy = ArrowSchema.from_buffer_copy(ArrowSchema.from_address(address))
    copy.release = ctypes.cast(release_nothing, c_void_p)
    return pa.Schema._import_from_c(ctypes.addressof(copy))


@ctypes.CFUNCTYPE(None, c_void_p)
def release_nothing(address):
    ArrowSchema.from_address(address).release = None


def partition(library, batch, n, columns=(), by_table=False):
    """A list of n record batches, or None where nothing is."""
    array, schema, out = ArrowArray(), ArrowSchema(), (ArrowArray * n)()
    batch._export_to_c(ctypes.addressof(array), ctypes.addressof(schema))
    names = (c_char_p * len(columns))(*(name.encode() for name in columns))
    how = Partitioning(n=n, by=int(by_table), columns=names, n_columns=len(columns))
    library.call("walrow_partition", byref(array), byref(schema), byref(how), out)
    schema = pa.Schema._import_from_c(ctypes.addressof(schema))
    return [pa.RecordBatch._import_from_c(ctypes.addressof(one), schema) if one.release else None for one in out]
