"""What an example starts for itself and leaves nothing of: the servers that walrow's own tests have, and the command.

    with throwaway.database("CREATE TABLE ...") as db, throwaway.Redis() as redis:
        throwaway.walrow("setup", "--source", db.url(), code=0)
        with throwaway.streaming(db, "--to", redis.uri()):
            ...
"""

import contextlib
import os
import signal
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HERE = os.path.dirname(os.path.abspath(sys.argv[0]))  # the example's folder
OUT = os.path.join(HERE, "out")  # all that it leaves
sys.path.append(os.path.join(ROOT, "tests", "e2e"))

from broker import Kafka  # noqa: E402, F401
from cache import Redis  # noqa: E402, F401
from command import Walrow  # noqa: E402
from postgres import Postgres  # noqa: E402


def command(program):
    """command("out/basic")("word", code=0).out: its home is out/"""
    return Walrow(program, OUT)


walrow = command(os.path.join(ROOT, "build", "walrow"))


@contextlib.contextmanager
def database(script):
    """A PostgreSQL that has wal_level = logical, and in it what the SQL script makes."""
    with Postgres(unique=True) as server:
        db = server.create_database("example")
        db.sql(script)
        yield db


@contextlib.contextmanager
def streaming(db, *args, visible=False):
    """`walrow stream` of that database, in the background until the block ends; to kill it before is fine.

    visible: what it prints is seen here.
    """
    stream = walrow.start("stream", "--source", db.url(), *args, visible=visible)
    try:
        stream.wait_for(lambda: (db.slot() or {}).get("active"), what="its slot is read")
        yield stream
        assert stream.stop().code in (0, -signal.SIGKILL), "that was no end in order"
    except Exception:
        print(stream.err, file=sys.stderr)
        raise
    finally:
        stream.kill()


def run(main):
    """main(), and a plain end for Ctrl-C."""
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
