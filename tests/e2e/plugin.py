"""wal2arrow on a test's own server: Postgres(conf=plugin_conf())."""

import atexit
import functools
import os
import shutil
import subprocess
import tempfile

import pytest

from postgres import pgbin, server_version

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def built_plugin():
    return os.environ.get("WAL2ARROW") or os.path.join(ROOT, "build", "wal2arrow.so")


@functools.cache
def plugin_folder():
    """A copy of build/wal2arrow.so (or WAL2ARROW) where the server's user, too, can read it."""
    assert os.path.exists(built_plugin()), f"there is no {built_plugin()}: make plugin"
    folder = tempfile.mkdtemp(prefix="walrow-plugin-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chmod(folder, 0o755)
    os.chmod(shutil.copy(built_plugin(), folder), 0o755)
    return folder


def knows_plugin_list():
    """Whether the server asks for output plugins by name: minors from 15.19, 17.11, 18.6 on."""
    names = subprocess.run([pgbin("postgres"), "--describe-config"], capture_output=True, text=True, check=True)
    return any(line.startswith("output_plugin_libraries\t") for line in names.stdout.splitlines())


def plugin_conf(**conf):
    """Settings with which a server finds the plugin."""
    found = {"dynamic_library_path": f"{plugin_folder()}:$libdir"}
    if knows_plugin_list():
        found["output_plugin_libraries"] = "pgoutput, test_decoding, wal2arrow, wal2json"
    return found | conf


def has_wal2json():
    folder = subprocess.run([pgbin("pg_config"), "--pkglibdir"], capture_output=True, text=True, check=True).stdout.strip()
    return os.path.exists(os.path.join(folder, "wal2json.so"))


needs_wal2json = pytest.mark.skipif(not has_wal2json(), reason="this server has no wal2json")
needs_newer_wal2json = pytest.mark.skipif(server_version() < 14, reason="a server 13 has wal2json 2.3")


def create_extension(database):
    """What CREATE EXTENSION wal2arrow does, which would look for its files in the server's own folders."""
    with open(os.path.join(ROOT, "plugin", "wal2arrow--1.0.sql"), encoding="utf-8") as script:
        database.sql("".join(line for line in script if not line.startswith("\\echo")))


def drop_extension(database):
    database.sql("DROP SCHEMA wal2arrow CASCADE")
