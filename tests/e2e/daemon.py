"""A server of the tests' own, other than PostgreSQL: in a folder of its own, and gone afterwards, whatever happens."""

import os
import signal
import subprocess

from command import _die_with_the_tests
from postgres import Watchdog, clean_environment


class Daemon:
    """What start() of a subclass starts with run(); `what` names it in folders and messages."""

    what = ""

    def __init__(self):
        self._watchdog = Watchdog(self.what)
        self.folder = self._watchdog.folder
        self.process = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        raise NotImplementedError

    def run(self, *words):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(
                list(map(str, words)), env=clean_environment(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, cwd=self.folder, preexec_fn=_die_with_the_tests,
            )  # fmt: skip

    def check_alive(self):
        assert self.process.poll() is None, f"{self.what} ended\n{self.log()}"

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def freeze(self):
        """It answers no more, and its connections stay."""
        self.process.send_signal(signal.SIGSTOP)

    def mend(self):
        """As before a kill or freeze."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        else:
            self.start()

    def close(self):
        self.kill()
        self._watchdog.release()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def log(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as file:
            return file.read()
