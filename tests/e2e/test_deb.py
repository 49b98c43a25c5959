"""packaging/deb makes a package whose plugin a server loads."""

import os
import shutil
import subprocess
import tempfile

import pytest

from plugin import ROOT, plugin_conf
from postgres import clean_environment, pgbin

PG_CONFIG = pgbin("pg_config")
pytestmark = pytest.mark.skipif(not shutil.which("dpkg-shlibdeps"), reason="dpkg-dev is not installed")


def dpkg_deb(*arguments):
    return subprocess.run(["dpkg-deb", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deb")
    command = [os.path.join(ROOT, "packaging", "deb"), PG_CONFIG, str(folder)]
    subprocess.run(command, check=True, capture_output=True, env=clean_environment())
    (made,) = folder.iterdir()
    return made


def test_the_package_says_what_it_needs(package):
    assert dpkg_deb("-f", package, "Package").strip() == "postgresql-15-wal2arrow"
    depends = [one.split()[0] for one in dpkg_deb("-f", package, "Depends").split(", ")]
    assert depends[0] == "postgresql-15" and "libc6" in depends


@pytest.fixture
def installed(package, monkeypatch):
    """The package unpacked over a server of its own, whose programs the test runs."""
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        subprocess.run([os.path.join(ROOT, "scripts", "private-server"), PG_CONFIG, root], check=True)
        dpkg_deb("-x", package, root)
        bindir = subprocess.run([PG_CONFIG, "--bindir"], check=True, capture_output=True, text=True).stdout.strip()
        monkeypatch.setenv("PGBIN", root + bindir)
        yield


@pytest.mark.usefixtures("installed")
def test_the_server_loads_what_it_installs(new_server):
    server = new_server(conf=plugin_conf() | {"dynamic_library_path": "$libdir"})
    server.sql("SELECT pg_create_logical_replication_slot('packaged', 'wal2arrow')")
    server.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    rows = server.sql("SELECT data FROM pg_logical_slot_peek_binary_changes('packaged', NULL, NULL)")
    assert [bytes(data[:3]) for (data,) in rows] == [b"w2a"]
    server.sql("CREATE EXTENSION wal2arrow")
    with server.connect() as connection, connection.cursor().copy("CALL wal2arrow.stream('packaged')") as copy:
        assert [bytes(message[25:28]) for message in copy if message[:1] == b"w"] == [b"w2a"]
