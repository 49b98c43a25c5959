"""kafka://…: what a consumer reads from a real broker, whatever happens to either side."""

import itertools
import os
import signal
import struct
import urllib.parse

import confluent_kafka
import pyarrow as pa
import pytest

import workload
from broker import PASSWORD, Kafka
from conftest import ROOT
from command import Walrow
from postgres import wait_until
from queries import NEVER, TABLES, Writer, end_windows, source_totals, totals
from streaming import replay, source_rows

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text)"
ROWS = "INSERT INTO t SELECT i, repeat('v', 50) || i FROM generate_series({}, {}) i"
QUICK = "timeout_s=2"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server_of_topics():
    with Kafka() as kafka:
        yield kafka


@pytest.fixture
def broker(server_of_topics):
    """One for all tests, which a test may break."""
    yield server_of_topics
    server_of_topics.mend()


class Topics:
    """A job's topics of a broker."""

    def __init__(self, job, kafka):
        self.job, self.kafka = job, kafka
        self.prefix = f"p{next(_numbers)}"

    def uri(self, *params):
        return self.kafka.uri(self.prefix, "?" + "&".join(params) if params else "")

    def run(self, *args, params=(), also=(), **kwargs):
        kwargs = {"snapshot": "initial", **kwargs}
        done = self.job.stream(*args, to=[self.uri(*params), *also], **kwargs)
        self.kafka.settle(self.prefix)
        return done

    def start(self, *args, params=(), also=(), **kwargs):
        kwargs = {"snapshot": "initial", **kwargs}
        return self.job.start(*args, to=[self.uri(*params), *also], **kwargs)

    def crash(self, point, *args, params=(), **kwargs):
        """Run until it kills itself there: "before-kafka-commit:2" at the second passing."""
        binary = os.environ.get("WALROW_CAMPAIGN_BIN") or os.path.join(ROOT, "build-campaign", "walrow")
        crashing = Walrow(binary, self.job.walrow.folder)
        words = self.job.arguments_of_stream(*args, to=[self.uri(*params)], snapshot="initial", **kwargs)
        crashing(*words, env={"WALROW_CRASH": point}, code=-signal.SIGKILL)

    def records(self, table="t", **kwargs):
        name = table if "." in table else f"public.{table}"
        return self.kafka.records(f"{self.prefix}.{name}", **kwargs)

    def values(self, table="t", **kwargs):
        return [record.value for record in self.records(table, **kwargs)]

    def ids(self, table="t", **kwargs):
        return [value["data"]["id"] for value in self.values(table, **kwargs)]


@pytest.fixture
def topics(job, broker):
    return Topics(job, broker)


def positions(events):
    return [(event["lsn"], event["seq"]) for event in events]


# ---- formats --------------------------------------------------------------------------------------------------


def test_json_is_the_events_of_each_table_in_order(db, job, topics):
    db.sql(workload.TABLES)
    job.setup("--insert-only", "public.nothing")
    also = [f"jsonl:{job.jsonl}"]
    topics.run(also=also)
    for seed, size in ((1, 40), (2, 65536)):  # several change sets, and one
        workload.Workload(seed).run(db, 60)
        db.sql("SELECT pg_logical_emit_message(false, 'lone', 'one')")
        topics.run("--batch-rows", size, also=also)
    events = job.events("insert", "update", "delete", "truncate", "read")
    for table in workload.CAPTURED:
        assert topics.values(table) == [event for event in events if event["table"] == table], table
    for record in topics.records("byindex"):
        assert record.key == record.value["key_data"]
    assert topics.values("walrow.messages") == job.events("message")


def test_results_of_queries_are_there_once(db, job, topics):
    db.sql(TABLES)
    job.setup()
    query = "by_status=SELECT status, count(*) AS n, sum(total * 100)::bigint AS total FROM public.orders GROUP BY ALL"
    words = ["--sql", query, "--window", "150ms", "--ack-interval", "20"]
    with Writer(db):
        for _ in range(3):
            run = topics.start(*words, snapshot="never", env=NEVER)
            end_windows(db, 1000)
            run.kill()
            wait_until(lambda: not db.slot(job.slot)["active"], what="the slot to be free")
    end_windows(db, 1000)
    topics.run(*words, snapshot="never", env=NEVER)
    rows = [record.value["data"] for record in topics.records("sql.by_status")]
    assert totals(rows) == {status: (n, total * 100) for status, (n, total) in source_totals(db).items()}
    assert len({(row["window_start"], row["status"]) for row in rows}) == len(rows)
    assert {record.key for record in topics.records("sql.by_status")} == {None}


def envelope_changes(values):
    """As replay() wants them."""
    for value in values:
        old = value["before"] if value["op"] == "u" else None
        yield value["op"].upper().replace("C", "I"), value["after"] or value["before"], old, None


def test_debezium_envelopes_make_the_table_that_is_at_the_source(db, topics):
    db.sql(TABLE)
    db.sql("CREATE TABLE f (id int PRIMARY KEY, v text, n numeric(9,2)); ALTER TABLE f REPLICA IDENTITY FULL")
    db.sql(ROWS.format(1, 5))
    form = ["format=debezium-json"]
    topics.run(params=form)
    db.sql("INSERT INTO t VALUES (6, 'six'); UPDATE t SET v = NULL WHERE id = 2; DELETE FROM t WHERE id = 3")
    db.sql("UPDATE t SET id = 40 WHERE id = 4")
    db.sql("INSERT INTO f VALUES (1, 'a', 1.50); UPDATE f SET v = 'b'; DELETE FROM f; INSERT INTO f VALUES (2, 'z', 0)")
    topics.run(params=form)
    for table in ("t", "f"):
        values = topics.values(table)
        assert replay(envelope_changes(values)) == source_rows(db, table), table
        assert {v["source"]["table"] for v in values} == {table}
    ops = [v["op"] for v in topics.values("t")]
    assert ops == ["r"] * 5 + ["c", "u", "d", "d", "c"]
    moved = topics.records("t")[-2:]  # a change of key is the end of one and the beginning of another
    assert [record.key for record in moved] == [{"id": 4}, {"id": 40}]
    updated = topics.values("f")[1]
    assert (updated["before"], updated["after"]) == ({"id": 1, "v": "a", "n": 1.5}, {"id": 1, "v": "b", "n": 1.5})
    source = updated["source"]
    assert source["lsn"] > 0 and source["txId"] > 0 and source["ts_ms"] <= updated["ts_ms"]
    assert (source["db"], source["schema"], source["snapshot"]) == (db.name, "public", "false")


def test_debezium_has_truncates_and_tombstones_only_if_asked(db, new_job, broker):
    db.sql(TABLE)
    jobs = {name: Topics(new_job(name), broker) for name in ("without", "with")}
    params = {"without": ["format=debezium-json"], "with": ["format=debezium-json", "truncates=on", "tombstones=on"]}
    for name, topics in jobs.items():
        topics.run(params=params[name])
    db.sql("INSERT INTO t VALUES (1, 'a'); DELETE FROM t; TRUNCATE t")
    assert "public.t was truncated" in jobs["without"].run(params=params["without"]).err
    jobs["with"].run(params=params["with"])
    assert [value["op"] for value in jobs["without"].values()] == ["c", "d"]
    assert [value and value["op"] for value in jobs["with"].values()] == ["c", "d", None, "t"]
    assert [record.key for record in jobs["with"].records()] == [{"id": 1}] * 3 + [None]


def arrow_tables(records):
    return [pa.ipc.open_stream(record.bytes).read_all() for record in records]


def test_arrow_is_the_batches_of_each_change_set(db, job, topics):
    db.sql(workload.TABLES)
    job.setup("--insert-only", "public.nothing")
    also = [f"ipc:{job.ipc}"]
    form = ["format=arrow", "message.max.bytes=20000"]
    topics.run(params=form, also=also)
    workload.Workload(3).run(db, 120)
    db.sql("INSERT INTO plain SELECT i, 'x', 1 FROM generate_series(100000, 105000) i")  # more than a message has
    topics.run(params=form, also=also)
    for table in workload.CAPTURED:
        records = topics.records(table)
        assert {record.key_bytes.decode() for record in records} <= {f"public.{table}"}
        assert pa.concat_tables(arrow_tables(records)).to_pylist() == job.rows(table), table
    assert max(len(record.bytes) for record in topics.records("plain")) <= 20000
    assert len(topics.records("plain")) > 10


def test_values_no_column_can_hold_are_in_a_topic_of_their_own(db, topics):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, n numeric(9,2)); INSERT INTO t VALUES (1, 'NaN')")
    topics.run()
    db.sql("INSERT INTO t VALUES (2, 'NaN')")
    topics.run()
    letters = topics.values("walrow.dead_letters")
    assert [(letter["table"], letter["column"], letter["op"], letter["text"]) for letter in letters] == [
        ("t", "n", "R", "NaN"), ("t", "n", "I", "NaN")]  # fmt: skip
    assert topics.ids() == [1, 2]


# ---- topics and keys ------------------------------------------------------------------------------------------


def murmur2_partition(key, partitions):
    """Where Java's DefaultPartitioner puts it: toPositive(murmur2(key)) % partitions."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(key)) & mask
    whole = len(key) // 4 * 4
    for (k,) in struct.iter_unpack("<I", key[:whole]):
        k = k * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if len(key) > whole:
        h = (h ^ int.from_bytes(key[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return ((h ^ h >> 15) & 0x7FFFFFFF) % partitions


def test_keys_are_in_the_partitions_of_javas_producer_and_in_order(db, topics):
    db.sql(TABLE)
    topics.run()
    db.sql(ROWS.format(1, 100))
    db.sql("UPDATE t SET v = v || 'x'; DELETE FROM t WHERE id % 2 = 0")
    topics.run(params=["partitions=5"])
    records = topics.records()
    assert {record.partition for record in records} == set(range(5))
    for record in records:
        assert record.partition == murmur2_partition(record.key_bytes, 5)
    for key in {record.key_bytes for record in records}:
        of_key = [r.value["event_type"] for r in records if r.key_bytes == key]
        assert of_key == ["insert", "update", "delete"][: len(of_key)]


def test_topics_have_the_names_that_are_asked_for(db, job, topics):
    db.sql('CREATE TABLE a_b (id int PRIMARY KEY); CREATE TABLE "a b" (id int PRIMARY KEY);'
           'CREATE TABLE "a.b" (id int PRIMARY KEY); CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY)')  # fmt: skip
    job.tables = "public.*,s.*"
    topics.run(params=["topic=x.{prefix}-{table}_{schema}"])
    for number, table in enumerate(('a_b', '"a b"', '"a.b"', "s.t")):
        db.sql(f"INSERT INTO {table} VALUES ({number})")
    topics.run(params=["topic=x.{prefix}-{table}_{schema}"])
    names = topics.kafka.topics("x." + topics.prefix)
    assert len(names) == 4  # of tables whose names Kafka cannot tell apart, too
    assert {f"x.{topics.prefix}-a_b_public", f"x.{topics.prefix}-t_s"} < set(names)
    assert sorted(r.value["data"]["id"] for name in names for r in topics.kafka.records(name)) == [0, 1, 2, 3]


def test_topics_that_are_there_are_left_as_they_are(db, topics):
    db.sql(TABLE)
    db.sql(ROWS.format(1, 10))
    topics.kafka.create_topic(f"{topics.prefix}.public.t", partitions=3, retention_ms=123456)
    topics.run(params=["partitions=7"])
    assert topics.kafka.topic_config(f"{topics.prefix}.public.t", "retention.ms") == "123456"
    assert topics.kafka.topic_config(f"{topics.prefix}.walrow.position", "cleanup.policy") == "compact"
    assert {record.partition for record in topics.records()} <= {0, 1, 2}
    assert sorted(topics.ids()) == list(range(1, 11))


# ---- exactly once ---------------------------------------------------------------------------------------------


def test_restarts_go_on_where_the_last_one_was(db, topics):
    db.sql(TABLE)
    db.sql(ROWS.format(1, 50))
    topics.run()
    for i in range(3):
        db.sql(ROWS.format(100 * i + 51, 100 * i + 150))
        topics.run("--batch-rows", 7)
    assert topics.ids() == list(range(1, 351))


@pytest.mark.parametrize("point", ["before-kafka-commit:{}", "after-kafka-commit:{}"])
def test_a_crash_beside_a_commit_loses_and_doubles_nothing(db, topics, point):
    db.sql(TABLE)
    db.sql(ROWS.format(1, 100))
    topics.crash(point.format(2))  # the first is of an empty position: this is the snapshot's
    assert topics.ids() in ([], list(range(1, 101)))  # as a whole, or not at all
    topics.run()
    for i in range(1, 4):
        for row in range(5):
            db.sql(ROWS.format(*[100 * i + row + 1] * 2))
        topics.crash(point.format(1), "--batch-rows", 1, "--ack-interval", 1)
    topics.run()
    assert topics.ids() == [*range(1, 101), *(100 * i + row for i in range(1, 4) for row in range(1, 6))]
    everything = topics.ids(isolation="read_uncommitted")
    assert len(everything) >= len(topics.ids())


def test_a_transaction_in_parts_is_seen_as_a_whole(db, topics):
    db.sql(TABLE)
    topics.run()
    run = topics.start("--batch-rows", "100", "--ack-interval", "10", params=["linger.ms=0"])
    with db.connect(autocommit=False) as connection:
        connection.execute(ROWS.format(1, 50_000))
        connection.commit()
    run.wait_for(lambda: topics.kafka.topics(f"{topics.prefix}.public.t"), what="the topic")
    seen = set()

    def all_there():
        seen.add(len(topics.ids()))
        return 50_000 in seen

    run.wait_for(all_there, what="the transaction")
    run.stop()
    assert seen <= {0, 50_000}
    assert topics.ids() == list(range(1, 50_001))


def test_killed_at_any_moment_it_goes_on_exactly_once(db, topics):
    db.sql(TABLE)
    db.sql(ROWS.format(1, 20_000))
    top = 20_000
    for count in (1, 10_000, 2500):  # more in the topic, committed or not, when it is killed
        before = len(topics.records(isolation="read_uncommitted"))
        run = topics.start("--batch-rows", "500", "--ack-interval", "20", params=["linger.ms=0"])
        db.sql(ROWS.format(top + 1, top + 3000))
        top += 3000

        def enough():
            return len(topics.records(isolation="read_uncommitted")) >= before + count or len(topics.ids()) == top

        run.wait_for(enough, what=f"{count} records")
        run.kill()
        ids = topics.ids()
        assert ids == list(range(1, len(ids) + 1))
        wait_until(lambda: not (db.slot(topics.job.slot) or {}).get("active"), what="the slot to be free")
    topics.run()
    assert topics.ids() == list(range(1, top + 1))


def test_at_least_once_loses_nothing(db, topics):
    db.sql(TABLE)
    db.sql(ROWS.format(1, 100))
    form = ["exactly_once=off"]
    topics.run(params=form)
    run = topics.start("--batch-rows", "10", "--ack-interval", "60000", params=form)
    for i in range(101, 201):
        db.sql(ROWS.format(i, i))
    run.wait_for(lambda: len(topics.ids()) == 200, what="rows nobody has acknowledged")  # at once, too
    run.kill()
    wait_until(lambda: not db.slot(topics.job.slot)["active"], what="the slot to be free")
    topics.run(params=form)
    ids = topics.ids()
    assert ids[:200] == list(range(1, 201)) and set(ids) == set(range(1, 201))
    topics.run(params=form)
    assert topics.ids() == ids  # the position is there


def test_positions_belong_to_a_slot(db, new_job, broker):
    db.sql(TABLE)
    first, second = Topics(new_job("first"), broker), Topics(new_job("second"), broker)
    second.prefix = first.prefix
    first.run()
    failed = second.run(code=10)
    assert f"{first.prefix}\" belongs to system" in failed.err and 'slot "first' in failed.err
    db.sql(ROWS.format(1, 1))
    first.run()
    assert first.ids() == [1]


# ---- trouble --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("buffer", ["off", "on"])
def test_a_broker_that_is_down_is_waited_for(db, job, topics, broker, buffer):
    """By the other sinks, too, if there is nothing between them; none of them misses or doubles anything."""
    db.sql(TABLE)
    words = ["--ack-interval", "100", "--buffer", buffer]
    run = topics.start(*words, params=[QUICK], also=[f"jsonl:{job.jsonl}"])
    db.sql(ROWS.format(1, 10))
    run.wait_for(lambda: topics.ids() == list(range(1, 11)), what="the first rows")
    broker.stop()
    db.sql(ROWS.format(11, 20))
    run.wait_for("did not answer for 2 s")
    run.wait_for("trying again")
    db.sql(ROWS.format(21, 30))
    broker.mend()
    run.wait_for(lambda: len(topics.ids()) >= 30, timeout=120, what="the rest of the rows")
    db.sql(ROWS.format(31, 40))
    run.wait_for(lambda: len(topics.ids()) >= 40, what="new rows")
    assert run.stop().code == 0
    assert topics.ids() == list(range(1, 41))
    assert [event["data"]["id"] for event in job.events("insert", "read")] == list(range(1, 41))


def test_a_broker_that_is_not_there_at_all_is_given_up_when_told_to(db, topics):
    db.sql(TABLE)
    failed = topics.job.stream("--retry-max", "1", to=["kafka://127.0.0.1:1/x?timeout_s=1"], code=9)
    assert "Kafka at 127.0.0.1:1 did not answer for 1 s" in failed.err
    assert "Connection refused" in failed.err and "given up after 2 failures" in failed.err


def test_stopped_while_the_broker_is_down_it_says_what_is_missing(db, topics, broker):
    db.sql(TABLE)
    topics.run()
    run = topics.start("--ack-interval", "100", params=[QUICK])
    run.wait_for("changes are pushed")
    broker.freeze()
    db.sql(ROWS.format(1, 10))
    run.wait_for("trying again")
    stopped = run.stop()
    broker.mend()
    assert stopped.code in (0, 9)  # 0: between two tries there is nothing half done
    topics.run()
    assert topics.ids() == list(range(1, 11))


def test_who_comes_later_takes_over(db, job, topics):
    db.sql(TABLE)
    topics.run()
    run = topics.start("--ack-interval", "100")
    db.sql(ROWS.format(1, 1))
    run.wait_for(lambda: topics.ids() == [1], what="the first row")
    system = db.value("SELECT system_identifier::text FROM pg_control_system()")
    name = f"{topics.prefix}.walrow.{system}.{db.name}.{job.slot}"
    other = confluent_kafka.Producer({"bootstrap.servers": topics.kafka.address, "transactional.id": name})
    other.init_transactions(60)
    db.sql(ROWS.format(2, 2))
    failed = run.wait()
    assert failed.code == 9 and "another walrow writes to kafka://" in failed.err
    del other
    topics.run()
    assert topics.ids() == [1, 2]


def test_a_row_that_is_too_large_for_a_message(db, topics):
    db.sql(TABLE)
    topics.run()
    db.sql("INSERT INTO t VALUES (1, 'small'), (2, repeat('x', 2000000)), (3, 'small')")
    failed = topics.run(code=9)
    assert "more than the 1000000 allowed" in failed.err and "?message.max.bytes=" in failed.err
    large = ["message.max.bytes=5000000"]
    failed = topics.run(params=large, code=9)
    assert "does not take a message of 2000" in failed.err and "max.message.bytes" in failed.err
    assert topics.ids() == []
    topics.kafka.configure_topic(f"{topics.prefix}.public.t", max_message_bytes=5_000_000)
    topics.run(params=large)
    assert topics.ids() == [1, 2, 3]


def test_what_a_compacted_topic_does_not_take(db, topics):
    db.sql("CREATE TABLE n (v text); INSERT INTO n VALUES ('x')")
    topics.job.setup("--insert-only", "public.n")
    topics.kafka.create_topic(f"{topics.prefix}.public.n", cleanup_policy="compact")
    failed = topics.run(code=9)
    assert f'topic "{topics.prefix}.public.n" was not delivered' in failed.err
    assert "give the table a primary key" in failed.err


def test_who_it_is_is_said_in_the_words_of_librdkafka(db, topics, tmp_path):
    db.sql(TABLE)
    db.sql(ROWS.format(1, 3))
    guarded = f"kafka://{topics.kafka.guarded_address}/{topics.prefix}"
    secret = tmp_path / "kafka.conf"
    secret.write_text("# of walrow\nsasl.mechanism=PLAIN\nsasl.username=walrow\nsasl.password=wrong\n")
    words = f"?security.protocol=SASL_PLAINTEXT&config={secret}"
    failed = topics.job.snapshot(to=[f"{guarded}{words}&timeout_s=600"], code=9)
    assert "Authentication failed" in failed.err and "sasl.username= and sasl.password=" in failed.err
    topics.job.snapshot(to=[f"{guarded}{words}&sasl.password={urllib.parse.quote(PASSWORD)}"])
    topics.kafka.settle(topics.prefix)
    assert topics.ids() == [1, 2, 3]


@pytest.mark.parametrize(
    "uri, message",
    [
        ("kafka:x", "is not kafka://BROKER"),
        ("kafka://host", "is not kafka://BROKER"),
        ("kafka://host/a b", "is not kafka://BROKER"),
        ("kafka://host/x?format=avro", 'unknown format "avro"'),
        ("kafka://host/x?topic={prefix}.walrow.position", "no topic can be called"),
        ("kafka://host/x?topic=a/b", "no topic can be called"),
        ("kafka://host/x?no.such=1", 'No such configuration property: "no.such"'),
        ("kafka://host/x?compression.codec=bzip2", "compression.codec is refused: Invalid value \"bzip2\""),
        ("kafka://host/x?enable.idempotence=false", "enable.idempotence is walrow's to set"),
        ("kafka://host/x?config=/no/such/file", "there is no file"),
        ("kafka://host/x?retries=3", 'has no parameter "retries"'),
    ],
)
def test_usage(walrow, uri, message):
    failed = walrow("stream", "-d", "host=nowhere", "--to", uri)
    assert failed.code == 2
    assert message in failed.err
