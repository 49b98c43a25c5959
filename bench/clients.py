"""The contestants that need no fetching: pg_recvlogical, psql, and walrow, each on the slot `copy`."""

import json
import os
import shutil
import sys

from plugin import create_extension
from postgres import pgbin
from timing import Failed

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WALROW = os.environ.get("WALROW_BIN") or os.path.join(ROOT, "build", "walrow")

PGOUTPUT = ("proto_version=1", "publication_names=bench")
BINARY_PGOUTPUT = (*PGOUTPUT, "binary=true")
WAL2ARROW = ("format=compact", "max_rows=16384", "max_bytes=262144", "publication_names=bench", "group=32kB")  # as walrow asks for it
# what walrow asks for, of a wal2json that does not know numeric-data-types-as-string
WAL2JSON = (
    "format-version=2", "include-transaction=on", "include-lsn=on", "include-xids=on", "include-timestamp=on",
    "include-schemas=on", "include-type-oids=on", "include-typmod=on", "include-types=on", "include-pk=on",
    "include-origin=on",
)  # fmt: skip


class Contestant:
    """One that reads the slot `copy` of `plugin`; `slow`: a third of the rows will do."""

    group = "raw"
    transport = "push"
    slow = False

    def __init__(self, server, name, plugin):
        self.server = server
        self.name = name
        self.plugin = plugin

    def prepare(self):
        pass

    def command(self, workload):
        raise NotImplementedError

    def check(self, workload, run):
        """A run that lost rows has no speed."""


class Raw(Contestant):
    """pg_recvlogical to /dev/null: what comes is not looked at."""

    def __init__(self, server, name, plugin, options=(), slow=False):
        super().__init__(server, f"pg_recvlogical, {name}", plugin)
        self.group = "ceiling" if plugin == "walrow_null" else "raw"
        self.options = options
        self.slow = slow

    def command(self, workload):
        return [
            pgbin("pg_recvlogical"), "-d", self.server.dsn(), "-S", "copy", "--start", "--no-loop", "-f", "/dev/null",
            "-E", workload.end, *(word for option in self.options for word in ("-o", option)),
        ]  # fmt: skip


class Psql(Contestant):
    """Pulled by psql to /dev/null: what comes is not looked at, and no client can have it sooner."""

    QUERIES = {
        "function": "COPY (SELECT lsn, data FROM pg_logical_slot_get_binary_changes('copy', '{}', NULL{}))"
        " TO STDOUT (FORMAT binary)",
        "procedure": "CALL wal2arrow.stream('copy', '{}'{})",
    }

    def __init__(self, server, transport, plugin, options=()):
        super().__init__(server, f"psql, {plugin}, {HOW[transport]}, thrown away", plugin)
        self.transport = transport
        self.options = "".join(f", '{word}'" for option in options for word in option.split("="))

    def prepare(self):
        install_extension(self.server, True)

    def command(self, workload):
        query = self.QUERIES[self.transport].format(workload.end, self.options)
        return [pgbin("psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", self.server.dsn(), "-c", query]


class Ceiling(Psql):
    """What PostgreSQL's decoding costs by itself: a plugin that emits nothing per row."""

    group = "ceiling"

    def __init__(self, server, transport):
        super().__init__(server, transport, "walrow_null")
        self.name = f"nothing emitted, by {transport}"


class Walrow(Contestant):
    """walrow stream: batches, into a sink. transport: "push", "function" or "procedure", its choice of the two for
    --transport pull where the extension is there."""

    group = "walrow"

    def __init__(self, server, folder, plugin, transport, sink="null", slow=False):
        super().__init__(server, f"walrow, {plugin}, {HOW[transport]}, {sink}:", plugin)
        self.slow = slow
        self.transport, self.sink = transport, sink
        self.folder = os.path.join(folder, "walrow")

    def prepare(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        install_extension(self.server, self.transport == "procedure")

    def command(self, workload):
        return [
            WALROW, "stream", "--source", self.server.dsn(), "--slot", "copy", "--publication", "bench",
            "--tables", "public.*", "--no-setup", "--snapshot", "never", "--until", workload.end,
            "--plugin", self.plugin, "--transport", "push" if self.transport == "push" else "pull",
            "--to", self.sink + ":" + ("" if self.sink == "null" else os.path.join(self.folder, "sink")),
            "--state", os.path.join(self.folder, "state"), "--report", os.path.join(self.folder, "report.json"),
        ]  # fmt: skip

    def check(self, workload, run):
        with open(os.path.join(self.folder, "report.json"), encoding="utf-8") as file:
            report = json.load(file)
        if sum(report["changes"].values()) != workload.rows:
            raise Failed(f"{self.name}: {workload.rows} rows went in, and came out: {report['changes']}")
        run.peak_rss = report["peak_rss_bytes"]


class OwnClock(Contestant):
    """One that prints its rows, and the seconds from the first to the last: a start costs it nothing."""

    def check(self, workload, run):
        rows, seconds = run.output.split()
        if int(rows) < workload.rows:
            raise Failed(f"{self.name}: {workload.rows} rows went in, and came out: {rows}")
        run.seconds = float(seconds) * workload.rows / int(rows)  # one that reads in batches may read more


class Reader(OwnClock):
    """A program that reads the table's rows by the API."""

    group = "walrow"
    sink = "caller"
    transport = "procedure"

    def __init__(self, server, folder, language, *program):
        super().__init__(server, f"walrow, wal2arrow, pulled by procedure, read in {language}", "wal2arrow")
        self.folder = os.path.join(folder, "walrow")
        self.program = program

    def prepare(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        install_extension(self.server, True)

    def command(self, workload):
        return [
            *self.program, "public." + workload.slot, str(workload.rows), "source=" + self.server.dsn(), "slot=copy",
            "publication=bench", "tables=public.*", "no-setup=true", "snapshot=never", "transport=pull",
            "plugin=wal2arrow", "state=" + self.folder, "until=" + workload.end,
        ]  # fmt: skip


def readers(server, folder):
    return [
        Reader(server, folder, "C", os.path.join(ROOT, "build", "bench", "reader")),
        Reader(server, folder, "Python", sys.executable, os.path.join(ROOT, "bench", "reader.py")),
    ]


HOW = {"push": "pushed", "function": "pulled by function", "procedure": "pulled by procedure"}


def install_extension(server, wanted):
    there = server.sql("SELECT to_regnamespace('wal2arrow') IS NOT NULL")[0][0]
    if wanted and not there:
        create_extension(server)
    elif there and not wanted:
        server.sql("DROP SCHEMA wal2arrow CASCADE")


RAW = "pg_recvlogical, pgoutput, binary"
RAW_WAL2JSON = "pg_recvlogical, wal2json v2, as walrow asks for it"


def essential_contestants(server, folder):
    """Those of every workload."""
    contestants = [Raw(server, "pgoutput, binary", "pgoutput", BINARY_PGOUTPUT)]
    contestants += [
        Walrow(server, folder, plugin, transport) for plugin in ("pgoutput", "wal2arrow") for transport in HOW
    ]
    contestants.append(Raw(server, "nothing emitted", "walrow_null"))
    return contestants + [Ceiling(server, transport) for transport in ("function", "procedure")]


def more_contestants(server, folder):
    """Other plugins, and walrow's sinks by its fastest transport."""
    return [
        Psql(server, "function", "pgoutput", BINARY_PGOUTPUT),
        Psql(server, "procedure", "pgoutput", BINARY_PGOUTPUT),
        Psql(server, "procedure", "wal2arrow", WAL2ARROW),
        Raw(server, "pgoutput, text", "pgoutput", PGOUTPUT),
        Raw(server, "test_decoding", "test_decoding", slow=True),
        Raw(server, "wal2json v2", "wal2json", ("format-version=2",), slow=True),
        Raw(server, RAW_WAL2JSON.partition(", ")[2], "wal2json", WAL2JSON, slow=True),
        *(Walrow(server, folder, "wal2json", transport, slow=True) for transport in HOW),
        Raw(server, "decoderbufs", "decoderbufs", slow=True),
        *(Walrow(server, folder, "wal2arrow", "procedure", sink) for sink in ("ipc", "parquet", "jsonl")),
        *readers(server, folder),
    ]
