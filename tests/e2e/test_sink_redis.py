"""redis://…: a cache in a real Redis has nothing that is older than the source, whatever happens to either side."""

import contextlib
import itertools
import json
import socket
import threading
import urllib.parse

import pytest

from cache import Redis

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text)"
KEY = "key=app:{table}:{id}"
PASSWORD = "guess&me/@:"
ALONE = ["--state", "off"]  # what the sink was called before does not matter
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server_of_keys():
    with Redis() as redis:
        yield redis


@pytest.fixture
def redis(server_of_keys):
    """One for all tests, which a test may break."""
    yield server_of_keys
    server_of_keys.mend()


class Cache:
    """A job's database of a Redis, with what an application put there."""

    def __init__(self, job, redis):
        self.job, self.redis, self.number = job, redis, next(_numbers)

    def client(self):
        return self.redis.client(self.number)

    def uri(self, *params, user=""):
        return self.redis.uri(self.number, user) + ("?" + "&".join(params) if params else "")

    def run(self, *args, params=(KEY,), user="", **kwargs):
        return self.job.stream(*args, to=[self.uri(*params, user=user)], **kwargs)

    def start(self, *args, params=(KEY,), **kwargs):
        return self.job.start(*args, to=[self.uri(*params)], **kwargs)

    def fill(self, *keys):
        with self.client() as client:
            client.do("MSET", *itertools.chain(*((key, "cached") for key in keys)))

    def keys(self):
        with self.client() as client:
            return [key.decode() for key in client.keys()]

    def rows(self):
        """Of command=set: what each key has."""
        with self.client() as client:
            found = {key.decode(): client.do("GET", key) for key in client.keys()}
        return {key: json.loads(value) for key, value in found.items() if value is not None}  # which is gone by now


@pytest.fixture
def cache(job, redis):
    return Cache(job, redis)


# ---- what is done about a change ------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["unlink", "del"])
def test_keys_of_rows_that_change_go(db, cache, command):
    db.sql(TABLE)
    db.sql("INSERT INTO t SELECT i, 'v' FROM generate_series(1, 9) i")
    cache.job.setup()
    everything = [f"app:t:{i}" for i in (1, 2, 3, 4, 5, 6, 11, 40)] + ["app:other:2", "other"]
    cache.fill(*everything)
    cache.run(params=[KEY, f"command={command}"], snapshot="initial")
    assert cache.keys() == sorted(everything)  # rows that a snapshot reads did not change
    db.sql("INSERT INTO t VALUES (11, 'x')")  # that it was not there may have been cached
    db.sql("UPDATE t SET v = 'y' WHERE id = 2; DELETE FROM t WHERE id = 3; UPDATE t SET id = 40 WHERE id = 4")
    cache.run(params=[KEY, f"command={command}"])
    assert cache.keys() == sorted(["app:t:1", "app:t:5", "app:t:6", "app:other:2", "other"])


def test_templates_name_keys_of_several_columns_and_tables(db, cache):
    db.sql('CREATE TABLE two (b text, a int, v int, PRIMARY KEY (a, b)); CREATE TABLE log (v int); CREATE SCHEMA "S"')
    db.sql('CREATE TABLE "S"."full" (id int, v text); ALTER TABLE "S"."full" REPLICA IDENTITY FULL')
    cache.job.tables = "public.*,S.*"
    cache.job.setup("--insert-only", "public.log")
    cache.fill("two:x:1", "two:y:1", "all of log", "{S}/full/7", "{S}/full/8", "{S}/full/9", "{S}/full/", "cold")
    db.sql("INSERT INTO two VALUES ('x', 1, 0); INSERT INTO log VALUES (1)")
    db.sql('INSERT INTO "S"."full" VALUES (7, \'v\'); UPDATE "S"."full" SET id = 8; DELETE FROM "S"."full"')
    db.sql('INSERT INTO "S"."full" VALUES (NULL, \'v\')')
    cache.run(params=["key.public.log=all%20of%20{table}", "key.S.full={{{schema}}}/{table}/{id}"])
    assert cache.keys() == ["cold", "two:y:1", "{S}/full/9"]


def test_columns_that_move_between_two_changes(db, cache):
    db.sql("CREATE TABLE t (a int, id int PRIMARY KEY, v text)")
    cache.job.setup()
    cache.fill("app:t:1", "app:t:2", "app:t:3", "app:t:4")
    db.sql("INSERT INTO t VALUES (2, 1, '2')")
    db.sql("ALTER TABLE t DROP a")
    db.sql("INSERT INTO t VALUES (3, '2')")
    db.sql("ALTER TABLE t ADD b int")
    cache.run()
    assert cache.keys() == ["app:t:2", "app:t:4"]


def test_rows_are_kept_as_they_are_now_for_a_while(db, cache):
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text, large text)")
    db.sql("ALTER TABLE t ALTER large SET STORAGE EXTERNAL; INSERT INTO t VALUES (1, 'one', repeat('x', 9000))")
    params = [KEY, "command=set", "ttl_s=1000"]
    cache.run(params=params, snapshot="initial")
    assert cache.rows() == {"app:t:1": {"id": 1, "v": "one", "large": "x" * 9000}}
    db.sql("INSERT INTO t VALUES (2, 'two'), (3, 'three'), (4, 'four'), (5, E'\\n\"')")
    db.sql("UPDATE t SET v = 'TWO' WHERE id = 2; DELETE FROM t WHERE id = 3; UPDATE t SET id = 40 WHERE id = 4")
    cache.run(params=params)
    rows = cache.rows()
    assert rows.pop("app:t:1")["v"] == "one"
    assert rows == {
        "app:t:2": {"id": 2, "v": "TWO", "large": None},
        "app:t:40": {"id": 40, "v": "four", "large": None},
        "app:t:5": {"id": 5, "v": '\n"', "large": None},
    }
    with cache.client() as client:
        assert 0 < client.do("TTL", "app:t:2") <= 1000
    db.sql("UPDATE t SET v = 'ONE' WHERE id = 1")  # what the large value is, the server does not say again
    cache.run(params=params)
    assert "app:t:1" not in cache.keys()


def test_subscribers_hear_of_keys(db, cache):
    db.sql(TABLE)
    cache.job.setup()
    db.sql("INSERT INTO t VALUES (1, 'x'); UPDATE t SET id = 2; DELETE FROM t; TRUNCATE t; INSERT INTO t VALUES (3)")
    cache.fill("app:t:1")
    with cache.client() as subscriber:
        assert subscriber.do("SUBSCRIBE", "changes of public.t") == [b"subscribe", b"changes of public.t", 1]
        cache.run(params=["key=a*b:{table}:{id}", "command=publish", "channel=changes%20of%20{schema}.{table}"])
        heard = [subscriber.read() for _ in range(6)]
    assert {(kind, channel) for kind, channel, _ in heard} == {(b"message", b"changes of public.t")}
    assert [key for _, _, key in heard] == [b"a*b:t:1", b"a*b:t:1", b"a*b:t:2", b"a*b:t:2", b"a\\*b:t:*", b"a*b:t:3"]
    assert cache.keys() == ["app:t:1"]


def test_truncates_are_warned_of_or_looked_for(db, cache):
    db.sql("CREATE TABLE t (id text PRIMARY KEY); CREATE TABLE one (id int PRIMARY KEY)")
    cache.job.setup()
    many = [f"a[b]:t:{i}" for i in range(5000)]
    cache.fill(*many, "a[b]:tt:1", "ab:t:1", "one")
    db.sql("INSERT INTO t VALUES ('set before'); TRUNCATE t, one; INSERT INTO t VALUES ('and after')")
    params = ["key=a[b]:{table}:{id}", "key.public.one={table}"]
    warned = cache.run(params=params)
    assert "public.t was truncated: its keys a\\[b\\]:t:* stay in Redis at 127.0.0.1" in warned.err
    assert "public.one" not in warned.err  # a key that is not of rows is one key
    assert len(cache.keys()) == 5002
    db.sql("INSERT INTO t VALUES ('set before'); TRUNCATE t, one; INSERT INTO t VALUES ('and after')")
    assert "truncated" not in cache.run(params=[*params, "truncate=scan", "command=set"]).err
    assert cache.keys() == ["a[b]:t:and after", "a[b]:tt:1", "ab:t:1"]


def test_every_byte_a_key_can_have(db, cache):
    db.sql("CREATE TABLE t (id text PRIMARY KEY); CREATE TABLE b (id bytea PRIMARY KEY)")
    cache.job.setup()
    text = "".join(map(chr, range(1, 256))) + "\r\n$1\r\n\U0001f418"
    db.sql("INSERT INTO t VALUES (%s)", (text,))
    db.sql("INSERT INTO b VALUES (%s)", (bytes(range(256)),))
    cache.run(params=["key={table}|{id}", "command=set"])
    with cache.client() as client:
        assert client.keys() == sorted([b"t|" + text.encode(), b"b|\\x" + bytes(range(256)).hex().encode()])
    db.sql("DELETE FROM t; DELETE FROM b")
    cache.run(params=["key={table}|{id}"])
    assert cache.keys() == []


def test_more_commands_than_are_sent_at_once(db, cache):
    db.sql(TABLE)
    cache.job.setup()
    db.sql("INSERT INTO t SELECT i, repeat('v', 50) FROM generate_series(1, 20000) i; DELETE FROM t WHERE id % 2 = 0")
    cache.run("--batch-rows", "3000", params=[KEY, "command=set"])
    assert cache.keys() == sorted(f"app:t:{i}" for i in range(1, 20001, 2))


# ---- trouble --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("buffer", ["off", "on"])
def test_a_server_that_dies_is_waited_for_and_misses_nothing(db, cache, redis, buffer):
    db.sql(TABLE)
    params = [KEY, "command=set", "timeout_s=5"]
    cache.job.setup()
    run = cache.start("--ack-interval", "100", "--batch-rows", "50", "--buffer", buffer, params=params)
    for i in range(5):
        db.sql(f"INSERT INTO t SELECT i, 'v' FROM generate_series({i * 1000 + 1}, {i * 1000 + 1000}) i")
        if i == 1:
            run.wait_for(lambda: len(cache.keys()) > 1000, what="some rows")
            redis.kill()
    db.sql("UPDATE t SET v = 'w' WHERE id % 10 = 0; DELETE FROM t WHERE id % 7 = 0")
    run.wait_for("trying again")
    redis.mend()
    expected = {f"app:t:{i}": {"id": i, "v": v} for i, v in db.sql("SELECT id, v FROM t")}
    run.wait_for(lambda: cache.rows() == expected, what="what the source has")
    assert run.stop().code == 0


@contextlib.contextmanager
def pretender(*connections):
    """Something that is no Redis: answers each connection's words with what it is told, then listens to the end."""
    heard = []

    def serve(listener):
        for answers in connections:
            connection, _ = listener.accept()
            with connection:
                for answer in [*answers, b""]:
                    heard.append(connection.recv(65536))
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener], daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}", heard
        thread.join(60)


def test_a_server_that_loads_its_data_is_waited_for(db, job):
    db.sql(TABLE)
    job.setup()
    db.sql("INSERT INTO t VALUES (7, 'v')")
    loading = b"-LOADING Redis is loading the dataset in memory\r\n"
    with pretender([loading], [b"+PONG\r\n", b":1\r\n"]) as (uri, heard):
        done = job.stream(to=[uri])
    assert "LOADING" in done.err and "trying again" in done.err
    assert b"*2\r\n$6\r\nUNLINK\r\n$3\r\nt:7\r\n" in heard


def test_a_server_that_is_silent_or_not_there_is_given_up_when_told_to(db, cache, redis):
    db.sql(TABLE)
    cache.job.setup()
    failed = cache.job.stream("--retry-max", "1", to=["redis://127.0.0.1:1"], code=9)
    assert "cannot connect to Redis at 127.0.0.1:1: Connection refused" in failed.err
    assert "given up after 2 failures" in failed.err
    redis.freeze()
    failed = cache.run("--retry-max", "0", params=["timeout_s=1"], code=9)
    assert "did not answer for 1 s" in failed.err


def test_who_it_is(db, cache, redis, tmp_path):
    db.sql(TABLE)
    cache.job.setup()
    cache.fill("app:t:1", "app:t:2", "other:1")
    with redis.client() as client:
        client.do("ACL", "SETUSER", "walrow", "on", f">{PASSWORD}", "~app:*", "+ping", "+unlink", "+select")
    db.sql("INSERT INTO t VALUES (1, 'v')")
    failed = cache.run(*ALONE, user="walrow:wrong@", code=9)
    assert "WRONGPASS" in failed.err and "see the user and password" in failed.err and "trying" not in failed.err
    cache.run(*ALONE, user=f"walrow:{urllib.parse.quote(PASSWORD, safe='')}@")
    db.sql("INSERT INTO t VALUES (2, 'v')")
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\n")
    failed = cache.run(*ALONE, params=["key=other:{id}", f"password_file={secret}"], user="walrow@", code=9)
    assert "NOPERM" in failed.err and "ACL SETUSER" in failed.err and PASSWORD not in failed.err
    cache.run(*ALONE, params=[KEY, f"password_file={secret}"], user="walrow@")
    assert cache.keys() == ["other:1"]


def test_a_password_is_shown_nowhere_and_may_change(db, cache, redis):
    db.sql(TABLE)
    cache.job.setup()
    for n, password in enumerate(["s3cret", "an0ther"]):
        with redis.client() as client:
            client.do("ACL", "SETUSER", "walrow", "resetpass", "on", f">{password}", "~app:*", "+ping", "+unlink")
        db.sql(f"INSERT INTO t VALUES ({n}, 'v')")
        run = cache.run("--buffer", "on", "--log-level", "debug", user=f"walrow:{password}@")
        known = cache.job.walrow("sinks", "list", "-S", cache.job.slot, code=0)
        status = cache.job.walrow(*cache.job.arguments("status"), "--to", cache.uri(user=f"walrow:{password}@"), code=0)
        assert "redis://walrow@127.0.0.1" in known.out and "redis://walrow@127.0.0.1" in status.out
        assert not any(password in text for text in (run.out, run.err, known.out, status.out))
        assert len(known.out.splitlines()) == 1


def test_tls_and_sockets(db, cache, redis):
    db.sql(TABLE)
    cache.job.setup()
    cache.fill("t:1", "t:2", "t:3")
    db.sql("INSERT INTO t VALUES (1, 'v')")
    secure = f"rediss://localhost:{redis.tls_port}/{cache.number}"
    believed = f"{secure}?tls_ca={redis.path('cert.pem')}"
    failed = cache.job.stream(*ALONE, to=[secure], code=9)
    assert "self-signed certificate" in failed.err and "?tls_ca=FILE" in failed.err
    failed = cache.job.stream(*ALONE, to=[believed.replace("localhost", "127.0.0.1")], code=9)
    assert "IP address mismatch" in failed.err
    cache.job.stream(*ALONE, to=[believed])
    db.sql("INSERT INTO t VALUES (2, 'v')")
    cache.job.stream(*ALONE, to=[f"{secure}?tls_verify=off"])
    assert cache.keys() == ["t:3"]
    db.sql("INSERT INTO t VALUES (3, 'v')")
    path = urllib.parse.quote(redis.path("socket"), safe="")
    cache.job.stream(*ALONE, to=[f"redis://{path}/{cache.number}"])
    assert cache.keys() == []


def test_a_template_that_a_table_cannot_fill(db, cache):
    db.sql("CREATE TABLE t (code int PRIMARY KEY, id int); CREATE TABLE n (v int)")
    cache.job.setup("--insert-only", "public.n")
    db.sql("INSERT INTO t VALUES (1, 1)")
    failed = cache.run(code=9)
    assert 'public.t has no column "id" in its key' in failed.err and "key.public.t=TEMPLATE" in failed.err
    cache.run(params=[KEY, "key.public.t={code}"])
    db.sql("INSERT INTO n VALUES (1)")
    failed = cache.run(params=["key={key}"], code=9)
    assert 'public.n has no column "key" in its key' in failed.err


@pytest.mark.parametrize(
    "answer, message",
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no Redis"), (b"+PONG\r\n+PONG\r\n", "answers what it was not asked"),
     (b"*99999999999999999999\r\n", "is no Redis"), (b"-MOVED 1 10.0.0.1:6379\r\n", "one node of a cluster")],
)  # fmt: skip
def test_what_is_no_redis_is_not_believed(db, job, answer, message):
    db.sql(TABLE)
    job.setup()
    with pretender([answer]) as (uri, _):
        failed = job.stream("--retry-max", "0", to=[uri], code=9)
    assert message in failed.err


@pytest.mark.parametrize(
    "uri, message",
    [
        ("redis:x", "is not redis://"),
        ("redis://host:port", "is not redis://"),
        ("redis://host/db", "is not redis://"),
        ("redis://[::1", "is not redis://"),
        ("redis://us%er:x@host", "is not redis://"),
        ("redis://user@host", "a user without a password"),
        ("redis://host?command=flushall", 'unknown command "flushall"'),
        ("redis://host?truncate=yes", "parameter truncate cannot be"),
        ("redis://host?key=app:{id", "is no template"),
        ("redis://host?key.public.t=}", "is no template"),
        ("redis://host?channel={id}", "a channel has {schema} and {table} only"),
        ("redis://host?ttl_s=5", "only command=set"),
        ("redis://host?tls_ca=x", "redis:// has no TLS"),
        ("rediss://host?tls_cert=x", "tls_cert and tls_key go together"),
        ("redis://host?password_file=/no/such/file", "there is no file"),
        ("redis://host?foo.bar=1", 'has no parameter "foo.bar"'),
        ("redis://host?nokey=1", 'has no parameter "nokey"'),
    ],
)
def test_usage(walrow, uri, message):
    failed = walrow("stream", "-d", "host=nowhere", "--to", uri)
    assert failed.code == 2
    assert message in failed.err
