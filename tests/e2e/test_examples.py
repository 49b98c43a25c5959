"""Each example runs by one command, shows what its README says, and leaves nothing but its out/, whatever ends it."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

import pytest

from conftest import ROOT
from postgres import clean_environment, wait_until

sys.path.append(os.path.join(ROOT, "examples", "02_ecommerce"))
from ledger import Impossible, Ledger  # noqa: E402

# what `make` begins with is there when tests run, and two builds at a time would be in each other's way
COMMAND = ["make", "--no-print-directory", "-o", "ready"]


class Example:
    """A folder of examples/; its servers have their files in a place of their own."""

    def __init__(self, name, place):
        self.folder, self.place = os.path.join(ROOT, "examples", name), place
        self.files = self._files()

    @contextlib.contextmanager
    def start(self):
        env = {name: value for name, value in clean_environment(TMPDIR=self.place).items() if not name.startswith("MAKE")}
        make = subprocess.Popen(
            COMMAND, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip
        try:
            yield make
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(make.pid, signal.SIGKILL)
            make.communicate()

    def run(self):
        """What it prints."""
        with self.start() as make:
            printed, _ = make.communicate(timeout=240)
        assert make.returncode == 0, printed
        assert not self.left()
        return printed

    def left(self):
        """What is not as before."""
        files = sorted(set(self._files()) - set(self.files)) + os.listdir(self.place)
        return files + [pid for pid in filter(str.isdigit, os.listdir("/proc")) if self._started(pid)]

    def _files(self):
        return [name for name in os.listdir(self.folder) if name != "out"]

    def _started(self, pid):
        words = []
        with contextlib.suppress(OSError):  # it may have ended, or be somebody else's
            words.append(os.readlink(f"/proc/{pid}/cwd"))
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                words.append(file.read())
        return any(place in word for place in (self.place, self.folder) for word in words)


@pytest.fixture
def example():
    """example("01_basic")"""
    place = tempfile.mkdtemp(prefix="walrow-examples-")
    os.chmod(place, 0o755)
    yield lambda name: Example(name, place)
    shutil.rmtree(place, ignore_errors=True)


def number(pattern, text):
    """The one that the pattern has in parentheses."""
    found = re.search(pattern, text)
    assert found, f"{pattern}:\n{text}"
    return float(found[1].replace(",", ""))


def test_basic(example):
    printed = example("01_basic").run()
    assert len(re.findall(r"^  R \S+ 2 quince$", printed, re.M)) == 2
    assert len(re.findall(r"^  I \S+ 3 null\n  U \S+ 2 medlar\n  D \S+ 1 null$", printed, re.M)) == 2
    assert printed.endswith("C and Python agree\n")


def test_ecommerce(example):
    printed = example("02_ecommerce").run()
    _, after = printed.split("walrow is killed, and starts again\n")
    last = after.splitlines()[-1]
    assert last.startswith("the ledger agrees with PostgreSQL: placed 0 paid 0 shipped 0 cancelled ")
    assert number(r"sold (\d+),", last) + number(r"in stock (\d+) ", last) == 600
    assert number(r"delivered (\d+)", last) > 0 and number(r"revenue ([\d.,]+)", last) > 0


ORDER = {"id": 1, "quantity": 2, "total": 5, "status": "placed"}
DAY = [
    ("products", {"id": 7, "stock": 3}), ("orders", ORDER), ("orders", ORDER | {"status": "paid"}),
    ("payments", {"id": 1, "order_id": 1, "amount": 5}), ("orders", ORDER | {"status": "shipped"}),
    ("closings", {"revenue": 5}),
]  # fmt: skip


def tell(day):
    ledger = Ledger()
    for table, row in day:
        ledger.note({"table": table, "data": row})
    return ledger


def test_the_ledger_of_a_shop_refuses_what_cannot_be():
    assert tell(DAY).closed
    wrong = [[*DAY[:at], *DAY[at + 1 :]] for at in range(1, 4)]  # lost
    wrong += [[*DAY[: at + 1], *DAY[at:]] for at in range(1, 5)]  # doubled
    wrong += [[*DAY[:2], DAY[3], DAY[2], *DAY[4:]], [*DAY, ("products", {"id": 7, "stock": -1})]]
    for day in wrong:
        with pytest.raises((Impossible, KeyError)):
            tell(day)


def test_analytics(example):
    analytics = example("03_analytics")
    printed = analytics.run()
    hits = [int(n) for n in re.findall(r"^\d{4}-.* (?:cart|home|search) +(\d+) ", printed, re.M)]
    assert number(r"^(\d+) requests in \d+ windows, as PostgreSQL has them", printed.splitlines()[-1]) == sum(hits)
    plot = xml.parse(os.path.join(analytics.folder, "out", "kpis.svg"))
    columns = [rect for rect in plot.iter("{http://www.w3.org/2000/svg}rect") if float(rect.get("height")) > 0]
    assert len(columns) == len(hits) + 4  # the background, and the legend


def test_cache_invalidation(example):
    without, with_walrow = example("04_cache_invalidation").run().split("with walrow:")
    assert number(r"stale keys in the end: (\d+)", without) > 0
    assert number(r"stale keys in the end: (\d+)", with_walrow) == 0
    assert 50 < number(r"([\d.]+)% of them from the cache", with_walrow) < 100


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_it_nothing_is_left(example, how):
    interrupted = example("04_cache_invalidation")
    with interrupted.start() as make:
        wait_until(lambda: any("redis" in name for name in os.listdir(interrupted.place)), what="its servers")
        os.killpg(make.pid, how)
        make.communicate(timeout=60)
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: not interrupted.left())
        assert interrupted.left() == []
