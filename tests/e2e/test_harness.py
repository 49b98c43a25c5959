"""The servers that the tests start leave nothing behind."""

import os
import signal
import subprocess
import sys

from postgres import alive, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))


def test_a_server_is_gone_when_its_tests_are_killed():
    script = "from postgres import Postgres; p = Postgres(); print(p.pid(), p.folder, flush=True); input()"
    run = subprocess.Popen(
        [sys.executable, "-c", script], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    pid, folder = run.stdout.readline().split()
    assert alive(int(pid))
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdin.close()
    run.stdout.close()
    wait_until(lambda: not alive(int(pid)) and not os.path.exists(folder), what="the server and its folder to be gone")


def test_a_killed_server_comes_back_with_its_data(new_server):
    server = new_server()
    server.sql("CREATE TABLE t AS SELECT 1 AS id")
    server.kill()
    assert not server.running()
    server.start()
    assert server.sql("SELECT id FROM t") == [(1,)]


def test_a_server_listens_where_it_is_told(new_server):
    server = new_server(tcp=True, conf={"wal_level": "replica"})
    with server.connect(host="127.0.0.1") as connection:
        assert connection.execute("SHOW wal_level").fetchone() == ("replica",)


def test_a_standby_is_in_recovery(new_server):
    server = new_server()
    server.make_standby()
    assert server.sql("SELECT pg_is_in_recovery()") == [(True,)]


def test_a_database_takes_its_slots_along(server):
    database = server.create_database("short_lived")
    database.sql("SELECT pg_create_logical_replication_slot('short_lived_slot', 'pgoutput')")
    database.create_role("short_lived_role", "LOGIN REPLICATION")
    assert database.slot("short_lived_slot")["plugin"] == "pgoutput"
    database.drop()
    assert server.sql("SELECT 1 FROM pg_replication_slots WHERE slot_name = 'short_lived_slot'") == []
    assert server.sql("SELECT 1 FROM pg_roles WHERE rolname = 'short_lived_role'") == []
