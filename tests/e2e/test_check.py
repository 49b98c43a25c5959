"""walrow check: everything that is wrong, at once, with the way out; and how connections fail."""

import contextlib
import json
import re
import subprocess

import pytest

from postgres import clean_environment, pgbin, wait_until

# on a server nothing is wrong with: what set-up will do, and what to know
HARMLESS = {"publication", "slot", "wal-retention"}
# whether wal2arrow would be used: one of these
PLUGIN = {"output-plugin", "output-plugin-libraries"}


@pytest.fixture
def shop(db):
    db.sql("CREATE TABLE users(id int PRIMARY KEY, name text); CREATE TABLE nokey(a int, b text)")
    return db


@pytest.fixture
def check(walrow):
    """check(url, "--tables", ..., code=4): its findings by id; several of one id as a list."""

    def run(url, *args, code=0):
        document = walrow("check", "-d", url, "--json", *args, code=code).json
        assert document["ok"] == (code == 0)
        return Findings(document["findings"])

    return run


@contextlib.contextmanager
def reading(db):
    """Somebody streams from the slot; gives the pid of the walsender."""
    command = [
        pgbin("pg_recvlogical"), "-d", db.dsn(application_name="another reader"), "--slot", "walrow", "--start", "-f", "-",
        "-o", "proto_version=1", "-o", "publication_names=walrow",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=clean_environment())
    try:
        yield wait_until(lambda: db.slot()["active_pid"], what="the slot to be active")
    finally:
        process.kill()
        process.wait()


class Findings(list):
    def ids(self, severity=None):
        return {finding["id"] for finding in self if severity in (None, finding["severity"])}

    def of(self, id):
        return [finding for finding in self if finding["id"] == id]

    def one(self, id):
        (finding,) = self.of(id)
        return finding


def test_a_good_server_has_no_errors(check, shop):
    findings = check(shop.url(), "--tables", "public.users")
    assert findings.ids() - PLUGIN == HARMLESS
    assert len(findings.ids() & PLUGIN) == 1
    assert findings.ids("error") == findings.ids("warning") == set()


def test_a_finding_has_everything(check, shop):
    finding = check(shop.url(), "--tables", "public.nokey", code=4).one("replica-identity")
    assert set(finding) >= {"id", "severity", "object", "message", "current", "required", "fix", "restart"}
    assert finding["severity"] == "error"
    assert finding["object"] == "public.nokey"
    assert finding["restart"] is False


def test_fixes_are_exact_sql(check, shop):
    findings = check(shop.url(), "--tables", "public.nokey", code=4)
    shop.sql(findings.one("replica-identity")["fix"])
    findings = check(shop.url(), "--tables", "public.*")
    shop.sql(findings.one("publication")["fix"])
    shop.sql(findings.one("slot")["fix"])
    assert check(shop.url(), "--tables", "public.*").ids() == {"wal-retention"}


def test_everything_is_found_in_one_pass(check, new_server):
    server = new_server(conf={"wal_level": "replica", "max_replication_slots": 1, "max_wal_senders": 0, "wal_sender_timeout": "2s"})
    server.sql("CREATE TABLE nokey(a int); CREATE ROLE nobody LOGIN")
    server.sql("SELECT pg_create_physical_replication_slot('taken')")
    findings = check(server.url(user="nobody"), "--tables", "public.nokey,public.usres", code=4)
    assert findings.ids("error") == {
        "wal-level", "max-replication-slots", "max-wal-senders", "role-replication", "table-patterns",
        "select-privilege", "replica-identity", "publication-privileges",
    }  # fmt: skip
    assert findings.ids("warning") == {"wal-sender-timeout"}
    level = findings.one("wal-level")
    assert (level["current"], level["required"], level["restart"]) == ("replica", "logical", True)
    assert level["fix"] == "ALTER SYSTEM SET wal_level = 'logical';"
    assert "1 used" in findings.one("max-replication-slots")["current"]
    assert findings.one("role-replication")["fix"] == 'ALTER ROLE "nobody" REPLICATION;'


def test_check_changes_nothing(check, shop):
    check(shop.url(), "--tables", "public.users")
    assert shop.sql("SELECT 1 FROM pg_publication") == []
    assert shop.slot() is None


def test_a_role_that_may_do_nothing_is_told_what_it_needs(check, shop):
    role = shop.create_role("check_stranger")
    findings = check(shop.url(role), "--tables", "public.users", code=4)
    assert findings.ids("error") == {"role-replication", "select-privilege", "publication-privileges"}
    for finding in sorted(findings, key=lambda finding: finding["fix"].startswith("CREATE")):
        if finding["severity"] == "error":
            shop.sql(finding["fix"])  # as an administrator
    findings = check(shop.url(role), "--tables", "public.users")
    assert findings.ids("error") == set()


def test_select_is_only_needed_for_a_snapshot(check, shop):
    role = shop.create_role("check_no_select", "LOGIN REPLICATION")
    shop.sql("CREATE PUBLICATION walrow FOR TABLE users")
    assert "select-privilege" in check(shop.url(role), "--tables", "public.users", code=4).ids("error")


def test_a_standby_is_no_place_for_slots(check, new_server):
    server = new_server()
    server.sql("CREATE TABLE t(id int PRIMARY KEY)")
    server.make_standby()
    assert "standby" in check(server.url(), "--tables", "public.t", code=4).ids("error")


def test_a_pattern_that_matches_nothing_is_wrong_usage(check, shop):
    finding = check(shop.url(), "--tables", "public.usres", code=2).one("table-patterns")
    assert finding["object"] == "public.usres"
    assert "public.users" in finding["fix"]


def test_a_view_that_was_asked_for_is_named(check, shop):
    shop.sql("CREATE VIEW v AS SELECT * FROM users")
    finding = check(shop.url(), "--tables", "public.v,public.users").one("table-not-streamable")
    assert (finding["object"], finding["current"]) == ("public.v", "view")


def test_a_partition_without_identity_counts(check, shop):
    shop.sql("CREATE TABLE m(a int) PARTITION BY LIST (a); CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1)")
    shop.sql("ALTER TABLE m REPLICA IDENTITY FULL")  # which does not reach the partition
    finding = check(shop.url(), "--tables", "public.m", code=4).one("replica-identity")
    assert finding["object"] == "public.m1"


def test_row_security_hides_rows_from_a_snapshot(check, shop):
    role = shop.create_role("check_policed", "LOGIN REPLICATION")
    shop.sql(f"ALTER TABLE users ENABLE ROW LEVEL SECURITY; GRANT SELECT ON users TO {role}")
    shop.sql("CREATE PUBLICATION walrow FOR TABLE users")
    assert check(shop.url(role), "--tables", "public.users").one("row-security")["severity"] == "warning"


def test_an_sql_ascii_database_is_mentioned(check, server):
    database = server.create_database("check_ascii", "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        database.sql("CREATE TABLE t(id int PRIMARY KEY)")
        assert check(database.url()).one("server-encoding")["severity"] == "info"
    finally:
        database.drop()


# ---- the publication


def test_a_missing_publication_is_an_error_only_without_set_up(check, shop):
    assert check(shop.url(), "--tables", "public.users").one("publication")["severity"] == "info"
    findings = check(shop.url(), "--tables", "public.users", "--no-setup", code=4)
    assert findings.ids("error") == {"publication", "slot"}


def test_somebody_elses_publication_must_have_the_tables(check, shop):
    shop.sql("CREATE TABLE more(id int PRIMARY KEY); CREATE PUBLICATION walrow FOR TABLE users")
    finding = check(shop.url(), "--tables", "public.users,public.more", code=4).one("publication")
    assert finding["fix"] == 'ALTER PUBLICATION "walrow" ADD TABLE "public"."more";'


def test_a_publication_that_publishes_less_is_pointed_out(check, shop):
    shop.sql("CREATE PUBLICATION walrow FOR TABLE users WITH (publish = 'insert')")
    finding = check(shop.url(), "--tables", "public.users").one("publication")
    assert finding["severity"] == "warning"
    assert finding["current"].split() == ["insert"]


def test_inserts_need_no_identity(check, shop):
    shop.sql("CREATE PUBLICATION walrow FOR TABLE nokey WITH (publish = 'insert')")
    assert "replica-identity" not in check(shop.url(), "--tables", "public.nokey").ids()


def test_partitions_under_their_own_names_are_an_error(check, shop):
    shop.sql(
        "CREATE TABLE m(a int PRIMARY KEY) PARTITION BY LIST (a); CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1);"
        "CREATE PUBLICATION walrow FOR TABLE m"
    )
    finding = check(shop.url(), "--tables", "public.m", code=4).one("publication")
    shop.sql(finding["fix"])
    assert "publication" not in check(shop.url(), "--tables", "public.m").ids()


def test_filters_are_pointed_out(check, shop):
    shop.sql("CREATE PUBLICATION walrow FOR TABLE users WHERE (id > 10) WITH (publish_via_partition_root = true)")
    assert check(shop.url(), "--tables", "public.users").one("publication")["current"] == "row filter"


def test_a_publication_made_after_the_slot_is_an_error(check, shop):
    shop.sql("SELECT pg_create_logical_replication_slot('walrow', 'pgoutput')")
    assert "older than the slot" in check(shop.url(), "--tables", "public.users", code=4).one("publication")["required"]
    shop.sql("INSERT INTO users VALUES (1)")
    shop.sql("CREATE PUBLICATION walrow FOR TABLE users")
    shop.sql("INSERT INTO users VALUES (2)")
    assert "younger" in check(shop.url(), "--tables", "public.users", code=4).one("publication")["message"]


def test_a_publication_made_before_the_slot_is_none(check, shop):
    shop.sql("CREATE PUBLICATION walrow FOR TABLE users")
    shop.sql("SELECT pg_create_logical_replication_slot('walrow', 'pgoutput')")
    shop.sql("INSERT INTO users VALUES (1)")
    assert check(shop.url(), "--tables", "public.users").ids() == {"wal-retention"}


# ---- the slot


@pytest.fixture
def published(shop):
    shop.sql("CREATE PUBLICATION walrow FOR TABLE users")
    return shop


@pytest.mark.parametrize(
    "sql, words",
    [
        ("SELECT pg_create_logical_replication_slot('walrow', 'test_decoding')", "test_decoding"),
        ("SELECT pg_create_physical_replication_slot('walrow')", "physical"),
        ("SELECT pg_create_logical_replication_slot('walrow', 'pgoutput', false, true)", "two_phase"),
    ],
)
def test_a_slot_that_does_not_fit_is_an_error(check, published, server, sql, words):
    published.sql(sql)
    finding = check(published.url(), "--tables", "public.users", code=4).one("slot")
    assert words in finding["message"]
    published.sql(finding["fix"])
    assert published.slot() is None


def test_a_slot_of_another_database_is_an_error(check, published, server):
    other = server.create_database("check_other")
    try:
        other.sql("SELECT pg_create_logical_replication_slot('walrow', 'pgoutput')")
        assert "check_other" in check(published.url(), "--tables", "public.users", code=4).one("slot")["message"]
    finally:
        other.drop()


def test_an_active_slot_has_a_pid(check, published):
    published.sql("SELECT pg_create_logical_replication_slot('walrow', 'pgoutput')")
    with reading(published) as pid:
        finding = check(published.url(), "--tables", "public.users").one("slot")
    assert finding["severity"] == "warning"
    assert str(pid) in finding["current"] and "another reader" in finding["current"]


def test_an_invalidated_slot_says_why(check, new_server):
    server = new_server(conf={"max_slot_wal_keep_size": "1MB", "min_wal_size": "2MB", "max_wal_size": "2MB"}, initdb=["--wal-segsize=1"])
    server.sql("CREATE TABLE t(id int PRIMARY KEY); CREATE PUBLICATION walrow FOR TABLE t")
    server.sql("SELECT pg_create_logical_replication_slot('walrow', 'pgoutput')")
    for _ in range(6):
        server.sql("CREATE TABLE bulk AS SELECT repeat(md5(i::text), 20) FROM generate_series(1, 3000) i; DROP TABLE bulk")
        server.sql("SELECT pg_switch_wal(); CHECKPOINT")
    finding = check(server.url(), "--tables", "public.t", code=4).one("slot")
    assert "invalidated" in finding["message"] and "wal_removed" in finding["message"]


def test_transactions_a_slot_would_wait_for_are_named(check, published):
    with published.connect(autocommit=False) as session:
        session.execute("INSERT INTO users VALUES (1)")
        session.execute("SELECT pg_sleep(6)")
        pid = session.info.backend_pid
        finding = check(published.url(), "--tables", "public.users").one("running-transactions")
    assert finding["object"] == f"pid {pid}"


# ---- connections


def assert_fails(result, code, what, hint):
    assert result.code == code
    lines = result.err.splitlines()
    assert re.search(what, lines[0]), result.err
    assert lines[1].startswith("hint: ") and re.search(hint, lines[1]), result.err


def test_no_server(walrow, tmp_path):
    result = walrow("check", "-d", f"postgresql://nobody@/x?host={tmp_path}")
    assert_fails(result, 3, "No such file", "is the server up")


def test_unknown_database(walrow, server):
    assert_fails(walrow("check", "-d", server.url("no_such_database")), 3, "no_such_database", "existing database")


def test_unknown_role(walrow, server):
    assert_fails(walrow("check", "-d", server.url(user="no_such_role")), 3, "no_such_role", "user must exist")


def test_wrong_password(walrow, new_server):
    server = new_server(hba=["local all locked scram-sha-256"])
    server.sql("CREATE ROLE locked LOGIN PASSWORD 'right'")
    result = walrow("check", "-d", server.url(user="locked", password="wrong-secret"))
    assert_fails(result, 3, "password authentication failed", "check the password")
    assert "wrong-secret" not in result.err
    assert_fails(walrow("check", "-d", server.url(user="locked")), 3, "password", "PGPASSWORD")
    assert walrow("tables", "-d", server.url(user="locked"), env={"PGPASSWORD": "right"}).code == 0


def test_refused_by_pg_hba(walrow, new_server):
    server = new_server(hba=["local all barred reject"])
    server.sql("CREATE ROLE barred LOGIN")
    assert_fails(walrow("check", "-d", server.url(user="barred")), 3, "pg_hba.conf", "pg_hba.conf")


def test_a_malformed_source_keeps_its_password_to_itself(walrow):
    result = walrow("check", "-d", "postgrsql://me:s3cret@host/db", "--log-level", "debug")
    assert_fails(result, 2, "--source", "postgresql://")
    assert "s3cret" not in result.err


def test_a_host_that_swallows_packets_times_out(walrow):
    result = walrow("check", "-d", "postgresql://me@192.0.2.1/db", "--connect-timeout", "1")
    assert result.code == 3


def test_errors_as_json_lines(walrow, server):
    result = walrow("check", "-d", server.url("no_such_database"), "--log-format", "json", code=3)
    error = json.loads(result.err.splitlines()[-1])
    assert (error["level"], error["code"], error["sqlstate"]) == ("error", "ERR_CONNECT", "3D000")
