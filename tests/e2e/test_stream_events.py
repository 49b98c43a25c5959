"""Events, several sinks, arrow:- on stdout, where a stream begins and ends, and the limits of change sets."""

import datetime
import json

import pyarrow as pa
import pytest

from postgres import lsn_text, lsn_value
from readers import read_jsonl
from streaming import own_values, ways

pytestmark = ways("pgoutput", "wal2arrow")

ROW = "CREATE TABLE t (id int PRIMARY KEY, v text)"


@pytest.fixture
def events(db, job):
    """events(ddl, dml): the events of the dml."""

    def run(ddl, dml, *args):
        db.sql(ddl)
        job.setup()
        db.sql(dml)
        job.stream(*args, to=[f"jsonl:{job.jsonl}"])
        return job.events(exact=True)

    return run


def test_an_insert_between_begin_and_commit(events, db):
    before = db.flush_lsn()
    begin, insert, commit = events(ROW, "INSERT INTO t VALUES (1, 'a')")
    assert [e["event_type"] for e in (begin, insert, commit)] == ["begin", "insert", "commit"]
    assert (insert["schema"], insert["table"], insert["data"], insert["seq"]) == ("public", "t", {"id": 1, "v": "a"}, 0)
    assert len({(e["lsn"], e["timestamp"], e["transaction_id"]) for e in (begin, insert, commit)}) == 1
    assert before <= lsn_value(insert["lsn"]) < db.flush_lsn()
    age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(insert["timestamp"].replace("Z", "+00:00"))
    assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=1)


def test_an_update_of_the_key_has_old_and_key(events):
    _, update, _ = events(ROW + "; INSERT INTO t VALUES (1, 'a')", "UPDATE t SET id = 2")
    assert (update["event_type"], update["data"], update["key_data"]) == ("update", {"id": 2, "v": "a"}, {"id": 1})


def test_an_update_beside_the_key_has_the_key_it_kept(events):
    _, update, _ = events(ROW + "; INSERT INTO t VALUES (1, 'a')", "UPDATE t SET v = 'b'")
    assert (update["data"], update["key_data"], update.get("old_data")) == ({"id": 1, "v": "b"}, {"id": 1}, None)


def test_a_full_update_has_the_old_row(events):
    ddl = ROW + "; ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1, 'a')"
    _, update, _ = events(ddl, "UPDATE t SET v = 'b'")
    assert (update["data"], update["old_data"]) == ({"id": 1, "v": "b"}, {"id": 1, "v": "a"})


def test_a_delete_has_the_key(events):
    _, delete, _ = events(ROW + "; INSERT INTO t VALUES (1, 'a')", "DELETE FROM t")
    assert (delete["event_type"], delete["key_data"], delete.get("data")) == ("delete", {"id": 1}, None)


def test_a_truncate_of_two_tables_is_two_events(events, db):
    ddl = ROW + "; CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE w (id int PRIMARY KEY)"
    _, *truncates, _ = events(ddl, "TRUNCATE t, u")
    assert [(e["event_type"], e["table"], e["seq"]) for e in truncates] == [("truncate", "t", 0), ("truncate", "u", 1)]


def test_messages_in_and_outside_of_transactions(events):
    dml = (  # the one outside first: the server flushes it only with a commit behind it
        "SELECT pg_logical_emit_message(false, 'out', 'ü');"
        "BEGIN; SELECT pg_logical_emit_message(true, 'in', E'it''s\\n\"x\"'); INSERT INTO t VALUES (1, 'a'); COMMIT"
    )
    found = events(ROW, dml)
    outside, inside = [e for e in found if e["event_type"] == "message"]
    assert (inside["message_prefix"], inside["message_content"], inside["transactional"]) == ("in", 'it\'s\n"x"', True)
    assert (outside["message_prefix"], outside["message_content"], outside["transactional"]) == ("out", "ü", False)
    assert [e["seq"] for e in found if e["event_type"] == "insert"] == [0]


def test_a_snapshot_row_is_a_read(db, job):
    db.sql(ROW + "; INSERT INTO t VALUES (1, 'a')")
    job.snapshot(to=[f"jsonl:{job.jsonl}"])
    (read,) = job.events()
    assert (read["event_type"], read["table"], read["data"]) == ("read", "t", {"id": 1, "v": "a"})


def test_values_are_json_where_json_has_them(events):
    ddl = """CREATE TYPE pair AS (a int, b text);
             CREATE TABLE t (id int PRIMARY KEY, b bool, f float8, n numeric(20,5), u numeric, a int[], p pair, j jsonb,
                             d date, ts timestamptz, x bytea, e text)"""
    dml = """INSERT INTO t VALUES (1, true, 'NaN', 123456789012345.12345, 0.10, '{1,NULL}', '(7,x)', '{"k": 1}',
                                   'infinity', '2026-01-02 03:04:05.5+00', '\\x00ff', '')"""
    data = events(ddl, dml)[1]["data"]
    numbers = {name: str(data[name]) for name in ("n",)}
    assert numbers == {"n": "123456789012345.12345"}
    assert (data["b"], data["f"], data["a"], data["p"]) == (True, "NaN", [1, None], {"a": 7, "b": "x"})
    assert str(data["u"]) == "0.10"
    assert json.loads(data["j"]) == {"k": 1}
    assert (data["d"], data["x"], data["e"]) == ("infinity", "\\x00ff", "")


def test_unchanged_toast_is_named_and_absent(events):
    ddl = (
        "CREATE TABLE t (id int PRIMARY KEY, n int, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;"
        "INSERT INTO t VALUES (1, 1, repeat('x', 10000))"
    )
    _, update, _ = events(ddl, "UPDATE t SET n = 2")
    assert (update["data"], update["unchanged"]) == ({"id": 1, "n": 2}, ["big"])


def test_an_empty_transaction_leaves_no_event(events):
    found = events(ROW, "BEGIN; CREATE TABLE later (id int); DROP TABLE later; COMMIT; INSERT INTO t VALUES (1, 'a')")
    assert [e["event_type"] for e in found] == ["begin", "insert", "commit"]


# ---- sinks --------------------------------------------------------------------------------------------------


def test_sinks_beside_each_other_agree(db, job):
    db.sql(ROW)
    job.setup()
    db.sql("INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 500) i; DELETE FROM t WHERE id > 100")
    second = job.ipc + "-too"
    done = job.stream(to=[f"ipc:{job.ipc}", f"ipc:{second}", f"jsonl:{job.jsonl}", "jsonl:-", "null:"])
    with open(job.jsonl, encoding="utf-8") as file:
        assert file.read() == done.out
    events = [(lsn_value(e["lsn"]), e["seq"], e["data"]) for e in job.events("insert")]
    assert [(r["_commit_lsn"], r["_seq"], own_values(r)) for r in job.rows("t") if r["_op"] == "I"] == events
    first, job.ipc = job.table("t"), second
    assert job.table("t").equals(first, check_metadata=True)


@pytest.mark.parametrize("snapshot", ["initial", "never"])
def test_one_table_as_an_arrow_stream_on_stdout(db, job, tmp_path, snapshot):
    db.sql(ROW)
    if snapshot == "never":
        job.setup()
    db.sql("INSERT INTO t VALUES (1, 'a'), (2, NULL)")
    run = job.start(to=["arrow:-"], until="now", snapshot=snapshot)
    assert run.wait().code == 0
    with open(run._out, "rb") as file:
        table = pa.ipc.open_stream(file).read_all()
    assert [own_values(row) for row in table.to_pylist()] == [{"id": 1, "v": "a"}, {"id": 2, "v": None}]


def test_an_arrow_stream_ends_where_the_schema_changes_and_goes_on_there(db, job):
    db.sql(ROW)
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'a')")
    db.sql("ALTER TABLE t ADD w int")
    db.sql("INSERT INTO t VALUES (2, 'b', 3)")
    found = []
    for _ in range(2):
        run = job.start(to=["arrow:-"], until="now")
        assert run.wait().code == 0
        with open(run._out, "rb") as file:
            found.append([own_values(row) for row in pa.ipc.open_stream(file).read_all().to_pylist()])
    assert found == [[{"id": 1, "v": "a"}], [{"id": 2, "v": "b", "w": 3}]]


def test_an_arrow_stream_of_two_tables_is_a_usage_error(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)")
    job.setup()
    db.sql("INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)")
    refused = job.stream(to=["arrow:-"], code=2)
    assert "arrow:- writes one table" in refused.err


# ---- from where to where ------------------------------------------------------------------------------------


def test_until_now_ends_on_an_idle_server(db, job):
    db.sql(ROW)
    job.setup()
    job.stream()
    assert job.lake == {}


def test_until_an_lsn_takes_what_was_committed_before_and_leaves_the_rest(db, job):
    db.sql(ROW)
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'a')")
    middle = db.value("SELECT pg_current_wal_insert_lsn()::text")
    db.sql("INSERT INTO t VALUES (2, 'b')")
    job.stream(until=middle)
    assert [row["id"] for row in job.rows("t")] == [1]
    job.stream()
    assert [row["id"] for row in job.rows("t")] == [1, 2]


def test_start_skips_what_was_committed_before(db, job):
    db.sql(ROW)
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'a')")
    middle = db.value("SELECT pg_current_wal_insert_lsn()::text")
    db.sql("INSERT INTO t VALUES (2, 'b')")
    job.stream("--start", middle)
    assert [row["id"] for row in job.rows("t")] == [2]


def test_start_below_the_confirmed_position_is_an_error(db, job):
    db.sql(ROW)
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'a')")
    job.stream()
    refused = job.walrow(*job.arguments_of_stream("--start", "0/1"))
    assert refused.code != 0
    assert "0/1" in refused.err


def test_what_was_delivered_is_confirmed(db, job):
    db.sql(ROW)
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'a')")
    end = db.flush_lsn()
    job.stream()
    assert lsn_value(db.slot(job.slot)["confirmed_flush_lsn"]) >= end


# ---- change sets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits", [("--batch-bytes", "1kB"), ("--batch-delay", "0"), ("--batch-rows", "1")], ids=" ".join
)
def test_limits_of_change_sets_change_no_row(db, new_job, limits):
    db.sql(ROW + "; CREATE TABLE u (id int PRIMARY KEY)")
    plain, limited = new_job("plain"), new_job("limited")
    plain.setup(), limited.setup()
    with db.connect(autocommit=False) as connection:
        for first in range(0, 1000, 100):
            connection.execute(f"INSERT INTO t SELECT i, 'v' || i FROM generate_series({first}, {first} + 99) i")
            connection.execute(f"INSERT INTO u VALUES ({first})")
    db.sql("UPDATE t SET v = 'w' WHERE id % 10 = 0")
    plain.stream(to=[f"ipc:{plain.ipc}", f"jsonl:{plain.jsonl}"])
    limited.stream(*limits, to=[f"ipc:{limited.ipc}", f"jsonl:{limited.jsonl}"])
    assert len(plain.rows("t")) == 1100
    assert [limited.rows("t"), limited.rows("u")] == [plain.rows("t"), plain.rows("u")]
    assert limited.events() == plain.events()


def test_the_report_counts(db, job, tmp_path):
    db.sql(ROW)
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'a'), (2, 'b'); UPDATE t SET v = 'c'; DELETE FROM t WHERE id = 1; TRUNCATE t")
    report = tmp_path / "report.json"
    job.stream("--report", report)
    found = json.loads(report.read_text())
    assert found["changes"] == {"I": 2, "U": 2, "D": 1, "T": 1, "R": 0}
    rows = job.rows("t")
    assert (found["first_lsn"], found["last_lsn"]) == (lsn_text(rows[0]["_commit_lsn"]), lsn_text(rows[-1]["_commit_lsn"]))
    assert (found["exit_status"], found["transactions"]) == (0, len({row["_xid"] for row in rows}))


def test_jsonl_on_stdout_is_one_event_a_line(db, job):
    db.sql(ROW)
    job.setup()
    db.sql("INSERT INTO t VALUES (1, E'two\\nlines')")
    done = job.stream(to=["jsonl:-"])
    assert [e["event_type"] for e in read_jsonl(done.out)] == ["begin", "insert", "commit"]
