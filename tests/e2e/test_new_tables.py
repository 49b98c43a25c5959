"""Tables that are created while a stream runs."""

import json

import pytest


@pytest.fixture
def streaming(walrow, db):
    """A stream of public.* into events.jsonl; events() reads what is there."""
    db.sql("CREATE TABLE first(id int PRIMARY KEY)")
    path = f"{walrow.folder}/events.jsonl"
    run = walrow.start("stream", "-d", db.url(), "--tables", "public.*", "--to", f"jsonl:{path}")

    def events(table):
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return []
        found = [json.loads(line) for line in lines if line.endswith("}")]
        return [event for event in found if event.get("table") == table]

    run.events = events
    db.sql("INSERT INTO first VALUES (1)")
    run.wait_for(lambda: run.events("first"), what="the first row")
    return run


def test_a_new_table_is_captured_with_the_rows_it_had(streaming, db):
    db.sql("CREATE TABLE second(id int PRIMARY KEY); INSERT INTO second VALUES (1)")
    streaming.wait_for(lambda: streaming.events("second"), what="the new table's row")
    db.sql("INSERT INTO second VALUES (2)")
    streaming.wait_for(lambda: len(streaming.events("second")) == 2, what="the new table's change")
    assert [event["event_type"] for event in streaming.events("second")] == ["read", "insert"]
    assert streaming.stop().code == 0


def test_a_new_table_without_identity_is_left_to_its_application(streaming, db):
    db.sql("CREATE TABLE nokey(a int); INSERT INTO nokey VALUES (1)")
    streaming.wait_for("public.nokey", what="the warning")
    db.sql("UPDATE nokey SET a = 2")
    db.sql("ALTER TABLE nokey ADD PRIMARY KEY (a)")
    streaming.wait_for(lambda: streaming.events("nokey"), what="the table, once it has a key")
    assert streaming.events("nokey")[0]["data"] == {"a": 2}


def test_somebody_elses_new_table_does_not_end_the_stream(walrow, db):
    db.sql("CREATE TABLE first(id int PRIMARY KEY)")
    owner = db.create_role("new_tables_owner", "LOGIN REPLICATION")
    db.sql(f"ALTER TABLE first OWNER TO {owner}; GRANT CREATE ON DATABASE {db.name} TO {owner}")
    run = walrow.start("stream", "-d", db.url(owner), "--tables", "public.*", "--to", "null:")
    run.wait_for(lambda: db.slot() and db.slot()["active"], what="the stream")
    db.sql("CREATE TABLE theirs(id int PRIMARY KEY)")
    run.wait_for("not captured")
    assert run.alive()
    db.sql(f"DROP TABLE first, theirs; REVOKE ALL ON DATABASE {db.name} FROM {owner}")
    assert run.stop().code == 0
    db.sql("DROP PUBLICATION walrow")


def test_a_new_table_that_another_stream_has_published_has_each_change_once(walrow, db):
    """The publication is shared: its changes come before this stream has looked for new tables."""
    db.sql("CREATE TABLE first(id int PRIMARY KEY)")
    path = f"{walrow.folder}/events.jsonl"
    run = walrow.start("stream", "-d", db.url(), "--tables", "public.*", "--to", f"jsonl:{path}")
    run.wait_for(lambda: (slot := db.slot()) and slot["active"], what="the stream")
    db.sql("CREATE TABLE second(id int PRIMARY KEY, n int); INSERT INTO second VALUES (1, 0)")
    db.sql("ALTER PUBLICATION walrow ADD TABLE second")
    db.sql("INSERT INTO second VALUES (2, 0); UPDATE second SET n = 1 WHERE id = 1")
    db.sql("INSERT INTO first VALUES (1)")
    run.wait_for("reading the rows of public.second")
    db.sql("UPDATE second SET n = 2 WHERE id = 1; INSERT INTO first VALUES (2)")
    lines = lambda: open(path, encoding="utf-8").read().splitlines()  # noqa: E731
    run.wait_for(lambda: sum('"table":"first"' in line.replace(" ", "") for line in lines()) == 2, what="all of it")
    assert run.stop().code == 0
    events = [json.loads(line) for line in lines()]
    second = [event for event in events if event.get("table") == "second"]
    rows = {}
    for event in second:
        assert (event["event_type"] == "update") == (event["data"]["id"] in rows), second
        rows[event["data"]["id"]] = event["data"]["n"]
    assert rows == {1: 2, 2: 0}
    assert [event["data"]["id"] for event in events if event.get("table") == "first"] == [1, 2]
