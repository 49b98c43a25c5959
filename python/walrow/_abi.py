"""include/walrow.h for ctypes: structs, prototypes, and the library itself."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from ctypes import (
    CFUNCTYPE, POINTER, Structure, byref, c_bool, c_char, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint32, c_uint64,
    c_void_p,
)  # fmt: skip

from .errors import WalrowError

OK, TIMEOUT, END = 0, 1, 2


class Error(Structure):
    _fields_ = (
        ("code", c_int), ("retryable", c_bool), ("sys_errno", c_int), ("sqlstate", c_char * 6),
        ("message", c_char * 512), ("hint", c_char * 512),
    )  # fmt: skip


# ---- Arrow's C Data and C Stream Interface -------------------------------------------------------------------


class ArrowArray(Structure):
    _fields_ = (
        ("length", c_int64), ("null_count", c_int64), ("offset", c_int64), ("n_buffers", c_int64),
        ("n_children", c_int64), ("buffers", c_void_p), ("children", c_void_p), ("dictionary", c_void_p),
        ("release", c_void_p), ("private_data", c_void_p),
    )  # fmt: skip


class ArrowSchema(Structure):
    pass


ArrowSchema._fields_ = (
    ("format", c_char_p), ("name", c_char_p), ("metadata", c_void_p), ("flags", c_int64), ("n_children", c_int64),
    ("children", POINTER(POINTER(ArrowSchema))), ("dictionary", c_void_p), ("release", c_void_p),
    ("private_data", c_void_p),
)  # fmt: skip


class ArrowArrayStream(Structure):
    _fields_ = tuple((name, c_void_p) for name in ("get_schema", "get_next", "get_last_error", "release", "private_data"))


# ---- walrow's ------------------------------------------------------------------------------------------------


class Rows(Structure):
    _fields_ = (
        ("schema", POINTER(ArrowSchema)), ("array", ArrowArray), ("new_schema", c_bool), ("snapshot", c_bool),
        ("commit_lsn", c_uint64), ("seq", c_uint32),
    )  # fmt: skip


class Partitioning(Structure):
    _fields_ = (
        ("n", c_uint32), ("by", c_int), ("columns", POINTER(c_char_p)), ("n_columns", c_size_t), ("hash", c_int),
        ("seed", c_uint32),
    )  # fmt: skip


class ColumnInfo(Structure):
    _fields_ = (("name", c_char_p), ("pg_type", c_char_p), ("arrow_type", c_char_p), ("nullable", c_bool))


class TableInfo(Structure):
    _fields_ = (
        ("schema", c_char_p), ("name", c_char_p), ("kind", c_char_p), ("key", POINTER(c_char_p)), ("n_key", c_size_t),
        ("replica_identity", c_char_p), ("rows", c_int64), ("bytes", c_int64), ("streamable", c_bool),
        ("reason", c_char_p), ("columns", POINTER(ColumnInfo)), ("n_columns", c_size_t), ("relid", c_uint32),
    )  # fmt: skip


class Tables(Structure):
    _fields_ = (("items", POINTER(TableInfo)), ("count", c_size_t))


class Finding(Structure):
    _fields_ = (
        ("id", c_char_p), ("severity", c_int), ("code", c_int), ("object", c_char_p), ("message", c_char_p),
        ("current", c_char_p), ("required", c_char_p), ("fix", c_char_p), ("restart", c_bool),
    )  # fmt: skip


class Findings(Structure):
    _fields_ = (("ok", c_bool), ("server_version", c_int), ("items", POINTER(Finding)), ("count", c_size_t))


Stop = CFUNCTYPE(c_int, c_void_p)


class RunCallbacks(Structure):
    _fields_ = (("arg", c_void_p), ("stop", Stop), ("progress", c_void_p))


class Report(Structure):
    _fields_ = (
        *((name, c_uint64) for name in ("inserts", "updates", "deletes", "truncates", "reads")),
        *((name, c_uint64) for name in ("transactions", "change_sets", "messages", "bytes")),
        ("seconds", c_double),
        *((name, c_uint64) for name in ("first_lsn", "first_seq", "last_lsn", "last_seq", "peak_rss_bytes")),
        *((name, c_uint64) for name in ("dead_letters", "reconnects", "acked_lsn")),
    )


# Of functions that can fail: the arguments before the error.
FALLIBLE = {
    "walrow_options_new": [POINTER(c_void_p)],
    "walrow_options_set": [c_void_p, c_char_p, c_char_p],
    "walrow_patterns_parse": [c_char_p, POINTER(c_char_p), POINTER(c_void_p)],
    "walrow_tables_discover": [c_void_p, POINTER(Tables)],
    "walrow_check": [c_void_p, POINTER(Findings)],
    "walrow_open": [c_void_p, POINTER(c_void_p)],
    "walrow_reader": [c_void_p, c_char_p, c_int64, POINTER(c_void_p)],
    "walrow_readers": [c_void_p, c_int, POINTER(c_void_p)],
    "walrow_events": [c_void_p, c_int64, POINTER(c_void_p)],
    "walrow_merge": [POINTER(c_void_p), c_size_t, POINTER(c_void_p)],
    "walrow_reader_next": [c_void_p, POINTER(Rows), c_int],
    "walrow_reader_stream": [c_void_p, POINTER(ArrowArrayStream)],
    "walrow_reader_ack": [c_void_p, c_uint64, c_uint32],
    "walrow_partition": [POINTER(ArrowArray), POINTER(ArrowSchema), POINTER(Partitioning), POINTER(ArrowArray)],
    "walrow_run": [c_void_p, POINTER(RunCallbacks), POINTER(Report)],
    "walrow_array_share": [POINTER(ArrowArray), POINTER(ArrowArray)],
    "walrow_schema_copy": [POINTER(ArrowSchema), POINTER(ArrowSchema)],
    "walrow_array_stream": [POINTER(ArrowArray), POINTER(ArrowSchema), POINTER(ArrowArrayStream)],
}

# Of the others: the result, and all arguments.
INFALLIBLE = {
    "walrow_code_name": (c_char_p, [c_int]),
    "walrow_code_exit_status": (c_int, [c_int]),
    "walrow_version": (c_char_p, []),
    "walrow_options_free": (None, [c_void_p]),
    "walrow_patterns_match": (c_bool, [c_void_p, c_char_p, c_char_p]),
    "walrow_patterns_free": (None, [c_void_p]),
    "walrow_tables_release": (None, [POINTER(Tables)]),
    "walrow_findings_release": (None, [POINTER(Findings)]),
    "walrow_close": (None, [c_void_p]),
    "walrow_readers_fd": (c_int, [c_void_p]),
    "walrow_reader_table": (None, [c_void_p, POINTER(c_char_p), POINTER(c_char_p)]),
    "walrow_reader_fd": (c_int, [c_void_p]),
    "walrow_reader_close": (None, [c_void_p]),
}


# ---- the library ---------------------------------------------------------------------------------------------


def _places() -> Iterator[str]:
    named = os.environ.get("WALROW_LIBRARY")
    if named:
        yield named
        return
    here = os.path.dirname(os.path.abspath(__file__))
    beside = os.path.join(here, "libwalrow.so")
    built = os.path.join(os.path.dirname(os.path.dirname(here)), "build", "libwalrow.so")
    yield from filter(os.path.exists, (beside, built))
    yield "libwalrow.so.0"  # where the dynamic linker looks


def _load() -> ctypes.CDLL:
    place = next(_places())
    try:
        library = ctypes.CDLL(place)
        for name, arguments in FALLIBLE.items():
            function = getattr(library, name)
            function.argtypes, function.restype = [*arguments, POINTER(Error)], c_int
        for name, (result, arguments) in INFALLIBLE.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, result
    except (OSError, AttributeError) as error:
        raise ImportError(f"{error}; WALROW_LIBRARY may say where the libwalrow.so of this version is") from None
    return library


library = _load()


def call(name: str, *arguments: object, allowed: tuple[int, ...] = ()) -> int:
    """A function that can fail; its code, if that is OK or allowed. The GIL is released meanwhile."""
    error = Error()
    code = getattr(library, name)(*arguments, byref(error))
    if code == OK or code in allowed:
        return code
    raise exception(error)


def exception(error: Error) -> WalrowError:
    return WalrowError(
        text(error.message),
        hint=text(error.hint),
        code=code_name(error.code),
        sqlstate=text(error.sqlstate) or None,
        retryable=error.retryable,
        exit_status=library.walrow_code_exit_status(error.code),
    )


def code_name(code: int) -> str:
    return text(library.walrow_code_name(code))


def text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")
