"""A process timed from start to exit, with what it cost itself and the server."""

import os
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field

from postgres import children_of, clean_environment

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
TIME_LIMIT_S = 600


class Failed(Exception):
    """A contestant that did not do what it is measured for."""


@dataclass
class Run:
    seconds: float
    cpu_s: float
    server_cpu_s: float
    peak_rss: int
    output: str = field(repr=False)


@dataclass
class Measured:
    """Runs of one contestant over so many rows."""

    rows: int
    runs: list

    def median(self, figure):
        return statistics.median(getattr(run, figure) for run in self.runs)

    @property
    def rate(self):
        return self.rows / self.median("seconds")

    @property
    def rates(self):
        """The lowest and the highest."""
        seconds = [run.seconds for run in self.runs]
        return self.rows / max(seconds), self.rows / min(seconds)

    def ratio(self, other):
        """Of the rates, each of two runs of the same round: what is minutes apart the machine has not done alike."""
        pairs = zip(self.runs, other.runs, strict=True)
        return statistics.median(self.rows / one.seconds * two.seconds / other.rows for one, two in pairs)

    def per_million(self, figure):
        return self.median(figure) / self.rows * 1e6


def timed(command, server):
    """Run it to its end."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaint:
        server_before = server_cpu_s(server)
        started = time.monotonic()
        process = start(command, stdin=subprocess.DEVNULL, stdout=out, stderr=complaint)
        watch = Watch(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        peak_rss = watch.finish()
        server_cpu = server_cpu_s(server) - server_before
        if process.returncode != 0:
            raise Failed(f"{' '.join(command)}: exit status {process.returncode}\n{text(complaint)}")
        return Run(seconds, usage.ru_utime + usage.ru_stime, server_cpu, peak_rss, text(out))


def start(command, **files):
    try:
        return subprocess.Popen(command, env=clean_environment(), **files)
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}") from error


def text(file):
    file.seek(0)
    return file.read().decode(errors="replace")


class Watch:
    """Samples the peak memory of a process until it is gone, and ends one that hangs.

    The kernel's own ru_maxrss will not do: a child begins with what its parent, this program, had.
    """

    INTERVAL_S = 0.02

    def __init__(self, pid):
        self._pid = pid
        self._peak_rss = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def finish(self):
        self._over.set()
        self._thread.join()
        return self._peak_rss

    def _watch(self):
        deadline = time.monotonic() + TIME_LIMIT_S
        while not self._over.wait(self.INTERVAL_S):
            self._peak_rss = peak_rss(self._pid) or self._peak_rss
            if time.monotonic() > deadline:
                os.kill(self._pid, 9)
                return


def peak_rss(pid):
    """In bytes; 0 of a process that is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def server_cpu_s(server):
    """Of all its processes: those that run, and those whose end the postmaster has seen, none of them meanwhile."""
    postmaster = server.pid()
    while True:
        own, ended = cpu_ticks(postmaster)
        running = sum(cpu_ticks(child)[0] for child in children_of(postmaster))
        if cpu_ticks(postmaster)[1] == ended:
            return (own + ended + running) * TICK_S


def cpu_ticks(pid):
    """Its own, and its children's that have ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = [int(field) for field in file.read().rsplit(")", 1)[1].split()[11:15]]
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    return sum(fields[:2]), sum(fields[2:])
