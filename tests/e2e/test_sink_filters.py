"""?tables= and ?events=: each sink gets what it asks for, whatever the others get."""

import json
import os

import pytest

import workload
from streaming import read_jsonl

ROWS = ("insert", "update", "delete", "truncate", "read")


def positions(events):
    return [(e["lsn"], e["seq"], e["event_type"], e["table"], str(e["key_data"])) for e in events]


@pytest.mark.parametrize("buffer", ["off", "on"])
def test_each_sink_gets_what_it_asks_for(db, job, buffer):
    few, kinds = os.path.join(job.folder, "few.jsonl"), ("update", "truncate", "message")
    db.sql(workload.TABLES)
    job.setup("--insert-only", "public.nothing")
    db.sql("INSERT INTO plain VALUES (-1); INSERT INTO whole VALUES (-1)")
    sinks = [
        f"jsonl:{job.jsonl}",
        f"jsonl:{few}?tables=public.p*,!public.parted&include-xids=off&events={','.join(kinds)}",
        f"ipc:{job.ipc}?events=insert,read&tables=public.plain",
    ]
    for seed, size in ((1, 40), (2, 65536)):  # several change sets, and one
        workload.Workload(seed).run(db, 60)
        job.stream("--batch-rows", size, "--buffer", buffer, to=sinks, snapshot="initial")
    events, some = job.events(), [e for e in read_jsonl(few) if e["event_type"] not in ("begin", "commit")]
    assert {e["event_type"] for e in some} == set(kinds) and "transaction_id" not in some[0]
    assert positions(e for e in some if e["event_type"] in ROWS) == positions(
        e for e in events if e["event_type"] in kinds and e.get("table") in ("plain", "pair"))  # fmt: skip
    assert [e["lsn"] for e in some if e["event_type"] == "message"] == [e["lsn"] for e in job.events("message")]
    assert set(job.lake) == {"public.plain"}
    wanted = [e for e in job.events("insert", "read") if e["table"] == "plain"]
    assert [(row["_seq"], row["id"]) for row in job.rows("plain")] == [(e["seq"], e["data"]["id"]) for e in wanted]


def test_nothing_is_read_that_no_sink_wants(db, job, tmp_path):
    db.sql("CREATE TABLE a (id int PRIMARY KEY, n numeric(9,2)); CREATE TABLE b (id int PRIMARY KEY, n numeric(9,2))")
    db.sql("INSERT INTO a SELECT i, 'NaN' FROM generate_series(1, 3) i; INSERT INTO b VALUES (1, 'NaN')")
    report = tmp_path / "report"

    def read(*params):
        job.stream("--report", str(report), to=[f"ipc:{job.ipc}?" + "&".join(params)], snapshot="initial")
        return json.loads(report.read_text())["changes"]["R"]

    assert read("tables=public.b", "events=insert") == 0
    assert read("tables=public.b") == 1
    assert {letter["table"] for letter in job.dead_letters()} == {"b"}
    assert read("events=read") == 3  # of what it wants now
    assert {table: len(job.rows(table)) for table in ("a", "b")} == {"a": 3, "b": 1}
    db.sql("INSERT INTO a VALUES (4, 0); DELETE FROM b")
    assert read("events=delete") == 0
    assert (job.ops("a"), job.ops("b")) == ("RRR", "RD")


@pytest.mark.parametrize(
    "params, message",
    [
        ("events=insert,upsert", 'unknown event "upsert"'),
        ("events=", "parameter events cannot be"),
        ("tables=public.(", "public.("),
        ("tables=a.b&rotate=1", 'has no parameter "rotate"'),
    ],
)
def test_usage(walrow, params, message):
    failed = walrow("stream", "-d", "host=nowhere", "--to", f"ipc:lake?{params}")
    assert failed.code == 2
    assert message in failed.err
