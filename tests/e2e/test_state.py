"""walrow's own state: what it remembers, and what it says when the server does not agree."""

import glob
import json
import os
import shutil

import pytest

from postgres import lsn_value, wait_until

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 100) i"


@pytest.fixture
def stream(db, walrow):
    """stream(..., code=5): one run up to now, into null: unless told otherwise."""
    db.sql(TABLE)

    def run(*args, to="null:", code=0, slot="walrow"):
        return walrow("stream", "-d", db.url(), "--tables", "public.t", "-S", slot, "--publication", slot, "--until", "now",
                      "--to", to, "--report", "report.json", *args, code=code)  # fmt: skip

    yield run
    for name in ("walrow", "other"):
        if db.slot(name):
            db.sql(f"SELECT pg_drop_replication_slot('{name}')")


@pytest.fixture
def report(walrow):
    def read():
        with open(os.path.join(walrow.folder, "report.json"), encoding="utf-8") as file:
            return json.load(file)

    return read


@pytest.fixture
def status(db, walrow):
    return lambda *args: walrow("status", "-d", db.url(), "--json", *args, code=0).json


def state_folder(walrow, slot="walrow"):
    return os.path.join(walrow.folder, "state", "walrow", slot)


# ---- what it remembers ----


def test_what_was_delivered_is_counted_over_restarts(stream, db, status):
    stream()
    db.sql("INSERT INTO t VALUES (101, 'a'); UPDATE t SET v = 'b' WHERE id = 101; DELETE FROM t WHERE id = 101")
    stream()
    db.sql("TRUNCATE t")
    stream()
    counters = status()["state"]["counters"]
    assert counters["changes"] == {"R": 100, "I": 1, "U": 1, "D": 1, "T": 1}
    assert counters["transactions"] == 2


def test_dead_letters_are_counted_by_column(stream, db, status):
    stream("--snapshot", "never")
    db.sql("ALTER TABLE t ADD n numeric(5, 1); INSERT INTO t VALUES (101, 'a', 'NaN'), (102, 'b', 'NaN')")
    stream()
    assert status()["state"]["counters"]["dead_letters"] == {"public.t.n": 2}


def test_it_is_never_behind_the_slot(stream, db, status):
    for i in range(3):
        db.sql(f"INSERT INTO t VALUES ({1000 + i}, 'x')")
        stream()
        assert lsn_value(status()["state"]["confirmed_lsn"]) >= lsn_value(db.slot()["confirmed_flush_lsn"])


def test_a_sink_without_a_memory_has_one_here(stream, db, status):
    stream(to="jsonl:-")
    db.sql("INSERT INTO t VALUES (101, 'a')")
    stream(to="jsonl:-")
    sink = status("--to", "jsonl:-")["sinks"][0]
    assert sink["lsn"] is not None and lsn_value(sink["lsn"]) <= db.flush_lsn()


def test_a_snapshot_that_was_cut_off_is_read_again(db, walrow, stream, report):
    """null: remembers nothing; the state does."""
    db.sql("CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u SELECT generate_series(1, 50)")
    db.sql("INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1000, 100000) i")
    words = ["stream", "-d", db.url(), "--tables", "public.t,public.u", "--to", "null:", "--report", "report.json"]
    run = walrow.start(*words, "--batch-rows", "100")
    run.wait_for(lambda: db.slot() is not None, what="the slot")
    run.kill()
    wait_until(lambda: not db.slot()["active"], what="the slot to be free")
    walrow(*words, "--until", "now", code=0)
    assert report()["changes"]["R"] > 0
    walrow(*words, "--until", "now", code=0)
    assert report()["changes"]["R"] == 0, "and not once more"


def test_nothing_is_kept_with_state_off(stream, walrow):
    stream("--state", "off")
    assert not os.path.exists(os.path.join(walrow.folder, "state"))


def test_another_directory_is_taken_as_it_is_named(stream, walrow):
    stream("--state", "elsewhere")
    assert os.path.isdir(os.path.join(walrow.folder, "elsewhere", "db"))


# ---- one process, one server ----


def test_one_process_at_a_time(stream, db, walrow):
    run = walrow.start("stream", "-d", db.url(), "--tables", "public.t", "--to", "null:")
    run.wait_for(lambda: db.slot() and db.slot()["active"], what="the stream")
    said = stream(code=10).err
    assert f"in use by process {run.pid}" in said
    assert walrow("status", "-d", db.url(), "--json", code=0).json["slot"]["active"], "status only looks"
    run.stop()
    stream()


def test_the_state_of_another_slot_is_not_used(stream):
    stream("--state", "mine")
    said = stream("--state", "mine", slot="other", code=10).err
    assert '"slot": "walrow"' in said and '"slot": "other"' in said


def test_a_damaged_state_is_said_and_not_begun_anew(stream, db, walrow):
    stream()
    for manifest in glob.glob(os.path.join(state_folder(walrow), "db", "MANIFEST-*")):
        os.truncate(manifest, 10)
    before = db.slot()
    said = stream(code=10).err
    assert "Corruption" in said and "walrow teardown" in said
    assert db.slot() == before


def test_a_place_that_cannot_be_written_is_said(stream, walrow):
    with open(os.path.join(walrow.folder, "file"), "w", encoding="utf-8"):
        pass
    said = stream("--state", "file/state", code=10).err
    assert "Not a directory" in said and "--state" in said


# ---- when the server does not agree ----


def test_a_slot_moved_on_by_somebody_else_is_a_loss(stream, db):
    stream()
    db.sql("INSERT INTO t VALUES (101, 'never seen')")
    before = db.slot()["confirmed_flush_lsn"]
    db.sql("SELECT pg_replication_slot_advance('walrow', pg_current_wal_flush_lsn())")
    missing = lsn_value(db.slot()["confirmed_flush_lsn"]) - lsn_value(before)
    said = stream(code=10).err
    assert "somebody else read it" in said and "walrow teardown" in said
    assert abs(int(said.split("the changes of ")[1].split()[0]) - missing) < 1000


def test_a_slot_made_anew_is_a_loss(stream, db):
    stream()
    db.sql("SELECT pg_drop_replication_slot('walrow')")
    db.sql("INSERT INTO t VALUES (101, 'never seen')")
    db.sql("SELECT pg_create_logical_replication_slot('walrow', 'pgoutput')")
    assert "made it anew" in stream(code=10).err


def test_a_dropped_slot_is_a_loss_until_it_is_forgotten(stream, db, walrow, report):
    stream()
    db.sql("SELECT pg_drop_replication_slot('walrow')")
    said = stream(code=5).err
    assert "does not exist any more" in said and "walrow teardown --slot walrow" in said
    assert db.slot() is None, "and was not made again"
    walrow("teardown", "-d", db.url(), "--slot", "walrow", "--yes", code=0)
    assert not os.path.exists(state_folder(walrow))
    stream()
    assert report()["changes"]["R"] == 100


def test_teardown_says_that_it_forgets(stream, db, walrow):
    stream()
    planned = walrow("teardown", "-d", db.url(), "--dry-run", code=0).out
    assert state_folder(walrow) in planned and os.path.exists(state_folder(walrow))


def test_a_server_restored_from_a_backup_has_gone_back(new_server, walrow):
    server = new_server()
    server.sql(TABLE)
    words = ["stream", "-d", server.url(), "--tables", "public.t", "--to", "null:", "--until", "now"]
    walrow(*words, code=0)
    server.stop()
    backup = server.data + ".backup"
    shutil.copytree(server.data, backup, symlinks=True)
    for folder, _, files in os.walk(backup):
        for name in ("", *files):
            source = os.path.join(server.data, os.path.relpath(folder, backup), name)
            os.chown(os.path.join(folder, name), os.stat(source).st_uid, os.stat(source).st_gid)
    server.start()
    server.sql("INSERT INTO t SELECT i, 'later' FROM generate_series(1000, 5000) i")
    walrow(*words, code=0)
    server.stop()
    shutil.rmtree(server.data)
    os.rename(backup, server.data)
    server.start()
    said = walrow(*words, code=10).err
    assert "restored from a backup" in said and "hint:" in said


def test_a_slot_that_fell_back_in_a_crash_goes_on_from_the_state(new_server, walrow, tmp_path):
    """The server writes a slot's position at checkpoints only; events go out once all the same."""
    server = new_server()
    server.sql(TABLE)
    words = ["stream", "-d", server.url(), "--tables", "public.t", "--to", "jsonl:-", "--until", "now", "--snapshot", "never"]
    walrow(*words, code=0)
    server.sql("CHECKPOINT")
    server.sql("INSERT INTO t VALUES (101, 'a')")
    assert '"id":101' in walrow(*words, code=0).out.replace(" ", "")
    server.kill()
    server.start()
    server.sql("INSERT INTO t VALUES (102, 'b')")
    seen = walrow(*words, code=0).out.replace(" ", "")
    assert '"id":102' in seen and '"id":101' not in seen
