"""--plugin auto|wal2arrow|pgoutput: which one a slot is made for, and what is said when that cannot be."""

import os
import shutil
import subprocess

import pytest

from plugin import knows_plugin_list, plugin_conf
from postgres import Postgres, pgbin
from readers import read_ipc
from test_bad_input import assert_refused
from test_check import check  # noqa: F401

TRUSTED = "pgoutput, test_decoding"


@pytest.fixture
def shop(db):
    db.sql("CREATE TABLE items (id int PRIMARY KEY, name text); INSERT INTO items VALUES (1, 'one')")
    return db


@pytest.fixture
def guarded():
    """The server refuses output plugins that it does not trust (15.19, 16.15, 17.11, 18.6 and newer)."""
    if not knows_plugin_list():
        pytest.skip("this server does not know output_plugin_libraries")


@pytest.fixture(scope="module")
def trusting_server():
    """It would load wal2arrow, if it had it: an administrator has followed the advice of check."""
    with Postgres(conf={"output_plugin_libraries": f"{TRUSTED}, wal2arrow"} if knows_plugin_list() else None) as server:
        yield server


@pytest.fixture
def trusting(trusting_server):
    db = trusting_server.create_database("trusting")
    db.sql("CREATE TABLE items (id int PRIMARY KEY, name text); INSERT INTO items VALUES (1, 'one')")
    yield db
    db.drop()


def arguments(command, db, *more, slot="s", **connection):
    words = [command, "-d", db.url(**connection), "--tables", "public.items", "-S", f"{slot}_{db_name(db)}"]
    return [*words, *more]


def db_name(db):
    return getattr(db, "name", "postgres")


def plugin_of(db, slot="s"):
    rows = db.sql("SELECT plugin FROM pg_replication_slots WHERE slot_name = %s", (f"{slot}_{db_name(db)}",))
    return rows[0][0] if rows else None


def nothing_left(db):
    return db.sql("SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE 'walrow_probe%%'") == []


# ---- a server without it


def test_auto_takes_pgoutput_where_wal2arrow_is_not(trusting, walrow):
    result = walrow(*arguments("stream", trusting, "--to", "null:", "--until", "now"), code=0)
    assert "wal2arrow is not installed on the server: pgoutput is used" in result.err
    assert plugin_of(trusting) == "pgoutput"
    assert nothing_left(trusting)


def test_what_is_not_installed_cannot_be_asked_for(trusting, walrow):
    for command in ("stream", "setup"):
        more = ["--to", "null:"] if command == "stream" else []
        result = walrow(*arguments(command, trusting, "--plugin", "wal2arrow", *more))
        assert_refused(result, 4, "wal2arrow is not installed", "--plugin")
    assert trusting.sql("SELECT 1 FROM pg_publication") == []  # refused before anything was made
    assert trusting.sql("SELECT 1 FROM pg_replication_slots") == []


def test_check_says_that_it_is_not_installed(trusting, walrow, check):  # noqa: F811
    finding = check(trusting.url(), "--tables", "public.items").one("output-plugin")
    assert (finding["severity"], finding["object"], finding["current"]) == ("info", "wal2arrow", "not installed")
    assert "pgoutput is used" in finding["message"]
    finding = check(trusting.url(), "--tables", "public.items", "--plugin", "wal2arrow", code=4).one("output-plugin")
    assert (finding["severity"], finding["required"], finding["restart"]) == ("error", "installed", False)
    assert "install-plugin" in finding["fix"]
    text = walrow("check", "-d", trusting.url(), "--tables", "public.items").out
    assert "info     output-plugin wal2arrow: wal2arrow is not installed on the server: pgoutput is used" in text


def test_a_transaction_that_runs_does_not_hold_up_the_question(trusting, walrow):
    """The probe loads the library, and does not wait for what a slot waits for."""
    with trusting.connect(autocommit=False) as session:
        session.execute("INSERT INTO items VALUES (2)")
        session.execute("SELECT txid_current()")
        result = walrow(*arguments("setup", trusting, "--dry-run"), code=0)
    assert "'pgoutput'" in result.out


# ---- a server that does not trust it


def test_auto_takes_pgoutput_where_wal2arrow_is_not_trusted(guarded, shop, walrow):
    result = walrow(*arguments("stream", shop, "--to", "null:", "--until", "now"), code=0)
    assert "output_plugin_libraries does not name it: pgoutput is used" in result.err
    assert plugin_of(shop) == "pgoutput"


def test_what_is_not_trusted_cannot_be_asked_for(guarded, shop, walrow):
    result = walrow(*arguments("setup", shop, "--plugin", "wal2arrow"))
    assert_refused(result, 4, "output_plugin_libraries", "walrow check")
    assert plugin_of(shop) is None


def test_check_prints_the_line_that_makes_it_trusted(guarded, new_server, check):  # noqa: F811
    server = new_server()
    server.sql("CREATE TABLE items (id int PRIMARY KEY)")
    tables = ("--tables", "public.items")
    finding = check(server.url(), *tables).one("output-plugin-libraries")
    assert (finding["severity"], finding["object"], finding["current"]) == ("info", "wal2arrow", TRUSTED)
    finding = check(server.url(), *tables, "--plugin", "wal2arrow", code=4).one("output-plugin-libraries")
    assert (finding["severity"], finding["restart"]) == ("error", False)
    assert finding["fix"] == f"ALTER SYSTEM SET output_plugin_libraries = {TRUSTED}, wal2arrow; SELECT pg_reload_conf();"
    for statement in finding["fix"].split(";")[:2]:
        server.sql(statement)
    server.wait_for_setting("output_plugin_libraries", f"{TRUSTED}, wal2arrow")  # a reload was enough
    findings = check(server.url(), *tables, "--plugin", "wal2arrow", code=4)
    assert findings.of("output-plugin-libraries") == []
    assert findings.one("output-plugin")["current"] == "not installed"


def test_a_role_that_may_not_see_the_setting_is_told_too(guarded, shop, check):  # noqa: F811
    role = shop.create_role(f"unprivileged_{shop.name}", "LOGIN REPLICATION")
    shop.sql(f"GRANT SELECT ON items TO {role}; CREATE PUBLICATION walrow FOR TABLE items")
    findings = check(shop.url(role), "--tables", "public.items", "--plugin", "wal2arrow", code=4)
    finding = findings.one("output-plugin-libraries")
    assert (finding["severity"], finding["current"]) == ("error", "not shown to this role")
    assert "administrator" in finding["fix"]
    assert check(shop.url(role), "--tables", "public.items").ids("error") == set()


def test_pgoutput_may_have_been_taken_off_the_list(guarded, new_server, walrow, check):  # noqa: F811
    server = new_server(conf={"output_plugin_libraries": "test_decoding"})
    server.sql("CREATE TABLE items (id int PRIMARY KEY)")
    assert_refused(walrow(*arguments("setup", server)), 4, "does not trust pgoutput")
    assert server.sql("SELECT 1 FROM pg_publication") == []
    findings = check(server.url(), "--tables", "public.items", code=4).of("output-plugin-libraries")
    assert {finding["object"]: finding["severity"] for finding in findings} == {"wal2arrow": "info", "pgoutput": "error"}


# ---- what walrow does not read


def test_a_slot_of_a_plugin_that_walrow_does_not_read(shop, walrow):
    shop.sql("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", (f"s_{shop.name}",))
    assert_refused(walrow(*arguments("setup", shop)), 5, "test_decoding, which walrow does not read", "--slot")


# ---- a server that has it


@pytest.fixture
def arrow(arrow_server):
    """A database there, with a table."""
    db = arrow_server.create_database("plugin_choice")
    db.sql("CREATE TABLE items (id int PRIMARY KEY, name text); INSERT INTO items VALUES (1, 'one')")
    yield db
    db.drop()


def test_auto_takes_wal2arrow_where_it_is(arrow, walrow, tmp_path):
    run = arguments("stream", arrow, "--until", "now", "--to", f"ipc:{tmp_path / 'lake'}")
    walrow(*run, code=0)
    arrow.sql("INSERT INTO items VALUES (2, 'two')")
    walrow(*run, code=0)
    assert plugin_of(arrow) == "wal2arrow"
    assert [(row["_op"], row["id"]) for row in read_ipc(tmp_path / "lake").rows("public.items")] == [("R", 1), ("I", 2)]
    assert nothing_left(arrow)


def test_any_role_that_may_replicate_can_ask_for_it(arrow, walrow):
    role = arrow.create_role("plugin_replicator", "LOGIN REPLICATION")
    arrow.sql(f"GRANT SELECT ON items TO {role}; CREATE PUBLICATION walrow FOR TABLE items")
    walrow(*arguments("stream", arrow, "--to", "null:", "--until", "now", user=role), code=0)
    assert plugin_of(arrow) == "wal2arrow"


def test_setup_and_check_say_what_it_will_be(arrow, walrow, check):  # noqa: F811
    assert "pg_create_logical_replication_slot('s_plugin_choice', 'wal2arrow')" in walrow(*arguments("setup", arrow, "-n"), code=0).out
    finding = check(arrow.url(), "--tables", "public.items").one("output-plugin")
    assert (finding["severity"], finding["current"], finding["fix"]) == ("info", "installed", "")
    text = walrow("check", "-d", arrow.url(), "--tables", "public.items").out
    assert "info     output-plugin wal2arrow: wal2arrow is installed on the server, and used\n" in text
    walrow(*arguments("setup", arrow), code=0)
    assert plugin_of(arrow) == "wal2arrow"
    assert "wal2arrow" in walrow(*arguments("status", arrow)[:3], "-S", "s_plugin_choice", code=0).out


def test_a_slot_keeps_its_plugin(arrow, walrow, tmp_path):
    for plugin in ("pgoutput", "wal2arrow"):
        folder = tmp_path / plugin
        walrow(*arguments("setup", arrow, "--plugin", plugin, slot=plugin), code=0)
        walrow(*arguments("stream", arrow, "--until", "now", "--to", f"ipc:{folder}", slot=plugin), code=0)
        assert plugin_of(arrow, plugin) == plugin
        assert len(read_ipc(folder).rows("public.items")) == 1


def test_another_plugin_than_the_slots_is_refused(arrow, walrow, check):  # noqa: F811
    walrow(*arguments("setup", arrow, "--plugin", "pgoutput"), code=0)
    for command, more in (("setup", []), ("stream", ["--to", "null:"])):
        refused = walrow(*arguments(command, arrow, "--plugin", "wal2arrow", *more))
        assert_refused(refused, 5, "made for the plugin pgoutput, not wal2arrow", "leave out --plugin")
    finding = check(*arguments("check", arrow, "--plugin", "wal2arrow")[2:], code=4).one("slot")
    assert (finding["severity"], finding["fix"]) == ("error", "leave out --plugin")
    assert plugin_of(arrow) == "pgoutput"


@pytest.mark.parametrize("special, words", [("items WHERE (id > 1)", "row filters"), ("items (id)", "column lists")])
def test_publications_of_parts_of_tables_take_pgoutput(arrow, walrow, check, special, words):  # noqa: F811
    arrow.sql(f"CREATE PUBLICATION walrow FOR TABLE {special}")
    finding = check(arrow.url(), "--tables", "public.items").one("output-plugin")
    assert finding["severity"] == "info" and words in finding["message"] and "pgoutput is used" in finding["message"]
    asked = arguments("setup", arrow, "--plugin", "wal2arrow")
    assert_refused(walrow(*asked), 6, words, "pgoutput")
    walrow(*arguments("setup", arrow), code=0)
    assert plugin_of(arrow) == "pgoutput"


def test_a_filter_that_comes_later_ends_the_stream_with_the_way_out(arrow, walrow):
    arrow.sql("CREATE PUBLICATION walrow FOR TABLE items")
    stream = arguments("stream", arrow, "--to", "null:", "--until", "now", "--snapshot", "never")
    walrow(*stream, code=0)
    arrow.sql("ALTER PUBLICATION walrow SET TABLE items WHERE (id > 1)")
    arrow.sql("INSERT INTO items VALUES (2, 'two')")
    assert_refused(walrow(*stream), 6, "row filter", "wal2arrow", "--publication")


def test_a_slot_whose_plugin_is_gone(new_server, walrow, check):  # noqa: F811
    server = new_server(conf=plugin_conf())
    server.sql("CREATE TABLE items (id int PRIMARY KEY)")
    walrow(*arguments("setup", server), code=0)
    server.configure(dynamic_library_path="$libdir")
    server.wait_for_setting("dynamic_library_path", "$libdir")
    assert_refused(walrow(*arguments("stream", server, "--to", "null:")), 4, "wal2arrow", "install-plugin")
    finding = check(*arguments("check", server)[2:], code=4).one("output-plugin")
    assert (finding["severity"], finding["current"]) == ("error", "not installed")


def test_a_plugin_that_was_built_for_another_server(new_server, walrow, check, tmp_path):  # noqa: F811
    """Here: a library that is no output plugin at all."""
    server = new_server()
    folder = os.path.join(server.folder, "broken")
    os.mkdir(folder)
    libraries = subprocess.run([pgbin("pg_config"), "--pkglibdir"], capture_output=True, text=True, check=True).stdout.strip()
    shutil.copy(os.path.join(libraries, "plpgsql.so"), os.path.join(folder, "wal2arrow.so"))
    server.configure(**plugin_conf(dynamic_library_path=f"{folder}:$libdir"))
    server.wait_for_setting("dynamic_library_path", f"{folder}:$libdir")
    server.sql("CREATE TABLE items (id int PRIMARY KEY)")
    finding = check(server.url(), "--tables", "public.items").one("output-plugin")
    assert (finding["severity"], finding["current"]) == ("info", "cannot be loaded")
    assert_refused(walrow(*arguments("setup", server, "--plugin", "wal2arrow")), 4, "cannot load wal2arrow", "--plugin")
    walrow(*arguments("setup", server), code=0)
    assert plugin_of(server) == "pgoutput"


def test_a_publication_that_is_younger_than_the_slot(arrow, walrow):
    arrow.sql("SELECT pg_create_logical_replication_slot('s_plugin_choice', 'wal2arrow')")
    arrow.sql("INSERT INTO items VALUES (2, 'two'); CREATE PUBLICATION walrow FOR TABLE items; INSERT INTO items VALUES (3, 'three')")
    assert_refused(walrow(*arguments("stream", arrow, "--to", "null:")), 6, "younger", "teardown")
