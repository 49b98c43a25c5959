"""What goes wrong is said, with the way out and the exit status of the command's contract; a corrected run then
delivers everything."""

import json
import os
import re
import shutil
import stat
import subprocess

import pytest

from command import Walrow
from plugin import plugin_conf
from postgres import clean_environment, lsn_text, wait_until
from readers import read_ipc, read_jsonl


@pytest.fixture
def shop(db):
    """The test's database with a table of five rows."""
    db.sql("CREATE TABLE items (id int PRIMARY KEY, name text)")
    db.sql("INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 5) i")
    return db


def add(db, *ids):
    for number in ids:
        db.sql("INSERT INTO items VALUES (%s, 'item ' || %s)", (number, number))


def options(db, sink, *more, user="postgres", tables="public.items"):
    """Of a stream on the test's database; its slot has the database's name, because slots belong to a server."""
    words = ["--source", db.url(user), "--tables", tables, "--slot", db.name, "--to", sink]
    return [*words, *more]


def assert_refused(result, code, *words):
    """It ended with that status, one line says what (with these words) and one what to do."""
    assert result.code == code, result.err
    assert re.search(r"^walrow: \S", result.err, re.MULTILINE), f"no error is named:\n{result.err}"
    for word in words:
        assert str(word) in result.err, f"{word!r} is not in\n{result.err}"
    assert re.search(r"^hint: \S", result.err, re.MULTILINE), f"no way out in\n{result.err}"
    assert "Sanitizer" not in result.err


def ids(folder, table="public.items"):
    return sorted(row["id"] for row in read_ipc(folder).rows(table) if row["_op"] in "RI")


def ids_in(db, table="items"):
    return [number for (number,) in db.sql(f"SELECT id FROM {table} ORDER BY id")]


def assert_delivers(walrow, db, folder, *more, user="postgres"):
    """A corrected run brings every row, once."""
    walrow("stream", *options(db, f"ipc:{folder}", "--until", "now", *more, user=user), code=0)
    assert ids(folder) == ids_in(db)


# -- the command line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["stram"], ["stram", "stream"]),
        (["stream", "--tabels", "x"], ["--tabels"]),
        (["stream", "--to"], ["--to"]),
        (["stream", "--to", "ipd:x"], ["ipd", "ipc"]),
        (["stream", "--to", "ipc:x?rotate_rose=1"], ["rotate_rose"]),
        (["stream", "--to", "ipc:x?rotate_rows=many"], ["rotate_rows"]),
        (["stream", "--to", "null:", "--until", "tomorrow"], ["until", "tomorrow"]),
        (["stream", "--to", "null:", "--start", "0-1"], ["start", "0-1"]),
        (["stream", "--to", "null:", "--batch-rows", "0"], ["batch-rows"]),
        (["stream", "--to", "null:", "--snapshot", "sometimes"], ["snapshot", "sometimes"]),
        (["stream", "--to", "null:", "--tables", "public.(a"], ["public.(a"]),
        (["stream", "--to", "null:", "--tables", "public.items{"], ["public.items{"]),
        (["stream", "extra", "--to", "null:"], ["extra"]),
        (["decode", "--to", "null:"], ["FILE"]),
    ],
)
def test_wrong_usage(walrow, shop, arguments, words):
    arguments = arguments + (["--source", shop.url()] if "--to" in arguments[:-1] and arguments[0] == "stream" else [])
    result = walrow(*arguments)
    assert result.code == 2, result.err
    for word in words:
        assert word in result.err
    assert len(result.err.splitlines()) >= 2, f"no way out in\n{result.err}"
    assert shop.slot(shop.name) is None and shop.slot() is None


def test_a_pattern_that_matches_nothing_names_the_nearest_table(walrow, shop, tmp_path):
    result = walrow("stream", *options(shop, "null:", tables="public.itmes"))
    assert_refused(result, 2, "public.itmes", "public.items")
    assert shop.slot(shop.name) is None
    assert_delivers(walrow, shop, tmp_path / "lake")


# -- the connection -----------------------------------------------------------------------------------------------


def test_a_wrong_password(walrow, new_server, tmp_path):
    server = new_server(tcp=True, hba=["host all guarded 127.0.0.1/32 scram-sha-256"])
    db = server.create_database("shop")
    server.sql("SET password_encryption = 'scram-sha-256'; CREATE ROLE guarded SUPERUSER LOGIN PASSWORD 'right'")
    db.sql("CREATE TABLE items (id int PRIMARY KEY, name text)")
    add(db, 1, 2)

    def run(password):
        url = f"postgresql://guarded:{password}@127.0.0.1:{server.port}/shop"
        lake = f"ipc:{tmp_path / 'lake'}"
        return walrow("stream", "--source", url, "--tables", "public.items", "--to", lake, "--until", "now")

    result = run("wrong")
    assert_refused(result, 3, "password", "guarded")
    assert "wrong@" not in result.err and "'wrong'" not in result.err
    assert run("right").code == 0
    assert ids(tmp_path / "lake") == [1, 2]


def test_no_server(walrow, tmp_path):
    source = f"postgresql://postgres@/shop?host={tmp_path}"
    assert_refused(walrow("stream", "--source", source, "--to", "null:", "--retry-max", "0"), 3, str(tmp_path))
    assert_refused(walrow("check", "--source", source), 3, str(tmp_path))


def test_an_unknown_database(walrow, shop, tmp_path):
    source = shop.server.url("shop_of_nobody")
    assert_refused(walrow("stream", "--source", source, "--to", "null:"), 3, "shop_of_nobody")
    assert_delivers(walrow, shop, tmp_path / "lake")


# -- privileges ---------------------------------------------------------------------------------------------------


def test_a_role_that_may_not_replicate(walrow, shop, tmp_path):
    role = shop.create_role(f"reader_{shop.name}")
    shop.sql(f"GRANT SELECT ON items TO {role}; GRANT CREATE ON DATABASE {shop.name} TO {role}")
    walrow("setup", "--source", shop.url(), "--slot", shop.name, "--tables", "public.items", code=0)
    result = walrow("stream", *options(shop, "null:", user=role))
    assert_refused(result, 4, "REPLICATION", "may not replicate")
    shop.sql(f"ALTER ROLE {role} REPLICATION")
    walrow("stream", *options(shop, f"ipc:{tmp_path / 'lake'}", "--until", "now", user=role), code=0)
    add(shop, 6)
    walrow("stream", *options(shop, f"ipc:{tmp_path / 'lake'}", "--until", "now", user=role), code=0)
    assert 6 in ids(tmp_path / "lake")


def test_a_role_that_may_not_read_a_table(walrow, shop, tmp_path):
    role = shop.create_role(f"blind_{shop.name}", "LOGIN REPLICATION")
    shop.sql(f"GRANT CREATE ON DATABASE {shop.name} TO {role}; CREATE PUBLICATION walrow FOR TABLE items")
    result = walrow("stream", *options(shop, "null:", user=role))
    assert_refused(result, 4, "may not read", "public.items", "GRANT SELECT")
    assert shop.slot(shop.name) is None
    shop.sql(f"GRANT SELECT ON items TO {role}")
    assert_delivers(walrow, shop, tmp_path / "lake", user=role)


# -- the slot -----------------------------------------------------------------------------------------------------


def test_a_slot_of_another_plugin(walrow, shop, tmp_path):
    shop.sql("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", (shop.name,))
    assert_refused(walrow("stream", *options(shop, "null:")), 5, shop.name, "test_decoding")
    assert shop.slot(shop.name)["plugin"] == "test_decoding"  # nothing is dropped
    shop.sql("SELECT pg_drop_replication_slot(%s)", (shop.name,))
    shop.sql("DROP PUBLICATION IF EXISTS walrow")
    assert_delivers(walrow, shop, tmp_path / "lake")


def test_a_slot_with_two_phase(walrow, shop, tmp_path):
    shop.sql("SELECT pg_create_logical_replication_slot(%s, 'pgoutput', false, true)", (shop.name,))
    assert_refused(walrow("stream", *options(shop, "null:")), 5, shop.name, "two_phase")
    shop.sql("SELECT pg_drop_replication_slot(%s)", (shop.name,))
    shop.sql("DROP PUBLICATION IF EXISTS walrow")
    assert_delivers(walrow, shop, tmp_path / "lake")


def test_a_slot_that_is_active_names_who_has_it(walrow, shop, tmp_path):
    first = walrow.start("stream", *options(shop, f"ipc:{tmp_path / 'lake'}?rotate_s=1"))
    add(shop, 6)
    first.wait_for(lambda: (tmp_path / "lake").exists() and 6 in ids(tmp_path / "lake"), what="a change to come")
    pid = shop.slot(shop.name)["active_pid"]
    mine = ["--state", tmp_path / "mine", "--retry-max", "0"]
    assert_refused(walrow("stream", *options(shop, "null:", *mine)), 5, shop.name, pid)
    assert_refused(walrow("stream", *options(shop, "null:")), 10, first.pid)
    add(shop, 7)
    assert first.stop().code == 0
    assert_delivers(walrow, shop, tmp_path / "lake")


def test_a_slot_dropped_while_away(walrow, shop, tmp_path):
    lake = tmp_path / "lake"
    assert_delivers(walrow, shop, lake)
    shop.sql("SELECT pg_drop_replication_slot(%s)", (shop.name,))
    add(shop, 6)  # nobody kept this
    result = walrow("stream", *options(shop, f"ipc:{lake}", "--until", "now"))
    assert_refused(result, 5, shop.name)
    assert shop.slot(shop.name) is None, "silently recreated"
    walrow("teardown", "--source", shop.url(), "--slot", shop.name, "--yes", code=0)
    assert_delivers(walrow, shop, tmp_path / "another")


def test_a_start_that_is_not_there_yet(walrow, shop, tmp_path):
    walrow("setup", "--source", shop.url(), "--slot", shop.name, "--tables", "public.items", code=0)
    future = lsn_text(shop.flush_lsn() + (1 << 30))
    result = walrow("stream", *options(shop, "null:", "--start", future, "--snapshot", "never"))
    assert_refused(result, 2, future)
    add(shop, 6)
    folder = tmp_path / "lake"
    walrow("stream", *options(shop, f"ipc:{folder}", "--until", "now", "--snapshot", "never"), code=0)
    assert ids(folder) == [6]


def test_a_start_that_is_forgotten(walrow, shop, tmp_path):
    lake = tmp_path / "lake"
    assert_delivers(walrow, shop, lake)
    result = walrow("stream", *options(shop, "null:", "--start", "0/1", "--until", "now"))
    assert_refused(result, 5, "0/1", shop.slot(shop.name)["confirmed_flush_lsn"])
    add(shop, 6)
    assert_delivers(walrow, shop, lake)


# -- the publication, the tables ----------------------------------------------------------------------------------


def test_a_publication_dropped_while_streaming(walrow, shop, tmp_path):
    run = walrow.start("stream", *options(shop, f"ipc:{tmp_path / 'lake'}"))
    run.wait_for(lambda: (shop.slot(shop.name) or {}).get("active"), what="the stream to run")
    shop.sql("DROP PUBLICATION walrow")
    add(shop, 6)
    assert_refused(run.wait(), 6, "walrow")
    again = walrow("stream", *options(shop, f"ipc:{tmp_path / 'lake'}", "--until", "now"))
    assert_refused(again, 6)  # missing, or younger than the slot: never silently recreated
    walrow("teardown", "--source", shop.url(), "--slot", shop.name, "--yes", code=0)
    shop.sql("DROP PUBLICATION IF EXISTS walrow")
    assert_delivers(walrow, shop, tmp_path / "another")


def test_without_setup_nothing_is_made(walrow, shop, tmp_path):
    assert_refused(walrow("stream", *options(shop, "null:", "--no-setup")), 5, shop.name)
    assert shop.sql("SELECT 1 FROM pg_publication") == [] and shop.slot(shop.name) is None
    shop.sql("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (shop.name,))
    assert_refused(walrow("stream", *options(shop, "null:", "--no-setup")), 6, "walrow")
    assert shop.sql("SELECT 1 FROM pg_publication") == []
    shop.sql("SELECT pg_drop_replication_slot(%s)", (shop.name,))
    assert_delivers(walrow, shop, tmp_path / "lake")


def test_a_table_without_replica_identity_keeps_its_updates(walrow, shop, tmp_path):
    shop.sql("CREATE TABLE keyless (id int, name text); INSERT INTO keyless VALUES (1, 'one')")
    lake = f"ipc:{tmp_path / 'lake'}"
    result = walrow("stream", *options(shop, lake, "--until", "now", tables="public.*"))
    assert_refused(result, 7, "public.keyless", "--replica-identity full", "--insert-only")
    shop.sql("UPDATE keyless SET name = 'uno'; UPDATE items SET name = 'x' WHERE id = 1")
    full = options(shop, lake, "--until", "now", "--replica-identity", "full", tables="public.*")
    walrow("stream", *full, code=0)
    shop.sql("UPDATE keyless SET name = 'eins'; DELETE FROM keyless")
    walrow("stream", *full, code=0)
    assert ids(tmp_path / "lake") == [1, 2, 3, 4, 5]
    ops = [row["_op"] for row in read_ipc(tmp_path / "lake").rows("public.keyless")]
    assert ops == ["R", "U", "D"]


def test_with_inserts_only_a_table_without_key_keeps_its_updates(walrow, shop, tmp_path):
    shop.sql("CREATE TABLE keyless (id int, name text)")
    lake = f"ipc:{tmp_path / 'lake'}"
    inserts = options(shop, lake, "--until", "now", "--insert-only", "public.keyless", tables="public.*")
    walrow("stream", *inserts, code=0)
    shop.sql("INSERT INTO keyless VALUES (1, 'one'); UPDATE keyless SET name = 'uno'; UPDATE items SET name = 'x'")
    walrow("stream", *inserts, code=0)
    assert [row["_op"] for row in read_ipc(tmp_path / "lake").rows("public.keyless")] == ["I"]


def test_a_table_dropped_while_streaming_stops_nobody(walrow, shop, tmp_path):
    shop.sql("CREATE TABLE doomed (id int PRIMARY KEY)")
    run = walrow.start("stream", *options(shop, f"ipc:{tmp_path / 'lake'}?rotate_s=1", tables="public.*"))
    run.wait_for(lambda: (shop.slot(shop.name) or {}).get("active"), what="the stream to run")
    shop.sql("INSERT INTO doomed VALUES (1)")
    shop.sql("DROP TABLE doomed")
    add(shop, 6)
    run.wait_for(lambda: 6 in ids(tmp_path / "lake"), what="a row of the other table")
    assert run.stop().code == 0, run.err
    lake = read_ipc(tmp_path / "lake")
    assert [row["id"] for row in lake.rows("public.doomed")] == [1]
    assert ids(tmp_path / "lake") == [1, 2, 3, 4, 5, 6]


# -- the server -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plugin, how", [("pgoutput", "fast"), ("pgoutput", "immediate"), ("wal2arrow", "immediate")])
def test_a_server_restarted_while_streaming(walrow, new_server, tmp_path, plugin, how):
    server = new_server(conf=plugin_conf())
    db = server.create_database("shop")
    db.sql("CREATE TABLE items (id int PRIMARY KEY, name text)")
    report = tmp_path / "report.json"
    run = walrow.start("stream", *options(db, f"ipc:{tmp_path / 'lake'}?rotate_s=1", "--report", report, "--plugin", plugin))
    run.wait_for(lambda: (db.slot(db.name) or {}).get("active"), what="the stream to run")
    add(db, *range(1, 50))
    server.restart(how)
    add(db, *range(50, 100))
    run.wait_for(lambda: 99 in ids(tmp_path / "lake"), what="what came after the restart")
    assert run.stop().code == 0, run.err
    assert "trying again in" in run.err
    assert ids(tmp_path / "lake") == list(range(1, 100))  # nothing lost, nothing doubled
    assert json.loads(report.read_text())["reconnects"] >= 1


# -- the sinks --------------------------------------------------------------------------------------------------------


def test_a_file_where_a_directory_should_be(walrow, shop, tmp_path):
    (tmp_path / "lake").write_text("not a directory")
    assert_refused(walrow("stream", *options(shop, f"ipc:{tmp_path / 'lake'}", "--until", "now")), 9, "lake")
    assert_refused(walrow("stream", *options(shop, f"ipc:{tmp_path / 'lake' / 'deeper'}", "--until", "now")), 9)
    assert_refused(walrow("stream", *options(shop, f"jsonl:{tmp_path / 'lake' / 'file'}", "--until", "now")), 9)
    (tmp_path / "lake").unlink()
    assert_delivers(walrow, shop, tmp_path / "lake")


@pytest.fixture
def limited(walrow, tmp_path):
    """The command with files limited to 64 KB; a write past that fails as it does on a full disk."""
    script = tmp_path / "limited"
    script.write_text(f"#!/bin/sh\ntrap '' XFSZ\nulimit -f 128\nexec '{walrow.binary}' \"$@\"\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    command = Walrow(str(script), tmp_path)
    yield command
    command.close()


@pytest.mark.parametrize("snapshot", ["initial", "never"])
def test_a_disk_that_is_full(walrow, limited, shop, tmp_path, snapshot):
    lake = tmp_path / "lake"
    walrow("setup", "--source", shop.url(), "--slot", shop.name, "--tables", "public.items", code=0)
    if snapshot == "initial":
        shop.sql("SELECT pg_drop_replication_slot(%s)", (shop.name,))
        shop.sql("DROP PUBLICATION walrow")
    shop.sql("INSERT INTO items SELECT i, repeat(md5(i::text), 100) FROM generate_series(6, 500) i")
    result = limited("stream", *options(shop, f"ipc:{lake}", "--until", "now", "--snapshot", snapshot))
    assert_refused(result, 9, str(lake))
    walrow("stream", *options(shop, f"ipc:{lake}", "--until", "now", "--snapshot", snapshot), code=0)
    assert ids(lake) == list(range(1 if snapshot == "initial" else 6, 501))


def test_a_full_device_behind_standard_output(walrow, shop, tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [walrow.binary, "stream", *options(shop, "jsonl:-", "--until", "now")], stdout=full,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=walrow.environment(None), text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 9, done.stderr
    assert "No space left on device" in done.stderr
    assert_delivers(walrow, shop, tmp_path / "lake")


def test_a_pipe_that_is_closed_by_its_reader(walrow, shop, tmp_path):
    process = subprocess.Popen(
        [walrow.binary, "stream", *map(str, options(shop, "jsonl:-"))], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=walrow.environment(None), text=True,
    )  # fmt: skip
    try:
        process.stdout.readline()
        process.stdout.close()
        number = 6
        while process.poll() is None and number < 100:
            add(shop, number)
            number += 1
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                pass
        assert process.poll() == 9, process.stderr.read()
        assert "standard output" in process.stderr.read() or number < 100
    finally:
        process.kill()
        process.wait()
    out = walrow("stream", *options(shop, "jsonl:-", "--until", "now"), code=0).out
    again = [event["data"]["id"] for event in read_jsonl(out) if event["event_type"] in ("insert", "read")]
    assert again and again[-1] == number - 1 and again == list(range(again[0], number))


def test_a_directory_removed_while_streaming(walrow, shop, tmp_path):
    lake = tmp_path / "lake"
    run = walrow.start("stream", *options(shop, f"ipc:{lake}?rotate_s=1"))
    run.wait_for(lambda: ids(lake) == [1, 2, 3, 4, 5] if lake.exists() else False, what="the snapshot")
    wait_until(lambda: (shop.slot(shop.name) or {}).get("active"), what="the stream to run")
    shutil.rmtree(lake)
    lake.write_text("in the way")
    add(shop, 6)
    assert_refused(run.wait(), 9, str(lake))
    lake.unlink()
    walrow("stream", *options(shop, f"ipc:{lake}", "--until", "now"), code=0)
    assert 6 in ids(lake)


def test_one_failing_sink_keeps_nothing_from_the_others_next_time(walrow, limited, shop, tmp_path):
    walrow("setup", "--source", shop.url(), "--slot", shop.name, "--tables", "public.items", code=0)
    shop.sql("INSERT INTO items SELECT i, repeat(md5(i::text), 100) FROM generate_series(6, 500) i")
    both = ["--to", f"ipc:{tmp_path / 'lake'}", "--until", "now", "--snapshot", "never"]
    assert limited("stream", *options(shop, "null:", *both)).code == 9
    walrow("stream", *options(shop, "null:", *both), code=0)
    assert ids(tmp_path / "lake") == list(range(6, 501))


def test_the_environment_of_these_tests_is_clean():
    assert not [name for name in clean_environment() if name.startswith("PG")]
    assert os.path.exists("/dev/full")
