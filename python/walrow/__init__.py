"""PostgreSQL's changes as Apache Arrow.

    with walrow.auto_configure(host="localhost", database="shop", tables="public.*") as readers:
        for batch in readers["public.orders"]:
            print(pyarrow.record_batch(batch))
            readers["public.orders"].ack()

Batches go into whatever reads Arrow, by the PyCapsule interface; pyarrow is not required. What a reader acknowledged
does not come again, all else does: at least once, with positions.
"""

from __future__ import annotations

from typing import Any, Literal, overload

from ._abi import library, text
from ._arrow import Batch, Position, partition
from ._options import Column, Table, TablePatterns, check, tables
from ._pipeline import Pipeline, Report, stream
from ._readers import Reader, Readers, Stream, merge
from .errors import CheckError, Finding, WalrowError

__all__ = [
    "Batch", "CheckError", "Column", "Finding", "Pipeline", "Position", "Reader", "Readers", "Report", "Stream", "Table",
    "TablePatterns", "WalrowError", "auto_configure", "check", "merge", "partition", "stream", "tables",
]  # fmt: skip
__version__: str = text(library.walrow_version())


@overload
def auto_configure(*, route_by_table: Literal[True] = True, **options: Any) -> Readers: ...
@overload
def auto_configure(*, route_by_table: Literal[False], **options: Any) -> Reader: ...
def auto_configure(
    *, host: str | None = None, port: int | None = None, database: str | None = None, user: str | None = None,
    password: str | None = None, source: str | None = None, tables: str | list[str] | None = None, plugin: str = "auto",
    route_by_table: bool = True, **options: Any,
) -> Readers | Reader:  # fmt: skip
    """Check the server, set up what is missing, and stream: a mapping of readers, by "schema.table".

    With route_by_table=False one reader of all changes as events, in commit order (columns: walrow_events in walrow.h).

    source:   a libpq URI or keywords, instead of host, port, database, user and password; what none of them says is
              as libpq's PG* variables say
    tables:   patterns, as TablePatterns has them; none: every table
    plugin:   "wal2arrow", "pgoutput" or "wal2json"; "auto" takes the best that the server has
    options:  those of `walrow help stream`, with _ for -: slot="shop", snapshot="never", until="now"
    """
    options |= {
        "host": host, "port": port, "database": database, "user": user, "password": password, "source": source,
        "tables": tables, "plugin": plugin,
    }  # fmt: skip
    stream = Stream(**options)
    try:
        return Readers(stream, options) if route_by_table else stream.events(owned=True)
    except BaseException:
        stream.close()
        raise
