"""wal2json as a source: the same batches as pgoutput's, wherever what it sends says enough (docs/wal2json.md).

What it cannot say, and so is not done here, or done in a session of its own: a table altered inside a transaction, or
between a change and its being read; NaN and infinities up to 2.5, which sends them as null.
"""

import os

import pytest
from psycopg import sql

from conftest import new_walrow
from edges import TEXT_ONLY, create_types, edges_of
from equality import TEXT, WAL2JSON, WAL2JSON_PULLED, Source, Watch, differences, parse
from oracle import Oracle
from plugin import needs_newer_wal2json, needs_wal2json
from scenarios import SCENARIOS, leave
from streaming import PGOUTPUT_HAS_MESSAGES, Job
from test_equality import SPILL, Seen, assert_same, write_all

BOTH = (TEXT, WAL2JSON)
ALL = (*BOTH, *WAL2JSON_PULLED)
DDL = ("ALTER", "CREATE", "DROP", "VACUUM")
# altered between changes: read before it is altered again
ALTERED = ("identity_changes", "toast_of_odd_types", "partitions_that_change", "ddl_between", "ddl_that_comes_back")
# altered within a transaction, NaN
NOT_THE_SAME = ("ddl_inside", "identity_of_loose_types")


pytestmark = needs_wal2json


@pytest.fixture
def db(arrow_server):
    database = arrow_server.create_database("wal2json")
    yield database
    database.drop()


@pytest.fixture
def job(db, walrow, tmp_path):
    return Job(db, walrow, tmp_path, way="wal2json")


@pytest.fixture
def same(db, walrow, tmp_path):
    """same(before, during): what pgoutput and wal2json say of it is the same, and what test_decoding says."""

    def run(before, during, sources=BOTH):
        db.sql(before)
        watch, oracle = Watch(db, walrow, tmp_path, sources=sources), Oracle(db)
        watch.setup()
        db.sql(during)
        watch.stream()
        assert_same(Seen(watch, oracle))

    return run


# ---- the workloads of the other sources ---------------------------------------------------------------------


def has_no_nan(kind, text):
    is_number = kind in ("real", "double precision", "oid") or kind.startswith("numeric")
    return not is_number or text.lower().lstrip("-") not in ("nan", "infinity")


@needs_newer_wal2json  # 2.3 prints "type":""char""
def test_every_type(db, walrow, tmp_path):
    create_types(db)
    kinds = {f"t{i}": (kind, texts) for i, (kind, texts) in enumerate(edges_of(db).items())}
    for table, (kind, _) in kinds.items():
        db.sql(f"CREATE TABLE {table} (id serial PRIMARY KEY, v {kind}, w {kind}); ALTER TABLE {table} REPLICA IDENTITY FULL")
    watch, oracle = Watch(db, walrow, tmp_path, sources=ALL), Oracle(db)
    watch.setup()
    with db.connect() as connection:
        for table, (kind, texts) in kinds.items():
            write_all(connection, table, kind, [text for text in texts if has_no_nan(kind, text)])
    watch.stream()
    seen = Seen(watch, oracle)
    assert len(seen.first.tables) == len(kinds) and set(TEXT_ONLY) < {kind for kind, _ in kinds.values()}
    assert seen.first.dead_letters
    assert_same(seen)


def play(db, scenario, before_ddl):
    with db.connect() as connection:
        connection.execute(sql.SQL("SET search_path = {0}, zoo").format(sql.Identifier(scenario.name)))
        for step in scenario.during:
            if scenario.name in ALTERED and step.startswith(DDL) and connection.info.transaction_status == 0:
                before_ddl()
            connection.execute(step.replace("{file}", f"{db.server.folder}/copied"))


def without_ddl_within(scenario):
    """identity_changes has one transaction that alters its table."""
    steps = list(scenario.during)
    if scenario.name == "identity_changes":
        begin = steps.index("BEGIN")
        del steps[begin : steps.index("COMMIT") + 1]
        steps[begin:begin] = ["ALTER TABLE t REPLICA IDENTITY USING INDEX by_v", "UPDATE t SET v = 'c'"]
    return type(scenario)(scenario.name, scenario.before, tuple(steps), scenario.inserts_only)


@pytest.fixture(scope="module")
def scenarios(arrow_server, tmp_path_factory):
    db = arrow_server.create_database("wal2json_scenarios")
    db.sql(SPILL.format(db.name))
    create_types(db)
    played = [without_ddl_within(one) for one in SCENARIOS.values() if one.name not in NOT_THE_SAME]
    inserts_only = {f"{one.name}.{table}" for one in played for table in one.inserts_only}
    with db.connect() as connection:
        for scenario in played:
            connection.execute(sql.SQL("CREATE SCHEMA {0}; SET search_path = {0}, zoo").format(sql.Identifier(scenario.name)))
            connection.execute(scenario.before)
    with new_walrow(tmp_path_factory.mktemp("scenarios")) as walrow:
        watch = Watch(db, walrow, walrow.folder, "*.*", ALL, ("--insert-only", ",".join(inserts_only)))
        watch.setup()
        for scenario in played:
            play(db, scenario, watch.stream)
        watch.stream()
        yield watch.read()
    leave(db)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in NOT_THE_SAME])
def test_scenario(scenarios, name):
    pgoutput, *wal2json = (one.of_schema(name) for one in scenarios)
    assert pgoutput.tables
    for one in wal2json:
        assert one.flaws() == []
        assert differences(pgoutput, one) == []


def test_events_are_the_same_but_for_a_message_with_a_nul(scenarios):
    """wal2json takes a message's content for a C string."""
    pgoutput, *wal2json = ([parse(line) for line in one.events] for one in scenarios)
    for events in wal2json:
        different = [(ours, theirs) for theirs, ours in zip(pgoutput, events, strict=True) if ours != theirs]
        assert [(ours["message_content"], theirs["message_content_base64"]) for ours, theirs in different] == [("", "AP8=")] * PGOUTPUT_HAS_MESSAGES


def test_a_database_that_is_not_utf8(arrow_server, walrow, tmp_path):
    db = arrow_server.create_database("wal2json_ascii", "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        db.sql("CREATE TABLE t (id int PRIMARY KEY, v text, a text[])")
        watch = Watch(db, walrow, tmp_path, sources=ALL)
        watch.setup()
        with db.connect() as connection:
            connection.execute("SET client_encoding = 'SQL_ASCII'")
            connection.execute(r"INSERT INTO t VALUES (1, E'caf\351', ARRAY[E'\351', 'b']), (2, E'gr\303\274n', NULL)")
        watch.stream()
        assert watch.read()[0].dead_letters
        assert watch.differences() == []
    finally:
        db.drop()


def test_a_database_in_another_encoding_is_refused(arrow_server, walrow, tmp_path):
    """wal2json's text comes as the database has it."""
    db = arrow_server.create_database("wal2json_latin", "ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        db.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
        job = Job(db, walrow, tmp_path, way="wal2json")
        refused = walrow(*job.arguments("check"), "--plugin", "wal2json", "--json", code=4).json["findings"]
        assert [(one["id"], one["current"]) for one in refused if one["severity"] == "error"] == [("server-encoding", "LATIN1")]
        assert "LATIN1" in walrow(*job.arguments("setup"), "--plugin", "wal2json", code=4).err
        db.sql(f"SELECT pg_create_logical_replication_slot('{job.slot}', 'wal2json')")
        assert "LATIN1" in job.stream(code=4).err
    finally:
        db.drop()


def test_large_values_and_large_transactions(same):
    same(
        "CREATE TABLE t (id int PRIMARY KEY, v text, b bytea)",
        "INSERT INTO t SELECT i, repeat('\"é\\', i), decode(md5(i::text), 'hex') FROM generate_series(1, 500) i;"
        "INSERT INTO t VALUES (0, repeat(E'\"\\n', 2000000), decode(repeat('00ff', 200000), 'hex'))",
        (*ALL, Source("wal2json_in_parts", "wal2json", ("--batch-rows", "100"))),
    )


# ---- tables as they are altered -----------------------------------------------------------------------------


def test_a_dropped_column_is_not_an_unchanged_one(db, job):
    """An update that leaves a value in TOAST and one after DROP COLUMN look the same: today's catalogue tells."""
    db.sql("CREATE TABLE t (id int PRIMARY KEY, big text, n int); ALTER TABLE t ALTER big SET STORAGE EXTERNAL")
    job.setup()
    run = job.start("--batch-delay", "0", to=[f"jsonl:{job.jsonl}"])

    def updated(n):
        db.sql(f"UPDATE t SET n = {n}")
        find = lambda: [one for one in job.events("update") if one["data"].get("n") == n]  # noqa: E731
        run.wait_for(lambda: os.path.exists(job.jsonl) and find(), 60, f"n = {n}")
        return find()[0]

    db.sql("INSERT INTO t VALUES (1, repeat('x', 10000), 0)")
    assert updated(1)["unchanged"] == ["big"]
    assert updated(2)["unchanged"] == ["big"]
    db.sql("ALTER TABLE t DROP big")
    last = updated(3)
    assert last["data"] == {"id": 1, "n": 3} and "unchanged" not in last
    assert run.stop().code == 0


@needs_newer_wal2json  # 2.3 looks for its primary key
def test_a_table_that_was_dropped_before_it_was_read(db, job):
    """The catalogue knows it no more: columns, types and key are what the changes say."""
    db.sql("CREATE TABLE kept (id int); ALTER TABLE kept REPLICA IDENTITY FULL; CREATE TABLE gone (id int PRIMARY KEY, n numeric(8,2), v varchar(5))")
    job.setup()
    db.sql("INSERT INTO gone VALUES (1, 1.5, 'a'); UPDATE gone SET id = 2; DELETE FROM gone; DROP TABLE gone")
    job.stream()
    (file,) = job.files("gone")
    assert (file.metadata["walrow.relid"], file.metadata["walrow.key"]) == ("0", '["id"]')
    kinds = {field.name: field.metadata[b"pg.type"].decode() for field in file.table.schema if field.name in "idnv"}
    assert kinds == {"id": "integer", "n": "numeric(8,2)", "v": "character varying(5)"}
    assert job.ops("gone")[0] == "I"


def test_a_table_that_appears_is_captured_from_its_first_row(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    job.setup()
    db.sql("CREATE TABLE made (id int PRIMARY KEY, v text); INSERT INTO made VALUES (1, 'a')")
    job.stream()
    assert [row["v"] for row in job.rows("made")] == ["a"]


# ---- setting up ---------------------------------------------------------------------------------------------


def test_a_slot_somebody_else_made_needs_no_publication(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    db.sql(f"SELECT pg_create_logical_replication_slot('{job.slot}', 'wal2json')")
    db.sql("INSERT INTO t VALUES (1)")
    job.setup()
    job.stream()
    assert [row["id"] for row in job.rows("t")] == [1]
    assert db.sql("SELECT pubname FROM pg_publication") == []
    result = job.walrow(*job.arguments("check"), "--json")
    assert [one["id"] for one in result.json["findings"] if one["severity"] == "error"] == []


@pytest.mark.parametrize("way", ["pgoutput", "wal2arrow"])
def test_moving_to_another_plugin_in_three_steps(db, job, walrow, tmp_path, way):
    """Those of docs/wal2json.md."""
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text)")
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'a'), (2, 'b'); UPDATE t SET v = 'c' WHERE id = 1")
    job.stream()
    after = Job(db, walrow, tmp_path, "after", way=way)
    after.setup()
    db.sql("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (3, 'd')")
    after.stream()
    walrow("teardown", "-d", db.url(), "-S", job.slot, "--yes", code=0)
    assert (job.ops("t"), after.ops("t")) == ("IIU", "DI")
    assert db.slot(job.slot) is None and db.slot(after.slot) is not None


def test_a_table_without_a_key_is_refused(db, job):
    db.sql("CREATE TABLE t (id int)")
    result = job.walrow(*job.arguments("setup"), "--plugin", "wal2json")
    assert result.code == 7 and "public.t" in result.err
    db.sql("INSERT INTO t VALUES (1)")
    job.setup("--insert-only", "public.t")
    db.sql("INSERT INTO t VALUES (2); UPDATE t SET id = 3; TRUNCATE t; INSERT INTO t VALUES (4)")
    job.stream("--insert-only", "public.t")
    assert [(row["_op"], row["_seq"], row["id"]) for row in job.rows("t")] == [("I", 0, 2), ("I", 1, 4)]


def test_a_snapshot_and_what_follows(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
    job.snapshot()
    db.sql("UPDATE t SET v = 'b'")
    job.stream()
    assert sorted((row["_op"], row["v"]) for row in job.rows("t")) == [("R", "a"), ("U", "b")]


def test_strict_refuses_a_wal2json_that_loses_values(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, f float8)")
    job.setup()
    result = job.walrow(*job.arguments_of_stream("--strict"))
    older = "older than 2.6" in result.err
    assert result.code == (4 if older else 0), result.err


# ---- the plugin's options -----------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["include-lsn=off", "include-xids=off", "include-timestamp=off", "include-schemas=0", "include-transaction=off", "include-type-oids=off", "format-version=1", "numeric-data-types-as-string=0", "surprise=1", "actions"])
def test_options_that_would_make_the_result_wrong_are_refused(job, option):
    result = job.walrow(*job.arguments_of_stream("--plugin-option", option))
    assert result.code == 2 and option.split("=")[0] in result.err


def test_options_are_passed_through(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)")
    job.setup()
    db.sql("INSERT INTO t VALUES (1); UPDATE t SET id = 2; INSERT INTO u VALUES (3)")
    options = ("actions=insert", "filter-tables=public.u", "include-lsn=true", "include-not-null=on", "include-column-positions=on")
    job.stream(*(word for option in options for word in ("--plugin-option", option)))
    assert (job.ops("t"), job.ops("u")) == ("I", "")


@pytest.mark.parametrize(
    "option, says",
    [("include-types=off", "precision and length of columns"), ("include-pk=off", "primary key"), ("include-origin=off", "have no origin"),
     ("include-default=on", "broken JSON")],
)  # fmt: skip
def test_what_goes_with_an_option_is_said(db, job, option, says):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, n numeric(5,2) DEFAULT 7)")
    job.setup()
    db.sql("INSERT INTO t VALUES (1)")
    said = job.stream("--plugin-option", option).err
    assert f"warn: --plugin-option {option}: " in said and says in said
    assert [str(row["n"]) for row in job.rows("t")] == ["7.00"]


def test_filters_of_messages_and_origins(db, job):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    job.setup()
    with db.connect(autocommit=False) as connection:
        connection.execute("SELECT pg_replication_origin_create('elsewhere_wal2json'), pg_replication_origin_session_setup('elsewhere_wal2json')")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.commit()
        ((number,),) = connection.execute("SELECT roident FROM pg_replication_origin WHERE roname = 'elsewhere_wal2json'")
        connection.rollback()
    for prefix in "abc":
        db.sql("SELECT pg_logical_emit_message(true, %s, 'said')", (prefix,))
    db.sql("INSERT INTO t VALUES (2)")
    options = ("add-msg-prefixes=a,b", "filter-msg-prefixes=b", f"filter-origins={number}")
    try:
        job.stream(*(word for option in options for word in ("--plugin-option", option)), to=[f"jsonl:{job.jsonl}"])
        assert [event["message_prefix"] for event in job.events("message")] == ["a"]
        assert [event["data"]["id"] for event in job.events("insert")] == [2]
    finally:
        db.sql("SELECT pg_replication_origin_drop('elsewhere_wal2json')")


def test_types_behind_domains_change_nothing(db, walrow, tmp_path):
    db.sql("CREATE DOMAIN amount AS numeric(8,2); CREATE TABLE t (id int PRIMARY KEY, n amount, ns amount[])")
    watch = Watch(db, walrow, tmp_path, sources=(TEXT, Source("domains", "wal2json", ("--plugin-option", "include-domain-data-type=on"))))
    watch.setup()
    db.sql("INSERT INTO t VALUES (1, 1.5, '{2.25,NULL}'); UPDATE t SET id = 2; DELETE FROM t")
    watch.stream()
    assert watch.differences() == []


def test_defaults_are_read_over_or_an_error_of_wal2json_s(db, job):
    """Up to 2.6 it prints "default":"'a"b'::text"."""
    db.sql("CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 3)")
    job.setup()
    db.sql("INSERT INTO t VALUES (1)")
    job.stream("--plugin-option", "include-default=on")
    db.sql("""CREATE TABLE u (id int PRIMARY KEY, v text DEFAULT 'a"b'); INSERT INTO u VALUES (1)""")
    result = job.walrow(*job.arguments_of_stream("--plugin-option", "include-default=on"))
    assert result.code in (0, 8) and (result.code == 0 or "include-default" in result.err)
    job.stream()
    assert [row["n"] for row in job.rows("t")] + [row["v"] for row in job.rows("u")] == [3, 'a"b']


def test_plugin_options_are_wal2json_s(job):
    result = job.walrow(*job.arguments("stream"), "--plugin", "pgoutput", "--plugin-option", "actions=insert", "--to", "null:")
    assert result.code == 2 and "wal2json" in result.err


def test_types_of_a_schema_that_needs_quotes(db, job):
    """Up to 2.6 wal2json prints "type":"Odd".mood for them, which is not JSON."""
    db.sql("""CREATE SCHEMA "Odd"; CREATE TYPE "Odd".mood AS ENUM ('sad'); CREATE TYPE "Odd"."Mood" AS ENUM ('glad');
           CREATE TABLE t (id int PRIMARY KEY, m "Odd".mood, n numeric(4,1), o "Odd"."Mood")""")
    job.setup()
    db.sql("INSERT INTO t VALUES (1, 'sad', 1.5, 'glad')")
    result = job.walrow(*job.arguments_of_stream())
    assert (result.code == 8 and "include-types=off" in result.err) or (result.code == 0 and "altered" not in result.err)
    job.stream("--plugin-option", "include-types=off")
    assert [(row["m"], str(row["n"]), row["o"]) for row in job.rows("t")] == [("sad", "1.5", "glad")]


def test_a_recording_is_refused(db, job, tmp_path):
    db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    job.setup()
    result = job.walrow("record", tmp_path / "changes.walrow", *job.arguments("record")[1:], "--until", "now")
    assert result.code == 2 and "catalogue" in result.err
    assert not os.path.exists(tmp_path / "changes.walrow")
