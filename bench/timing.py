"""A process timed from start to exit, with what it cost itself and the server."""

import os
import statistics
import subprocess
import threading
import time
from dataclasses import astuple, dataclass

from postgres import clean_environment

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass
class Run:
    seconds: float
    cpu_s: float
    server_cpu_s: float = 0.0
    peak_rss: int = 0  # where the client says


def median(runs):
    """Of each figure by itself."""
    return Run(*map(statistics.median, zip(*map(astuple, runs))))


class WalsenderCpu:
    """Samples the processor time of the process that serves a slot, until it is gone."""

    INTERVAL_S = 0.01

    def __init__(self, server, slot):
        self.seconds = 0.0
        self._server = server
        self._slot = slot
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def finish(self):
        """The seconds, once the client has exited."""
        self._over.set()
        self._thread.join()
        return self.seconds

    def _watch(self):
        query = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s"
        with self._server.connect() as connection:
            while not self._over.is_set():
                (pid,) = connection.execute(query, (self._slot,)).fetchone()
                while pid and self._sample(pid):
                    time.sleep(self.INTERVAL_S)
                time.sleep(self.INTERVAL_S)

    def _sample(self, pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            return False
        self.seconds = (int(fields[11]) + int(fields[12])) * TICK_S
        return True


def timed(command):
    """Run it to its end."""
    started = time.monotonic()
    with subprocess.Popen(
        command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        complaint = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}\n{complaint}")
    return Run(seconds, usage.ru_utime + usage.ru_stime)


def timed_on_slot(command, server, slot):
    """The same for a client of a slot, and the walsender beside it."""
    walsender = WalsenderCpu(server, slot)
    try:
        run = timed(command)
    finally:
        server_cpu_s = walsender.finish()
    run.server_cpu_s = server_cpu_s
    return run
