"""A recording, decoded with no server, is the stream; recording confirms nothing."""

import pytest

from readers import read_ipc, read_jsonl
from streaming import ways

pytestmark = ways("binary", "text", "wal2arrow")


@pytest.fixture
def recorded(walrow, db, tmp_path, way):
    """The arguments of a stream of the test's database, and what it said when it was recorded before."""
    db.sql("CREATE TABLE t (id int PRIMARY KEY, name text, n numeric(10,2), at timestamptz, tags text[])")
    db.sql("CREATE TABLE u (id int PRIMARY KEY, doc jsonb)")
    server = ["--source", db.url(), "--slot", db.name, "--tables", "public.*"]
    walrow("setup", *server, code=0)
    db.sql("INSERT INTO t SELECT i, 'row ' || i, i / 3.0, '2026-01-01', ARRAY['a', NULL] FROM generate_series(1, 500) i")
    db.sql("BEGIN; UPDATE t SET id = 1000 WHERE id = 1; INSERT INTO u VALUES (1, '{}'); DELETE FROM t WHERE id = 2; COMMIT")
    db.sql("UPDATE t SET n = 'NaN' WHERE id = 3")
    db.sql("SELECT pg_logical_emit_message(true, 'app', 'hello')")
    db.sql("ALTER TABLE u ADD more int; INSERT INTO u VALUES (2, NULL, 3)")
    db.sql("TRUNCATE t, u")
    before = db.slot(db.name)
    assert db.slot(db.name)["plugin"] == ("wal2arrow" if way == "wal2arrow" else "pgoutput")
    encoding = [] if way == "wal2arrow" else ["--encoding", way]
    walrow("record", tmp_path / "recording", *server, *encoding, "--until", "now", code=0)
    assert db.slot(db.name)["confirmed_flush_lsn"] == before["confirmed_flush_lsn"]
    return [*server, *encoding, "--snapshot", "never", "--until", "now"]


def test_decoded_events_are_those_of_the_stream(walrow, recorded, tmp_path):
    decoded = read_jsonl(walrow("decode", tmp_path / "recording", "--to", "jsonl:-", code=0).out)
    streamed = read_jsonl(walrow("stream", *recorded, "--to", "jsonl:-", code=0).out)
    assert decoded == streamed
    kinds = {event["event_type"] for event in decoded}
    assert {"begin", "insert", "update", "delete", "truncate", "message", "commit", "schema_change"} <= kinds


def test_decoded_files_are_those_of_the_stream(walrow, recorded, tmp_path):
    walrow("decode", tmp_path / "recording", "--to", f"ipc:{tmp_path / 'decoded'}", code=0)
    walrow("stream", *recorded, "--to", f"ipc:{tmp_path / 'streamed'}", code=0)
    decoded, streamed = read_ipc(tmp_path / "decoded"), read_ipc(tmp_path / "streamed")
    assert sorted(decoded) == sorted(streamed) == ["public.t", "public.u"]
    for table in decoded:
        assert decoded.rows(table) == streamed.rows(table)
        assert [f.table.schema for f in decoded[table]] == [f.table.schema for f in streamed[table]]
        assert [f.metadata for f in decoded[table]] == [f.metadata for f in streamed[table]]
    assert (tmp_path / "decoded" / "_dead_letters.jsonl").read_text() == (
        tmp_path / "streamed" / "_dead_letters.jsonl"
    ).read_text()


def test_a_recording_decodes_twice_to_the_same_place_once(walrow, recorded, tmp_path):
    for _ in range(2):
        walrow("decode", tmp_path / "recording", "--to", f"ipc:{tmp_path / 'decoded'}", code=0)
    positions = read_ipc(tmp_path / "decoded").positions("public.t")
    assert len(positions) == len(set(positions)) > 500


def test_broken_recordings_are_refused(walrow, recorded, tmp_path):
    whole = (tmp_path / "recording").read_bytes()
    for name, content, code in [("cut", whole[:-5], 8), ("other", b"not a recording", 8), ("empty", b"", 8)]:
        (tmp_path / name).write_bytes(content)
        result = walrow("decode", tmp_path / name, "--to", "null:")
        assert result.code == code, result.err
        assert "hint: " in result.err
    assert walrow("decode", tmp_path / "missing", "--to", "null:").code == 2
