"""The oracle reads test_decoding's text right: parsing first, then a real server."""

import datetime

from oracle import UNCHANGED, parse_changes, parse_message


def parse_one(line):
    (change,) = parse_changes(line)
    return change


def test_types_with_spaces_and_brackets_are_read_whole():
    change = parse_one(
        "table public.t: INSERT: id[integer]:1 at[timestamp with time zone]:'2026-01-01 00:00:00+00'"
        " tags[text[]]:'{a,\"b c\"}' mood[public.\"odd]type\"]:'x'"
    )
    assert change.types == {
        "id": "integer",
        "at": "timestamp with time zone",
        "tags": "text[]",
        "mood": 'public."odd]type"',
    }
    assert change.new == {"id": "1", "at": "2026-01-01 00:00:00+00", "tags": '{a,"b c"}', "mood": "x"}


def test_quotes_inside_names_and_values_are_undone():
    change = parse_one("""table "Odd.Schema"."a ""b"" c": INSERT: "Col: [x]"[text]:'it''s id[integer]:9 new-tuple:'""")
    assert (change.schema, change.table) == ("Odd.Schema", 'a "b" c')
    assert change.new == {"Col: [x]": "it's id[integer]:9 new-tuple:"}


def test_null_is_not_the_word_null():
    change = parse_one("table public.t: INSERT: a[text]:null b[text]:'null' c[text]:'unchanged-toast-datum'")
    assert change.new == {"a": None, "b": "null", "c": "unchanged-toast-datum"}


def test_message_keeps_commas_and_newlines():
    message = parse_message("message: transactional: 1 prefix: a, sz: 3, sz: 4 content:x\ny:")
    assert (message.prefix, message.content, message.transactional) == ("a, sz: 3", "x\ny:", True)


def test_every_kind_of_value(db, oracle):
    db.sql(
        """CREATE TABLE t (id int PRIMARY KEY, b bool, f float8, n numeric, ts timestamptz, j jsonb, a int[],
                           bits bit(3), by bytea, i interval, txt text)"""
    )
    db.sql(
        """INSERT INTO t VALUES (1, true, 'NaN', -1.50, '2026-01-02 03:04:05.5+02', '{"k": "it''s"}', '{1,NULL}',
                                 B'101', '\\x00ff', '1 day -00:00:01', E'two\nlines ''quoted'' back\\\\slash')"""
    )
    db.sql("INSERT INTO t (id, f, b) VALUES (2, '-Infinity', false)")
    first, second = [change for _, change in oracle.changes()]
    assert first.new == {
        "id": "1",
        "b": "t",
        "f": "NaN",
        "n": "-1.50",
        "ts": "2026-01-02 01:04:05.5+00",
        "j": '{"k": "it\'s"}',
        "a": "{1,NULL}",
        "bits": "101",
        "by": "\\x00ff",
        "i": "1 day -00:00:01",
        "txt": "two\nlines 'quoted' back\\slash",
    }
    assert second.new["f"] == "-Infinity"
    assert second.new["b"] == "f"
    assert second.new["txt"] is None


def test_old_keys_follow_the_replica_identity(db, oracle):
    db.sql("CREATE TABLE plain (id int PRIMARY KEY, v text)")
    db.sql("CREATE TABLE whole (id int PRIMARY KEY, v text); ALTER TABLE whole REPLICA IDENTITY FULL")
    db.sql("CREATE TABLE bare (id int)")
    db.sql("INSERT INTO plain VALUES (1, 'a'); INSERT INTO whole VALUES (1, NULL); INSERT INTO bare VALUES (1)")
    oracle.read()
    db.sql("UPDATE plain SET v = 'b'")
    db.sql("UPDATE plain SET id = 2")
    db.sql("UPDATE whole SET v = 'b'")
    db.sql("DELETE FROM plain; DELETE FROM whole; DELETE FROM bare")
    changes = [change for _, change in oracle.changes()]
    assert [(c.table, c.op, c.old, c.new) for c in changes] == [
        ("plain", "U", None, {"id": "1", "v": "b"}),
        ("plain", "U", {"id": "1"}, {"id": "2", "v": "b"}),
        ("whole", "U", {"id": "1"}, {"id": "1", "v": "b"}),  # the old null is not printed
        ("plain", "D", {"id": "2"}, None),
        ("whole", "D", {"id": "1", "v": "b"}, None),
    ]


def test_unchanged_toast_is_no_value(db, oracle):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, n int, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL")
    db.sql("INSERT INTO t VALUES (1, 1, repeat('x', 10000))")
    db.sql("UPDATE t SET n = 2")
    insert, update = [change for _, change in oracle.changes()]
    assert len(insert.new["big"]) == 10000
    assert update.new["big"] is UNCHANGED


def test_transactions_carry_their_position(db, oracle):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    oracle.read()
    before = db.flush_lsn()
    with db.connect(autocommit=False) as connection:
        xid = int(connection.execute("SELECT pg_current_xact_id()::text").fetchone()[0])
        connection.execute("INSERT INTO t VALUES (1), (2)")
        connection.execute("SELECT pg_logical_emit_message(true, 'p', 'hello')")
        connection.execute("DELETE FROM t WHERE id = 1")
    (transaction,) = oracle.read()
    assert transaction.xid == xid
    assert before <= transaction.commit_lsn < transaction.end_lsn <= db.flush_lsn()
    assert [change.seq for change in transaction.changes] == [0, 1, 2]
    assert [(m.content, m.seq) for m in transaction.messages] == [("hello", 2)]
    age = datetime.datetime.now(datetime.timezone.utc) - transaction.commit_time
    assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=1)
    assert oracle.read() == []


def test_partitions_are_their_root_and_truncate_is_a_change_a_table(db, oracle):
    db.sql("CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    db.sql("CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)")
    db.sql("CREATE TABLE other (id int)")
    db.sql("INSERT INTO p VALUES (1)")
    db.sql("TRUNCATE p1, other RESTART IDENTITY")
    changes = [change for _, change in oracle.changes()]
    assert [(c.op, c.name) for c in changes] == [("I", "public.p"), ("T", "public.p"), ("T", "public.other")]
    assert changes[1].flags == ("restart_seqs",)


def test_seq_counts_the_captured_tables_only(db, oracle):
    db.sql("CREATE TABLE a (id int); CREATE TABLE b (id int)")
    with db.connect(autocommit=False) as connection:
        connection.execute("INSERT INTO a VALUES (1)")
        connection.execute("INSERT INTO b VALUES (2)")
        connection.execute("INSERT INTO a VALUES (3)")
    changes = [change for _, change in oracle.changes(tables={"public.a"})]
    assert [(c.new["id"], c.seq) for c in changes] == [("1", 0), ("3", 1)]


def test_a_prepared_transaction_has_the_position_of_its_commit(db, oracle):
    db.sql("CREATE TABLE t (id int)")
    oracle.read()
    with db.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("PREPARE TRANSACTION 'two'")
        prepared = db.flush_lsn()
        connection.execute("COMMIT PREPARED 'two'")
    (transaction,) = oracle.read()
    assert transaction.commit_lsn >= prepared
