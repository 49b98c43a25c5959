"""walrow setup, status, teardown: what is made on a server, what is refused, what is dropped."""

import contextlib
import subprocess

import psycopg
import pytest

from postgres import clean_environment, pgbin, wait_until


@pytest.fixture
def shop(db):
    db.sql("CREATE TABLE users(id int PRIMARY KEY, name text); CREATE TABLE orders(id int PRIMARY KEY)")
    db.sql("CREATE TABLE nokey(a int, b text); INSERT INTO nokey VALUES (1, 'one')")
    return db


@pytest.fixture
def setup(walrow, shop):
    """setup("public.users", "--dry-run"): the actions."""

    def run(*args, url=None):
        patterns = ["--tables", args[0]] if args else []
        return walrow("setup", "-d", url or shop.url(), *patterns, *args[1:], "--json", code=0).json["actions"]

    return run


@pytest.fixture
def refused(walrow, shop):
    """refused(6, "public.*", ...): stderr of a set-up that ends with that status and changes nothing."""

    def run(code, *args, url=None):
        before = objects(shop)
        result = walrow("setup", "-d", url or shop.url(), "--tables", *args, code=code)
        assert objects(shop) == before
        assert "hint: " in result.err
        return result.err

    return run


def objects(db):
    """What set-up could have changed."""
    return (
        db.sql("SELECT pubname, prrelid::regclass::text FROM pg_publication LEFT JOIN pg_publication_rel ON prpubid = pg_publication.oid ORDER BY 1, 2"),
        db.sql("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"),
        db.sql("SELECT relname, relreplident FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"),
    )  # fmt: skip


def published(db, publication="walrow"):
    """schema.table of a publication's list"""
    query = "SELECT prrelid::regclass::text FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE pubname = %s ORDER BY 1"
    return [name for (name,) in db.sql(query, (publication,))]


# ---- making


def test_publication_then_slot(setup, shop):
    actions = setup("public.users,public.orders")
    assert [(action["action"], action["object"], action["done"]) for action in actions] == [
        ("create publication", "walrow", True),
        ("create slot", "walrow", True),
    ]
    assert published(shop) == ["orders", "users"]
    assert shop.sql("SELECT puballtables, pubviaroot FROM pg_publication") == [(False, True)]
    slot = shop.slot()
    assert (slot["plugin"], slot["temporary"], slot["two_phase"]) == ("pgoutput", False, False)


def test_a_second_time_nothing_is_done(setup, shop):
    setup("public.users")
    before = objects(shop)
    assert [action["done"] for action in setup("public.users")] == [False, False]
    assert objects(shop) == before


def test_a_dry_run_prints_the_sql_and_does_nothing(walrow, shop):
    before = objects(shop)
    sql = walrow("setup", "-d", shop.url(), "--tables", "public.users", "--dry-run", code=0).out
    assert objects(shop) == before
    for statement in sql.splitlines():  # it is what somebody else may run
        shop.sql(statement)
    assert published(shop) == ["users"]
    assert shop.slot() is not None


def test_tables_are_added_to_walrows_own_publication(setup, shop):
    setup("public.users")
    actions = setup("public.users,public.orders")
    assert [action["action"] for action in actions if action["done"]] == ["add table"]
    assert published(shop) == ["orders", "users"]


def test_an_inheritance_child_is_not_published_with_its_parent(setup, shop):
    shop.sql("CREATE TABLE parent(id int PRIMARY KEY); CREATE TABLE child() INHERITS (parent)")
    setup("public.parent")
    assert published(shop) == ["parent"]


def test_partitions_are_published_as_their_root(setup, shop):
    shop.sql("CREATE TABLE m(a int PRIMARY KEY) PARTITION BY LIST (a); CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1)")
    setup("public.m*")
    assert published(shop) == ["m"]


def test_names_of_any_kind(setup, shop):
    shop.sql("""CREATE SCHEMA "O'dd"; CREATE TABLE "O'dd"."My "" Table"(id int PRIMARY KEY)""")
    setup('"O\'dd".*', "--publication", 'Pub "x"', "--slot", "my_slot_1")
    assert published(shop, 'Pub "x"') == ["\"O'dd\".\"My \"\" Table\""]
    assert shop.slot("my_slot_1")


def test_grants_are_enough_to_stream(setup, shop, walrow):
    role = shop.create_role("setup_reader")
    setup("public.users", "--grant-to", role)
    document = walrow("check", "-d", shop.url(role), "--tables", "public.users", "--json", code=0).json
    assert document["ok"]
    assert shop.value("SELECT count(*) FROM users", user=role) == 0
    assert [action["done"] for action in setup("public.users", "--grant-to", role)] == [False, False, False]


def test_granting_to_nobody(refused):
    assert "no_such_role" in refused(2, "public.users", "--grant-to", "no_such_role")


# ---- replica identity: publishing must not break the application


def test_publishing_a_table_without_identity_would_break_its_updates(shop):
    shop.sql("CREATE PUBLICATION careless FOR TABLE nokey")
    with pytest.raises(psycopg.Error, match="does not have a replica identity"):
        shop.sql("UPDATE nokey SET b = 'two'")


def test_a_table_without_identity_is_refused_and_its_updates_go_on(refused, shop):
    err = refused(7, "public.*")
    assert "public.nokey" in err
    assert "--replica-identity full" in err and "--insert-only" in err
    shop.sql("UPDATE nokey SET b = 'two'; DELETE FROM nokey")


def test_replica_identity_full_is_set_only_where_it_is_missing(setup, shop):
    setup("public.*", "--replica-identity", "full")
    identities = dict(shop.sql("SELECT relname, relreplident::text FROM pg_class WHERE relname IN ('users', 'nokey')"))
    assert identities == {"users": "d", "nokey": "f"}
    shop.sql("UPDATE nokey SET b = 'two'; DELETE FROM nokey")


def test_insert_only_tables_have_a_publication_of_their_own(setup, shop):
    setup("public.*", "--insert-only", "public.nokey")
    assert published(shop) == ["orders", "users"]
    assert published(shop, "walrow_inserts") == ["nokey"]
    assert shop.sql("SELECT pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication WHERE pubname = 'walrow_inserts'") == [
        (True, False, False, False)
    ]
    shop.sql("UPDATE nokey SET b = 'two'; DELETE FROM nokey")
    assert not any(action["done"] for action in setup("public.*"))  # the choice is remembered


def test_insert_only_leaves_tables_with_a_key_alone(setup, shop):
    setup("public.*", "--insert-only", "public.*")
    assert published(shop) == ["orders", "users"]


def test_identity_nothing_is_none(refused, shop):
    shop.sql("ALTER TABLE users REPLICA IDENTITY NOTHING")
    assert "public.users" in refused(7, "public.users")


def test_partitions_need_an_identity_each(refused, setup, shop):
    shop.sql("CREATE TABLE m(a int) PARTITION BY LIST (a); CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1)")
    shop.sql("ALTER TABLE m REPLICA IDENTITY FULL; INSERT INTO m VALUES (1)")
    assert "m1" in refused(7, "public.m")
    setup("public.m", "--replica-identity", "full")
    shop.sql("UPDATE m SET a = 1")


def test_altering_gives_way_to_the_application(walrow, shop):
    with shop.connect(autocommit=False) as session:
        session.execute("SELECT * FROM nokey")  # holds a lock
        setup = walrow.start("setup", "-d", shop.url(), "--tables", "public.nokey", "--replica-identity", "full")
        setup.wait_for("locked")
        shop.sql("UPDATE nokey SET b = 'two'")  # nobody queues behind a waiting ALTER TABLE for long
        session.rollback()
        assert setup.wait().code == 0


# ---- wide publications


def test_all_tables_only_when_asked_for(setup, shop):
    setup("*.*,!public.nokey")
    assert shop.sql("SELECT puballtables FROM pg_publication") == [(False,)]


def test_wide_all_tables(setup, shop):
    shop.sql("ALTER TABLE nokey ADD PRIMARY KEY (a)")
    setup("*.*", "--publish", "wide")
    assert shop.sql("SELECT puballtables, pubviaroot FROM pg_publication") == [(True, True)]


def test_wide_schemas(setup, shop):
    shop.sql("CREATE SCHEMA app; CREATE TABLE app.t(id int PRIMARY KEY)")
    setup("app.*", "--publish", "wide")
    assert shop.sql("SELECT nspname FROM pg_publication_namespace JOIN pg_namespace n ON n.oid = pnnspid") == [("app",)]


def test_wide_needs_wide_patterns(refused):
    assert "whole schemas" in refused(2, "public.users", "--publish", "wide")


def test_wide_refuses_tables_without_identity_too(refused):
    assert "public.nokey" in refused(7, "public.*", "--publish", "wide")


# ---- what is there already


def test_a_publication_of_others_is_used_if_it_fits(setup, shop):
    shop.sql("CREATE PUBLICATION walrow FOR TABLE users, orders")
    setup("public.users")
    assert published(shop) == ["orders", "users"]
    assert shop.slot()


def test_a_publication_of_others_is_not_touched(refused, shop):
    shop.sql("CREATE PUBLICATION walrow FOR TABLE users")
    err = refused(6, "public.users,public.orders")
    assert "public.orders" in err and "ALTER PUBLICATION" in err


def test_a_publication_that_would_be_younger_than_the_slot_is_refused(refused, shop):
    shop.sql("SELECT pg_create_logical_replication_slot('walrow', 'pgoutput')")
    assert "slot" in refused(6, "public.users")


def test_a_publication_that_is_younger_than_the_slot_is_refused(refused, shop):
    shop.sql("SELECT pg_create_logical_replication_slot('walrow', 'pgoutput')")
    shop.sql("INSERT INTO users VALUES (1)")
    shop.sql("CREATE PUBLICATION walrow FOR TABLE users")
    assert "younger" in refused(6, "public.users")


@pytest.mark.parametrize(
    "sql, words",
    [
        ("SELECT pg_create_logical_replication_slot('walrow', 'test_decoding')", "test_decoding"),
        ("SELECT pg_create_physical_replication_slot('walrow')", "physical"),
        ("SELECT pg_create_logical_replication_slot('walrow', 'pgoutput', false, true)", "two_phase"),
    ],
)
def test_a_slot_that_does_not_fit_is_refused(refused, shop, server, sql, words):
    shop.sql(sql)
    try:
        assert words in refused(5, "public.users")
    finally:
        server.sql("SELECT pg_drop_replication_slot('walrow')")


def test_without_set_up_nothing_is_made(refused):
    assert "does not exist" in refused(6, "public.users", "--no-setup")


def test_patterns_that_match_nothing_make_nothing(refused):
    assert '"public.usres"' in refused(2, "public.usres")


def test_only_a_view_is_nothing_to_stream(refused, shop):
    shop.sql("CREATE VIEW v AS SELECT 1 AS a")
    assert "view" in refused(2, "public.v")


def test_a_server_that_is_not_ready_is_left_alone(walrow, new_server):
    server = new_server(conf={"wal_level": "replica"})
    server.sql("CREATE TABLE t(id int PRIMARY KEY)")
    result = walrow("setup", "-d", server.url(), "--tables", "public.t", code=4)
    assert "wal_level" in result.err and "restart" in result.err
    assert server.sql("SELECT 1 FROM pg_publication") == []


def test_a_role_without_privileges(refused, shop):
    role = shop.create_role("setup_stranger", "LOGIN REPLICATION")
    assert "permission denied" in refused(4, "public.users", url=shop.url(role))


def test_who_keeps_the_slot_waiting_is_named(walrow, shop):
    with shop.connect(autocommit=False) as session:
        session.execute("INSERT INTO users VALUES (1, 'Ada')")
        pid = session.info.backend_pid
        setup = walrow.start("setup", "-d", shop.url(), "--tables", "public.users")
        setup.wait_for(f"pid {pid}")
        assert "INSERT INTO users" in setup.err
        session.commit()
        assert setup.wait().code == 0


def test_a_prepared_transaction_that_keeps_the_slot_waiting_is_named(walrow, shop):
    shop.sql("BEGIN; INSERT INTO users VALUES (1, 'Ada'); PREPARE TRANSACTION 'forgotten'")
    setup = walrow.start("setup", "-d", shop.url(), "--tables", "public.users")
    setup.wait_for("'forgotten'")
    shop.sql("COMMIT PREPARED 'forgotten'")
    assert setup.wait().code == 0


# ---- status


def test_status_of_a_slot(walrow, setup, shop):
    setup("public.users")
    shop.sql("INSERT INTO users SELECT i, '' FROM generate_series(1, 1000) i")
    slot = walrow("status", "-d", shop.url(), "--json", code=0).json["slot"]
    there = shop.slot()
    assert (slot["name"], slot["plugin"], slot["database"], slot["active"]) == ("walrow", "pgoutput", shop.name, False)
    assert slot["confirmed_flush_lsn"] == there["confirmed_flush_lsn"]
    assert slot["restart_lsn"] == there["restart_lsn"]
    assert slot["lag_bytes"] > 10000
    assert slot["retained_bytes"] >= slot["lag_bytes"]
    assert (slot["wal_status"], slot["invalidation_reason"]) == ("reserved", "")


def test_status_of_no_slot(walrow, shop):
    assert "walrow setup" in walrow("status", "-d", shop.url(), code=5).err


# ---- teardown


def test_teardown_takes_back_what_set_up_made(walrow, setup, shop):
    before = objects(shop)
    setup("public.*", "--insert-only", "public.nokey")
    actions = walrow("teardown", "-d", shop.url(), "--yes", "--json", code=0).json["actions"]
    assert [action["done"] for action in actions] == [True, True, True]
    assert objects(shop) == before


def test_teardown_asks_first(walrow, setup, shop):
    setup("public.users")
    assert "--yes" in walrow("teardown", "-d", shop.url(), code=2).err
    assert shop.slot()


def test_a_dry_teardown_only_says_what(walrow, setup, shop):
    setup("public.users")
    out = walrow("teardown", "-d", shop.url(), "--dry-run", code=0).out
    assert "pg_drop_replication_slot" in out and "DROP PUBLICATION" in out
    assert shop.slot()


def test_teardown_leaves_a_publication_of_others(walrow, setup, shop):
    shop.sql("CREATE PUBLICATION walrow FOR TABLE users")
    setup("public.users")
    walrow("teardown", "-d", shop.url(), "--yes", code=0)
    assert shop.slot() is None
    assert published(shop) == ["users"]


def test_teardown_leaves_a_slot_that_is_in_use(walrow, setup, shop):
    setup("public.users")
    with reading(shop) as pid:
        assert str(pid) in walrow("teardown", "-d", shop.url(), "--yes", code=5).err
    assert published(shop) == ["users"]


def test_teardown_of_nothing(walrow, shop):
    walrow("teardown", "-d", shop.url(), "--yes", code=0)


@contextlib.contextmanager
def reading(db):
    """Somebody streams from the slot; gives the pid of the walsender."""
    command = [
        pgbin("pg_recvlogical"), "-d", db.dsn(), "--slot", "walrow", "--start", "-f", "-",
        "-o", "proto_version=1", "-o", "publication_names=walrow",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=clean_environment())
    try:
        yield wait_until(lambda: db.slot()["active_pid"], what="the slot to be active")
    finally:
        process.kill()
        process.wait()
        wait_until(lambda: not db.slot()["active"], what="the slot to be released")
