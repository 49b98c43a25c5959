"""A stream described step by step, and run into sinks: what the options of `walrow stream` say, composed."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from ctypes import byref
from typing import Any, Literal, Self
from urllib.parse import quote

from . import _abi
from ._options import Options, in_thread, listed, words

GO_ON, STOP = 0, 1
Duration = str  # as the options have it: "500ms", "10s", "1h"


@dataclasses.dataclass(frozen=True)
class Report:
    """What a run delivered. seconds: from the first change received to the last one delivered"""

    inserts: int
    updates: int
    deletes: int
    truncates: int
    reads: int
    transactions: int
    change_sets: int
    messages: int
    bytes: int
    seconds: float
    first_lsn: int
    first_seq: int
    last_lsn: int
    last_seq: int
    peak_rss_bytes: int
    dead_letters: int
    reconnects: int
    acked_lsn: int


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """Nothing happens before run(). Each step gives another pipeline and leaves this one as it is.

        walrow.stream(database="shop", tables="public.*").filter("total > 100", table="public.orders").to_parquet("lake").run()
        walrow.stream(database="shop").group_by("event_type").aggregate(count="*", window="10s").to("table:-").run()

    Aggregates go to the sinks in place of the changes, as rows of a table "sql.NAME".
    """

    options: dict[str, Any]
    groups: tuple[str, ...] = ()

    def _with(self, **more: Any) -> Self:
        """Lists are added to."""
        options = dict(self.options)
        for name, value in more.items():
            if isinstance(value, list):
                options[name] = [*listed(options.get(name)), *value]
            elif value is not None:
                options[name] = value
        return dataclasses.replace(self, options=options)

    # ---- which changes ----

    def filter(
        self, where: str | None = None, *, table: str = "*.*", columns: str | None = None, events: str | Sequence[str] | None = None
    ) -> Self:
        """Only rows for which a condition in DuckDB's SQL holds, only some columns, only some kinds of events.

        table: patterns of the tables that where and columns are about
        events: "insert", "update", "delete", "truncate", "read", "message"; of all tables
        """
        return self._with(
            where=[] if where is None else [f"{table}: {where}"],
            columns=[] if columns is None else [f"{table}: {columns}"],
            events=events if events is None or isinstance(events, str) else ",".join(events),
        )

    # ---- queries ----

    def sql(self, query: str, *, name: str) -> Self:
        """A query over the changes of each window: its rows are those of the table "sql.NAME"."""
        return self._with(sql=[f"{name}={query}"])

    def window(self, length: Duration, slide: Duration | None = None) -> Self:
        return self._with(window=length, slide=slide)

    def every(self, interval: Duration, retain: str | None = None) -> Self:
        """Instead of windows: by the clock, over what is retained, such as "64MB"."""
        return self._with(every=interval, retain=retain)

    def group_by(self, *columns: str) -> Self:
        """What the next aggregate has a row of each for, in SQL."""
        return dataclasses.replace(self, groups=columns)

    def aggregate(
        self, *, table: str = "events", window: Duration | None = None, name: str = "aggregate", **aggregates: str
    ) -> Self:
        """A query: count="*" is count(*) AS count, anything else is SQL: total="sum(total)".

        table: "events" has a row for each change of whatever table (event_type, schema, table, lsn, seq, timestamp,
               transaction_id); "public.orders" has the changes of one
        window: its length; without it as window() or every() say, else 10 seconds
        """
        if not aggregates:
            raise TypeError("an aggregate needs a column, such as count='*'")
        columns = [*self.groups, *(f"{'count(*)' if sql == '*' else sql} AS {_name(column)}" for column, sql in aggregates.items())]
        group = " GROUP BY ALL" if self.groups else ""
        pipeline = dataclasses.replace(self, groups=()).sql(f"SELECT {', '.join(columns)} FROM {table}{group}", name=name)
        if window is None and not {"window", "every"} & self.options.keys():
            window = "10s"
        return pipeline._with(window=window)

    # ---- sinks ----

    def to(self, uri: str, **params: Any) -> Self:
        """A sink by its URI; parameters as docs/sinks.md has them."""
        given = ((name, ",".join(map(words, listed(value)))) for name, value in params.items() if value is not None)
        text = "&".join(f"{name}={quote(value, safe='*.,{}:!')}" for name, value in given)
        return self._with(to=[uri + ("" if not text else "&" if "?" in uri else "?") + text])

    def to_parquet(self, directory: str, *, partition_by: Literal["table", "day"] = "table", **params: Any) -> Self:
        """Files of each table; partition_by="day": of each day of commit, too."""
        if partition_by not in ("table", "day"):
            raise ValueError(f'partition_by is "table" or "day", not {partition_by!r}')
        return self.to(f"parquet:{directory}", partition="day" if partition_by == "day" else None, **params)

    def to_ipc(self, directory: str, **params: Any) -> Self:
        return self.to(f"ipc:{directory}", **params)

    def to_jsonl(self, file: str = "-", **params: Any) -> Self:
        return self.to(f"jsonl:{file}", **params)

    def to_duckdb(self, file: str, **params: Any) -> Self:
        return self.to(f"duckdb:{file}", **params)

    def to_kafka(self, brokers: str | Sequence[str], prefix: str, **params: Any) -> Self:
        """brokers: "host:port", or several"""
        return self.to(f"kafka://{brokers if isinstance(brokers, str) else ','.join(brokers)}/{prefix}", **params)

    def to_redis(self, place: str, **params: Any) -> Self:
        """place: "[user@]host[:port][/db]" """
        return self.to(f"redis://{place}", **params)

    # ---- running ----

    def run(self, **options: Any) -> Report:
        """Stream into the sinks: up to until="now" or an LSN, else for ever. Ctrl-C delivers what is whole first."""
        asked, stopped = Options(self._with(**options).options), threading.Event()
        future, _ = in_thread(lambda: _run(asked, stopped))
        while not stopped.is_set():
            try:
                return future.result()
            except KeyboardInterrupt:
                stopped.set()
        future.result()
        raise KeyboardInterrupt


def stream(**options: Any) -> Pipeline:
    """What auto_configure takes, but for route_by_table."""
    return Pipeline(options)


def _run(asked: Options, stopped: threading.Event) -> Report:
    report = _abi.Report()
    stop = _abi.Stop(lambda _: STOP if stopped.is_set() else GO_ON)
    try:
        _abi.call("walrow_run", asked.handle, byref(_abi.RunCallbacks(None, stop, None)), byref(report))
    finally:
        asked.free()
    return Report(*(getattr(report, name) for name, _ in report._fields_))


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
