"""The commands that are compared: walrow and its peers, each on the slot `copy`."""

import json
import os
import shutil

from postgres import pgbin

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WALROW = os.environ.get("WALROW_BIN") or os.path.join(ROOT, "build", "walrow")

# what pg_recvlogical asks of a plugin
RAW_OPTIONS = {
    "pgoutput": {"proto_version": "1", "publication_names": "bench", "binary": "true"},
    "wal2json": {"format-version": "2"},
    "decoderbufs": {},
    "walrow_null": {},
}


# what walrow asks of wal2json (src/pg/plugin_options.c), but for what 2.5 does not know
WALROW_WAL2JSON = {"format-version": "2"} | {
    f"include-{what}": "on"
    for what in ("transaction", "lsn", "xids", "timestamp", "schemas", "type-oids", "typmod", "types", "pk", "origin")
}


class Raw:
    """pg_recvlogical to /dev/null: what comes is not looked at."""

    def __init__(self, server, plugin, options=None):
        self.server = server
        self.plugin = plugin
        self.name = f"pg_recvlogical, {plugin}"
        self.options = RAW_OPTIONS[plugin] if options is None else options

    def command(self, workload):
        command = [
            pgbin("pg_recvlogical"), "-d", self.server.dsn(), "-S", "copy", "--start", "--no-loop", "-f", "/dev/null",
            "-E", workload.end,
        ]  # fmt: skip
        for option, value in self.options.items():
            command += ["-o", f"{option}={value}"]
        return command

    def prepare(self):
        pass

    def check(self, workload, run):
        pass


class Walrow:
    """walrow stream: batches, into sinks of the folder, and counted."""

    def __init__(self, server, plugin, folder, *sinks, name=None, state=True, buffer="auto", transport="push"):
        self.server = server
        self.plugin = plugin
        self.name = name or f"walrow, {plugin}, {' '.join(f'{sink}:' for sink in sinks)}"
        self.sinks, self.buffer, self.transport = sinks, buffer, transport
        self.directory, self.state_directory = os.path.join(folder, "sinks"), os.path.join(folder, "state")
        self.state = self.state_directory if state else "off"
        self.report_file = os.path.join(folder, "report.json")

    def command(self, workload):
        return [
            WALROW, "stream", "--source", self.server.dsn(), "--slot", "copy", "--publication", "bench",
            "--tables", "public.bench", "--no-setup", "--snapshot", "never", "--until", workload.end,
            "--encoding", "binary", "--report", self.report_file, "--plugin", self.plugin, "--state", self.state,
            "--buffer", self.buffer, "--transport", self.transport,
            *(word for sink in self.sinks for word in ("--to", self.uri(sink))),
        ]  # fmt: skip

    def uri(self, sink):
        return "null:" if sink == "null" else f"{sink}:{os.path.join(self.directory, sink)}"

    def prepare(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self.state_directory, ignore_errors=True)
        os.mkdir(self.directory)

    def check(self, workload, run):
        check_report(self.report_file, workload, run)


class Decode:
    """walrow decode, on one core: a stream recorded before, with no server."""

    def __init__(self, server, folder):
        self.server = server
        self.name = "walrow decode, pgoutput, null:"
        self.recording = os.path.join(folder, "recording")
        self.report_file = os.path.join(folder, "report.json")

    def record(self, workload):
        return [
            WALROW, "record", self.recording, "--source", self.server.dsn(), "--slot", "copy", "--publication",
            "bench", "--tables", "public.bench", "--no-setup", "--until", workload.end, "--encoding", "binary",
        ]  # fmt: skip

    def command(self):
        return [
            "taskset", "-c", "0", WALROW, "decode", self.recording, "--to", "null:", "--report", self.report_file,
        ]  # fmt: skip

    def check(self, workload, run):
        check_report(self.report_file, workload, run)


def check_report(path, workload, run):
    """A run that lost rows has no speed. Its peak RSS is there, too."""
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    if report["changes"]["I"] != workload.rows:
        raise SystemExit(f"{workload.title}: {workload.rows} rows went in, and came out: {report['changes']}")
    run.peak_rss = report["peak_rss_bytes"]
