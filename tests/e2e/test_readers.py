"""One stream of a real server, many readers: by table, as events, merged, in threads; and rows among partitions."""

import json
import select
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pyarrow as pa
import pytest

from postgres import lsn_value, wait_until
from streaming import own_values, ways
from walrow import Stream, WalrowError, merge, partition

pytestmark = ways("pgoutput", "wal2arrow")
SOON = 60


@pytest.fixture
def stream(db, job, tmp_path):
    """stream(option=...): a stream of the job's slot, with a state of its own; until "now" it ends by itself."""
    streams = []

    def open_stream(**options):
        options = {"snapshot": "never", "until": "now", "state": tmp_path / "state", "ack_interval": 50} | options
        source = {"source": db.url(), "tables": job.tables, "slot": job.slot, "publication": job.slot}
        streams.append(Stream(plugin=job.plugin, **source, **options))
        return streams[-1]

    yield open_stream
    for one in streams:
        one.close()


def batches(reader):
    """All until the stream ends, as pyarrow's."""
    return [pa.record_batch(batch) for batch in reader]


def rows(reader):
    return [row for batch in batches(reader) for row in batch.to_pylist()]


def soon(reader):
    """The next batch, as pyarrow's."""
    return pa.record_batch(reader.read(SOON))


def in_threads(*readers):
    """[rows of each], every reader in its own thread."""
    with ThreadPoolExecutor(len(readers)) as pool:
        return list(pool.map(rows, readers))


def positions(rows):
    return [(row["_commit_lsn"], row["_seq"]) for row in rows]


def orders_and_users(db):
    db.sql("CREATE TABLE orders (id int PRIMARY KEY, total numeric(8, 2))")
    db.sql("CREATE TABLE users (id int PRIMARY KEY, name text)")


def shop(db, transactions=50):
    """Transactions over both tables."""
    for n in range(transactions):
        db.sql(f"BEGIN; INSERT INTO orders VALUES ({n}, {n}.5); INSERT INTO users VALUES ({n}, 'u{n}');"
               f"UPDATE orders SET total = total + 1 WHERE id = {n}; COMMIT")  # fmt: skip


def test_each_table_has_a_reader_in_a_thread_of_its_own(db, job, stream):
    orders_and_users(db)
    job.setup()
    shop(db)
    with stream() as opened:
        orders, users = in_threads(opened.reader("public.orders", 1), opened.reader("public.users", 1))
    assert [(row["_op"], row["id"]) for row in orders] == [(op, n) for n in range(50) for op in "IU"]
    assert [row["name"] for row in users] == [f"u{n}" for n in range(50)]
    assert sorted(positions(orders + users)) == sorted(set(positions(orders + users)))
    assert [seq for _, seq in positions(orders)] == [0, 2] * 50 and [seq for _, seq in positions(users)] == [1] * 50


def test_what_a_reader_did_not_acknowledge_comes_again(db, job, stream):
    orders_and_users(db)
    job.setup()
    shop(db, 3)
    with stream(batch="transaction") as opened:
        orders, users = opened.reader("public.orders"), opened.reader("public.users")
        those = batches(orders)
        orders.ack()
        seen = soon(users)
        users.ack()
        assert len(those) == 3 and seen.column("id").to_pylist() == [0]
    with stream(batch="transaction") as opened:
        orders, users = opened.reader("public.orders"), opened.reader("public.users")
        assert [row["id"] for row in rows(users)] == [1, 2]
        assert {row["id"] for row in rows(orders)} == {1, 2}  # at least once: the slowest decides
        orders.ack()
        users.ack()
    with stream() as opened:
        assert rows(opened.reader("public.orders")) == []


def test_the_slot_follows_the_slowest_reader(db, job, stream):
    orders_and_users(db)
    job.setup()
    with stream(until=None, batch="transaction") as opened:
        orders, users = opened.reader("public.orders"), opened.reader("public.users")
        before = lsn_value(db.slot(job.slot)["confirmed_flush_lsn"])
        shop(db, 1)
        orders.read(SOON)
        users.read(SOON)
        orders.ack()
        confirmed = lambda: lsn_value(db.slot(job.slot)["confirmed_flush_lsn"])  # noqa: E731
        assert before <= confirmed() <= users.position[0]
        users.ack()
        wait_until(lambda: confirmed() > users.position[0], what="the confirmation")


@pytest.mark.parametrize("kind", ["table", "events", "merged"])
def test_behind_the_buffer_a_reader_that_takes_nothing_holds_nobody_back(db, job, stream, kind):
    orders_and_users(db)
    job.setup()
    shop(db)
    with stream(batch="transaction", buffer="on") as opened:
        users = opened.reader("public.users", 1)
        slow = opened.events(1) if kind == "events" else opened.reader("public.orders", 1)
        slow = merge([slow]) if kind == "merged" else slow
        assert [row["id"] for row in rows(users)] == list(range(50))  # to the end: as far as "now" was
        users.ack()
        came = rows(slow)
        if kind == "events":
            assert [event["seq"] for event in came] == [None, 0, 1, 2, None] * 50
        else:
            assert [(row["_op"], row["id"], row["total"]) for row in came] == [
                (op, n, Decimal(f"{n}.50") + (op == "U")) for n in range(50) for op in "IU"
            ]
        slow.ack()
    with stream() as opened:
        assert rows(opened.reader("public.orders")) == []


def test_what_waits_on_disk_is_bounded_and_comes_again_if_not_acknowledged(db, job, stream):
    db.sql("CREATE TABLE noise (id int PRIMARY KEY, text text); CREATE TABLE users (id int PRIMARY KEY)")
    job.setup()
    made = "SELECT n, string_agg(md5(random()::text), '') FROM generate_series({}, {}) n, generate_series(1, 1000) GROUP BY n ORDER BY n"
    for n in range(1, 101, 10):
        db.sql(f"INSERT INTO noise {made.format(n, n + 9)}")
    db.sql("INSERT INTO users VALUES (1)")
    options = {"batch": "transaction", "buffer": "on", "buffer_bytes": "1MB"}
    with stream(**options) as opened:
        noise, users = opened.reader("public.noise", 1), opened.reader("public.users")
        with pytest.raises(TimeoutError):  # 1.6 MB, compressed, are in front of it
            users.read(3)
        with ThreadPoolExecutor(1) as pool:
            soon_there = pool.submit(users.read, SOON)
            ids = [n for batch in batches(noise) for n in batch.column("id").to_pylist()]
        assert ids == list(range(1, 101)) and soon_there.result().num_rows == 1
        users.ack()
    with stream(**options) as opened:
        assert [row["id"] for row in rows(opened.reader("public.noise", 1))] == list(range(1, 101))


def test_without_a_state_there_is_no_buffer(db, job, stream):
    orders_and_users(db)
    job.setup()
    with stream(buffer="on", state="off") as opened, pytest.raises(WalrowError, match="the buffer is part of the state"):
        opened.reader("public.orders")


def test_existing_rows_come_first(db, stream):
    orders_and_users(db)
    shop(db, 5)
    with stream(snapshot="initial", until=None) as opened:
        users, orders = opened.reader("public.users"), opened.reader("public.orders")
        assert soon(users).column("_op").to_pylist() == ["R"] * 5
        assert [float(total) for total in soon(orders).column("total").to_pylist()] == [n + 1.5 for n in range(5)]
        users.ack()
        orders.ack()
        db.sql("INSERT INTO users VALUES (99, 'late')")
        assert soon(users).column("name").to_pylist() == ["late"]


def test_what_is_committed_once_a_stream_is_open_comes(db, stream):
    orders_and_users(db)
    with stream(until=None) as opened:
        db.sql("INSERT INTO users VALUES (1, 'at once')")
        assert soon(opened.reader("public.users")).column("name").to_pylist() == ["at once"]


def test_tables_that_appear_get_readers(db, stream):
    orders_and_users(db)
    shop(db, 1)
    with stream(snapshot="initial", until=None) as opened:
        users, orders = opened.reader("public.users"), opened.appeared(SOON)
        assert orders.table == "public.orders"
        assert soon(orders).column("id").to_pylist() == [0]
        db.sql("CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (1)")
        later = opened.appeared(SOON)
        assert later.table == "public.later"
        assert soon(later).column("id").to_pylist() == [1]
        assert soon(users).column("name").to_pylist() == ["u0"]


def test_an_arrow_stream_ends_at_a_new_schema(db, job, stream):
    orders_and_users(db)
    job.setup()
    db.sql("INSERT INTO users VALUES (1, 'a')")
    db.sql("ALTER TABLE users ADD COLUMN age int; INSERT INTO users VALUES (2, 'b', 42)")
    with stream() as opened:
        users = opened.reader("public.users")
        first, second = (pa.RecordBatchReader.from_stream(users).read_all() for _ in range(2))
        assert first.num_rows == 1 and "age" not in first.schema.names
        assert second.column("age").to_pylist() == [42]


def test_a_batch_is_of_one_transaction_if_asked(db, job, stream):
    orders_and_users(db)
    job.setup()
    shop(db, 20)
    for transport in "push", "pull":
        with stream(batch="transaction", transport=transport) as opened:
            those = batches(opened.reader("public.orders"))
        assert [set(batch.column("id").to_pylist()) for batch in those] == [{n} for n in range(20)]
        assert all(len(set(batch.column("_commit_lsn").to_pylist())) == 1 for batch in those)


def test_the_descriptor_is_readable_when_there_are_rows(db, job, stream):
    orders_and_users(db)
    job.setup()
    with stream(until=None, batch_delay=3600000) as opened:
        users = opened.reader("public.users")
        readable = lambda timeout_s: select.select([users], [], [], timeout_s)[0] != []  # noqa: E731
        for n in range(3):
            assert not readable(0)
            db.sql("INSERT INTO users VALUES (%s, 'x')", (n,))
            assert readable(60)
            assert pa.record_batch(users.read(0)).column("id").to_pylist() == [n]


# ---- events --------------------------------------------------------------------------------------------------

EVENTS = """
    CREATE TABLE toasted (id int PRIMARY KEY, small int, big text); ALTER TABLE toasted ALTER big SET STORAGE EXTERNAL;
    INSERT INTO toasted VALUES (1, 1, repeat('x', 10000));
    UPDATE toasted SET small = 2;
    UPDATE orders SET id = 7, total = 1.25 WHERE id = 0;
    DELETE FROM users;
    ALTER TABLE users ADD COLUMN age int; INSERT INTO users VALUES (5, 'é', 5);
    TRUNCATE orders, users;
    SELECT pg_logical_emit_message(true, 'note', 'inside'), pg_logical_emit_message(false, 'note', 'outside');
"""


def test_events_are_those_of_json_lines(db, job, new_job, stream):
    orders_and_users(db)
    job.setup()
    lines = new_job("lines")
    lines.setup()
    shop(db, 3)
    for statement in EVENTS.strip().splitlines():
        db.sql(statement)
    db.sql("BEGIN; INSERT INTO users VALUES (8, 'a', 1); INSERT INTO orders VALUES (8, 8); DELETE FROM users; COMMIT")
    lines.stream(to=[f"jsonl:{lines.jsonl}"])
    with stream() as opened:
        events = rows(opened.events())
    assert [as_line(event) for event in events] == lines.events()
    assert {event["event_type"] for event in events} > {"schema_change", "truncate", "message", "begin", "update"}


def as_line(event):
    """As jsonl: prints it: only what an event of its kind has."""
    kind = event["event_type"]
    line = {name: event[name] for name in ("event_type", "lsn", "transaction_id", "origin")}
    line["timestamp"] = event["timestamp"] and event["timestamp"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if kind in ("begin", "commit"):
        return line
    line["seq"] = event["seq"]
    if kind == "message":
        line |= {name: event[name] for name in ("message_prefix", "transactional")}
        return line | {"message_content": event["message_content"].decode()}
    line |= {"schema": event["schema"], "table": event["table"], "data": parsed(event["data"])}
    if kind == "schema_change":
        return line | {"key": parsed(event["key_data"])}
    line |= {"old_data": parsed(event["old_data"]), "key_data": parsed(event["key_data"])}
    return line | ({"unchanged": event["unchanged"]} if event["unchanged"] else {})


def parsed(text):
    return text and json.loads(text)


# ---- shards --------------------------------------------------------------------------------------------------


def test_shards_are_read_as_one_in_position_order(db, job, stream):
    for n in range(3):
        db.sql(f"CREATE TABLE user_{n} (id int PRIMARY KEY, name text)")
    db.sql("ALTER TABLE user_2 ADD COLUMN age int")
    job.setup()
    for n in range(30):
        one, other, guest = f"user_{n % 3}", f"user_{(n + 1) % 3}", 1000 + n
        db.sql(f"BEGIN; INSERT INTO {one} (id, name) VALUES ({n}, 'n'); UPDATE {one} SET name = 'm';"
               f"INSERT INTO {other} (id) VALUES ({guest}); DELETE FROM {other} WHERE id = {guest}; COMMIT")  # fmt: skip
    with stream() as opened:
        together = rows(merge(opened.reader(f"public.user_{n}") for n in range(3)))
    with stream() as opened:
        apart = dict(zip(range(3), in_threads(*(opened.reader(f"public.user_{n}") for n in range(3)))))
    assert positions(together) == sorted(positions(together)) and len(together) == sum(map(len, apart.values()))
    for n, its in apart.items():
        mine = [row for row in together if row["_table"] == f"public.user_{n}"]
        assert [without_others(row, its[0]) for row in mine] == its
    assert all(row.get("age") is None for row in together if row["_table"] != "public.user_2")


def without_others(row, like):
    """Without the columns of the other shards."""
    row = {name: row[name] for name in like}
    return row | {"_old": row["_old"] and {name: row["_old"][name] for name in own_values(like)}}


# ---- partitions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("identity", ("DEFAULT", "FULL"))
def test_each_owner_of_keys_sees_all_that_happens_to_them(db, job, stream, identity):
    orders_and_users(db)
    db.sql(f"ALTER TABLE users REPLICA IDENTITY {identity}")
    job.setup()
    db.sql("INSERT INTO users SELECT n, 'u' || n FROM generate_series(1, 200) n")
    db.sql("UPDATE users SET id = id + 1000 WHERE id % 3 = 0")
    db.sql("UPDATE users SET name = name || '!' WHERE id % 5 = 0; DELETE FROM users WHERE id % 7 = 0")
    db.sql("UPDATE users SET id = 5000 - id WHERE id > 1000; INSERT INTO users VALUES (9000, NULL)")
    owners = [{} for _ in range(4)]
    with stream() as opened:
        for batch in opened.reader("public.users"):
            for owned, part in zip(owners, partition(batch, 4, ["id"])):
                for row in pa.record_batch(part).to_pylist() if part else []:
                    replay(owned, row)
    assert sorted(row for owned in owners for row in owned.items()) == sorted(db.sql("SELECT id, name FROM users"))
    assert all(10 < len(owned) < 90 for owned in owners)


def replay(owned, row):
    """An owner fails at what it does not own."""
    if row["_op"] == "I":
        assert row["id"] not in owned
        owned[row["id"]] = row["name"]
    elif row["_op"] == "D":
        del owned[row["id"]]
    else:
        del owned[row["_old"]["id"] if row["_old"] else row["id"]]
        owned[row["id"]] = row["name"]
