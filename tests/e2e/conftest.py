"""Fixtures: a server for the run, a database for each test, and the command."""

import contextlib
import itertools
import os

import pytest

from command import Walrow
from oracle import Oracle
from plugin import plugin_conf
from postgres import Postgres
from streaming import Job

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("WALROW_BIN") or os.path.join(ROOT, "build", "walrow"))
os.environ["WALROW_LIBRARY"] = os.path.join(os.path.dirname(BINARY), "libwalrow.so")  # of the Python package
_numbers = itertools.count(1)
SEEDS = "0-79"


def pytest_addoption(parser):
    parser.addoption("--seeds", default=SEEDS, help="what the generator runs: 17, or 0-199")


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL 15 with wal_level logical, for the whole run; keep its settings as they are."""
    with Postgres() as postgres:
        yield postgres


@pytest.fixture(scope="session")
def arrow_server():
    """The same with wal2arrow, which walrow then takes unless told otherwise."""
    with Postgres(conf=plugin_conf()) as postgres:
        yield postgres


@pytest.fixture
def way(request):
    """How changes come: "pgoutput" (the encoding is walrow's choice), its "binary" or "text", or "wal2arrow".

    Modules ask for several: pytestmark = ways("binary", "wal2arrow").
    """
    return getattr(request, "param", "pgoutput")


@pytest.fixture
def db(request, way):
    """A fresh database; its slots and roles go with it."""
    server = request.getfixturevalue("arrow_server" if way in ("wal2arrow", "wal2json") else "server")
    database = server.create_database(f"test_{next(_numbers)}")
    yield database
    database.drop()


@pytest.fixture
def new_server():
    """new_server(conf={...}, hba=[...], tcp=True): servers of a test's own, to be broken at will."""
    made = []

    def new(**kwargs):
        made.append(Postgres(**kwargs))
        return made[-1]

    yield new
    for postgres in made:
        postgres.close()


@pytest.fixture
def walrow(tmp_path):
    """The command (WALROW_BIN, else build/walrow): walrow("version"), walrow.start("stream", ...)."""
    with new_walrow(tmp_path) as command:
        yield command


@contextlib.contextmanager
def new_walrow(folder):
    """The same for fixtures of a longer life."""
    command = Walrow(BINARY, folder)
    yield command
    command.close()


@pytest.fixture
def oracle(db):
    """What test_decoding says about the test's database from here on."""
    return Oracle(db)


@pytest.fixture
def job(db, walrow, tmp_path, way):
    """A slot, a publication and the streams of the test's database."""
    return Job(db, walrow, tmp_path, way=way)


@pytest.fixture
def new_job(db, walrow, tmp_path, way):
    """new_job("name", tables="public.t"): more of them."""
    return lambda slot, **kwargs: Job(db, walrow, tmp_path, slot, **{"way": way} | kwargs)
