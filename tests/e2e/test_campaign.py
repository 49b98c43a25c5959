"""A short campaign of crashes (campaign.py): nothing lost, nothing doubled. The long one is `make campaign`."""

import os
import subprocess
import sys
import time

import pytest

from campaign_disk import Durable, build_preload
from conftest import ROOT
from postgres import clean_environment


def test_cycles_of_crashes_lose_and_double_nothing(tmp_path):
    """In a process of its own, for its mounts. This seed has every fault among its first 20."""
    binary = os.environ.get("WALROW_CAMPAIGN_BIN") or os.path.join(ROOT, "build-campaign", "walrow")
    program = os.path.join(ROOT, "tests", "e2e", "campaign.py")
    command = [sys.executable, program, "--cycles", "20", "--seed", "213", "--verbose"]
    environment = clean_environment() | {"WALROW_CAMPAIGN_BIN": binary}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=290, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 cycles" in done.stdout


# ---- what it stands on: the power fails, the clock jumps --------------------------------------------------------


@pytest.fixture(scope="module")
def preload(tmp_path_factory):
    return build_preload(str(tmp_path_factory.mktemp("preload")))


class Machine:
    """A folder whose files survive as far as they were synced."""

    def __init__(self, folder, preload):
        self.folder, self.preload = os.path.join(folder, "disk"), preload
        os.mkdir(self.folder)
        self.durable = Durable(self.folder, os.path.join(folder, "notes"))

    def run(self, program):
        """A program, with the folder as its current one; sync(path) is there for it to call."""
        sync = "import os\ndef sync(path):\n    fd = os.open(path, os.O_RDONLY); os.fsync(fd); os.close(fd)\n"
        environment = clean_environment() | self.durable.environment() | {"LD_PRELOAD": self.preload}
        command = [sys.executable, "-S", "-B", "-c", sync + program]
        subprocess.run(command, env=environment, cwd=self.folder, check=True)

    def files(self):
        paths = [os.path.join(parent, name) for parent, _, names in os.walk(self.folder) for name in names]
        return {os.path.relpath(path, self.folder): open(path, encoding="utf-8").read() for path in paths}


@pytest.fixture
def machine(tmp_path, preload):
    return Machine(str(tmp_path), preload)


WRITE = "fd = os.open('a', os.O_RDWR | os.O_CREAT); os.write(fd, b'first'); "


@pytest.mark.parametrize(
    "program, survives",
    [
        (WRITE, {}),
        (WRITE + "os.fsync(fd)", {}),
        (WRITE + "sync('.')", {"a": ""}),
        (WRITE + "os.fsync(fd); sync('.')", {"a": "first"}),
        (WRITE + "os.fsync(fd); sync('.'); os.write(fd, b', more')", {"a": "first"}),
        (WRITE + "os.fsync(fd); sync('.'); os.pwrite(fd, b'other', 0)", {"a": "first"}),
        (WRITE + "os.fsync(fd); sync('.'); os.pwrite(fd, b'other', 0); os.fsync(fd)", {"a": "other"}),
        (WRITE + "os.fsync(fd); sync('.'); os.ftruncate(fd, 2)", {"a": "first"}),
        (WRITE + "os.fsync(fd); sync('.'); open('a', 'w').close()", {"a": "first"}),
        (WRITE + "os.fsync(fd); sync('.'); os.rename('a', 'b')", {"a": "first"}),
        (WRITE + "os.fsync(fd); sync('.'); os.rename('a', 'b'); sync('.')", {"b": "first"}),
        (WRITE + "os.fsync(fd); sync('.'); os.unlink('a')", {"a": "first"}),
        (WRITE + "os.fsync(fd); sync('.'); open('b', 'w').close(); os.rename('b', 'a')", {"a": "first"}),
        ("os.mkdir('d'); os.chdir('d'); " + WRITE + "os.fsync(fd); sync('.')", {}),
        ("os.mkdir('d'); sync('.'); os.chdir('d'); " + WRITE + "os.fsync(fd); sync('.')", {"d/a": "first"}),
    ],
)
def test_after_a_power_failure_there_is_what_was_synced(machine, program, survives):
    machine.run(program)
    machine.durable.lose_power()
    assert machine.files() == survives


def test_what_was_not_synced_is_lost_after_other_processes_too(machine):
    machine.run(WRITE + "os.fsync(fd); sync('.'); os.pwrite(fd, b'other', 0)")
    machine.run("fd = os.open('a', os.O_RDWR); os.pwrite(fd, b'third', 0)")
    machine.durable.tidy()
    machine.durable.lose_power()
    assert machine.files() == {"a": "first"}


def test_luck_keeps_what_was_not_synced(machine):
    machine.run(WRITE)
    machine.durable.lose_power(lambda: True)
    assert machine.files() == {"a": "first"}


def test_the_time_of_day_jumps_and_other_clocks_do_not(tmp_path, preload):
    shift = tmp_path / "shift"
    shift.write_bytes((-86400).to_bytes(8, "little", signed=True))
    environment = clean_environment() | {"LD_PRELOAD": preload, "WALROW_CLOCK_SHIFT": str(shift)}
    command = [sys.executable, "-S", "-B", "-c", "import time; print(time.time(), time.monotonic())"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    day, monotonic = map(float, done.stdout.split())
    assert abs(day + 86400 - time.time()) < 3600
    assert abs(monotonic - time.monotonic()) < 3600
