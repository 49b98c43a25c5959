"""Options from keyword arguments, and what is asked of a server without a stream."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from ctypes import Structure, byref, c_char_p, c_void_p
from dataclasses import dataclass
from typing import Any

from . import _abi
from ._abi import call, library, text
from .errors import CheckError, Finding

SEVERITIES = ("error", "warning", "info")


class Options:
    """walrow_options, set from keyword arguments: those of the command, with _ for -; a list is an option given again."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.handle = c_void_p()
        call("walrow_options_new", byref(self.handle))
        try:
            for name, value in with_source(options).items():
                self._set(name.replace("_", "-"), value)
        except BaseException:
            self.free()
            raise

    def _set(self, name: str, value: Any) -> None:
        for one in listed(value):
            call("walrow_options_set", self.handle, name.encode(), words(one).encode())

    def free(self) -> None:
        library.walrow_options_free(self.handle)
        self.handle = c_void_p()


def listed(value: Any) -> list[Any]:
    """Of an option that may be given again; None is not given."""
    return [one for one in (value if isinstance(value, (list, tuple)) else [value]) if one is not None]


def words(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def with_source(options: dict[str, Any]) -> dict[str, Any]:
    """host, port, database, user and password as "source", in libpq's keywords."""
    keywords = {"host": "host", "port": "port", "database": "dbname", "user": "user", "password": "password"}
    given = {keywords[name]: value for name, value in options.items() if name in keywords and value is not None}
    others = {name: value for name, value in options.items() if name not in keywords}
    if given and others.get("source") is not None:
        raise TypeError("the server is named by source, or by host, port, database, user and password")
    return others | ({"source": " ".join(f"{name}={quoted(value)}" for name, value in given.items())} if given else {})


def quoted(value: object) -> str:
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def in_thread(work: Callable[[], Any]) -> tuple[Future[Any], threading.Thread]:
    """work() where Ctrl-C need not wait for it."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return future, thread


def interruptible(work: Callable[[], Any], undo: Callable[[], None]) -> Any:
    """work(); after Ctrl-C undo() follows when it is over. Without Ctrl-C that is not called."""
    future, thread = in_thread(work)
    try:
        result = future.result()
        thread.join()
        return result
    except KeyboardInterrupt:
        future.add_done_callback(lambda _: undo())
        raise


def ask(name: str, out: Structure, options: dict[str, Any]) -> None:
    """A function that fills out, for those options."""
    asked = Options(options)
    interruptible(lambda: _ask(name, out, asked), lambda: None)


def _ask(name: str, out: Structure, asked: Options) -> None:
    try:
        call(name, asked.handle, byref(out))
    finally:
        asked.free()


# ---- tables --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    name: str
    pg_type: str
    arrow_type: str
    nullable: bool


@dataclass(frozen=True)
class Table:
    """A table that the patterns match. reason: why it cannot be streamed; rows: the planner's estimate, -1 unknown"""

    schema: str
    name: str
    kind: str
    key: tuple[str, ...]
    replica_identity: str
    rows: int
    bytes: int
    streamable: bool
    reason: str
    columns: tuple[Column, ...]

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"


def tables(**options: Any) -> list[Table]:
    """What the patterns match on the server, ordered by schema and name. Takes what auto_configure takes."""
    found = _abi.Tables()
    ask("walrow_tables_discover", found, options)
    try:
        return [table_of(found.items[i]) for i in range(found.count)]
    finally:
        library.walrow_tables_release(byref(found))


def table_of(info: _abi.TableInfo) -> Table:
    columns = (info.columns[i] for i in range(info.n_columns))
    return Table(
        schema=text(info.schema), name=text(info.name), kind=text(info.kind),
        key=tuple(text(info.key[i]) for i in range(info.n_key)), replica_identity=text(info.replica_identity),
        rows=info.rows, bytes=info.bytes, streamable=info.streamable, reason=text(info.reason),
        columns=tuple(Column(text(c.name), text(c.pg_type), text(c.arrow_type), c.nullable) for c in columns),
    )  # fmt: skip


# ---- checks --------------------------------------------------------------------------------------------------


def check(**options: Any) -> list[Finding]:
    """Find everything that keeps the options from working against the server. Takes what auto_configure takes.

    Raises CheckError with all of it; else returns what is worth knowing: warnings and information.
    """
    found = _abi.Findings()
    ask("walrow_check", found, options)
    try:
        findings = [finding_of(found.items[i]) for i in range(found.count)]
    finally:
        library.walrow_findings_release(byref(found))
    if any(finding.severity == "error" for finding in findings):
        raise CheckError(findings)
    return findings


def finding_of(finding: _abi.Finding) -> Finding:
    return Finding(
        id=text(finding.id), severity=SEVERITIES[finding.severity], code=_abi.code_name(finding.code),
        object=text(finding.object), message=text(finding.message), current=text(finding.current),
        required=text(finding.required), fix=text(finding.fix), restart=finding.restart,
    )  # fmt: skip


# ---- patterns ------------------------------------------------------------------------------------------------


class TablePatterns:
    """Patterns as the option tables has them: exact names, globs, regular expressions; ! excludes.

    search_path: the schemas that names without one may be in
    """

    def __init__(self, patterns: str | Iterable[str], search_path: Iterable[str] = ("public",)) -> None:
        listed = patterns if isinstance(patterns, str) else ",".join(patterns)
        schemas = [schema.encode() for schema in search_path]
        self._schema = schemas[0].decode() if schemas else "public"
        self._handle = c_void_p()
        path = (c_char_p * (len(schemas) + 1))(*schemas)
        call("walrow_patterns_parse", listed.encode(), path, byref(self._handle))

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            library.walrow_patterns_free(self._handle)

    def matches(self, name: str) -> bool:
        """Of one name, "schema.table"; without a schema it is in the first of the search path."""
        schema, dot, table = name.partition(".")
        schema, table = (schema, table) if dot else (self._schema, name)
        return library.walrow_patterns_match(self._handle, schema.encode(), table.encode())

    def match(self, names: Iterable[str]) -> list[str]:
        """Those of the names that match, in their order."""
        return [name for name in names if self.matches(name)]
