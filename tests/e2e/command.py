"""The walrow command as a subprocess."""

import ctypes
import dataclasses
import json
import os
import signal
import subprocess

from postgres import clean_environment, wait_until

PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl


def _die_with_the_tests():
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job begins with it ignored


@dataclasses.dataclass
class Result:
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Walrow:
    """walrow(...) runs the command to its end; walrow.start(...) leaves it running, until the test is over."""

    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = str(folder)
        self.running = []

    def environment(self, env):
        base = clean_environment(
            HOME=self.folder, XDG_STATE_HOME=os.path.join(self.folder, "state"),
            ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="print_stacktrace=1",
        )  # fmt: skip
        if "WALROW_DUCKDB" in os.environ:
            base["WALROW_DUCKDB"] = os.environ["WALROW_DUCKDB"]
        return base | {k: str(v) for k, v in (env or {}).items()}

    def __call__(self, *args, env=None, timeout=120, stdin="", code=None, cwd=None):
        """Run it; with code given, anything else is a failure that shows what it said."""
        done = subprocess.run(
            [self.binary, *map(str, args)], env=self.environment(env), input=stdin, capture_output=True,
            encoding="utf-8", errors="surrogateescape", timeout=timeout, cwd=cwd or self.folder,
            preexec_fn=_die_with_the_tests,
        )  # fmt: skip
        result = Result(done.returncode, done.stdout, done.stderr)
        if code is not None:
            assert result.code == code, f"walrow {' '.join(map(str, args))}: {result.code}, not {code}\n{result.err}"
        return result

    def start(self, *args, env=None, cwd=None, visible=False):
        """visible: it prints where this process does, and out stays empty."""
        run = Running(self, [str(arg) for arg in args], self.environment(env), cwd or self.folder, visible)
        self.running.append(run)
        return run

    def close(self):
        for run in self.running:
            run.kill()


class Running:
    """One run in the background. out and err are what it has said so far."""

    def __init__(self, walrow, args, env, cwd, visible):
        name = os.path.join(walrow.folder, f".run-{len(walrow.running)}")
        self._out, self._err = name + ".out", name + ".err"
        self.args = args
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            self.process = subprocess.Popen(
                [walrow.binary, *args], env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=None if visible else out,
                stderr=err, preexec_fn=_die_with_the_tests,
            )  # fmt: skip

    @staticmethod
    def _read(path):
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    @property
    def out(self):
        return self._read(self._out)

    @property
    def err(self):
        return self._read(self._err)

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def wait(self, timeout=120):
        """Wait for its own end."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"walrow {' '.join(self.args)} still runs after {timeout} s\n{self.err}") from None
        return Result(self.process.returncode, self.out, self.err)

    def wait_for(self, condition, timeout=60, what="it"):
        """Wait until condition() holds, or a text is in stderr; fail at once if the command ends before."""
        if isinstance(condition, str):
            text, what = condition, repr(condition)
            condition = lambda: text in self.err  # noqa: E731

        def check():
            ended = not self.alive()  # looked at first: what it said at its end counts
            value = condition()
            if ended and not value:
                raise AssertionError(
                    f"walrow {' '.join(self.args)} ended with {self.process.returncode} before {what}\n{self.err}"
                )
            return value

        return wait_until(check, timeout, what)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, timeout=120):
        """SIGTERM, and how it ended."""
        if self.alive():
            self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        """SIGKILL"""
        if self.alive():
            self.process.kill()
        self.process.wait()
