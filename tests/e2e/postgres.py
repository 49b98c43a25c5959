"""Real PostgreSQL servers for tests: private, unprivileged, and gone afterwards, whatever happens."""

import atexit
import contextlib
import functools
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

import psycopg
from psycopg import sql as pgsql

DEFAULT_CONF = {
    "wal_level": "logical",
    "max_wal_senders": 20,
    "max_replication_slots": 40,
    "max_connections": 60,
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "max_prepared_transactions": 10,
    "log_min_messages": "info",
    "log_line_prefix": "%m [%p] %q%a ",
    "timezone": "UTC",
}


def pgbin(program):
    """The server's programs: PGBIN, Debian's place, or the PATH."""
    for folder in (os.environ.get("PGBIN"), "/usr/lib/postgresql/15/bin"):
        if folder and os.path.exists(os.path.join(folder, program)):
            return os.path.join(folder, program)
    return shutil.which(program) or program


@functools.cache
def server_version():
    """Of those programs: 15"""
    done = subprocess.run([pgbin("postgres"), "--version"], stdout=subprocess.PIPE, text=True, check=True)
    return int(re.search(r"\) (\d+)", done.stdout).group(1))


def server_user():
    """Whom the server runs as: PostgreSQL refuses root."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def clean_environment(**extra):
    """The environment without whatever would steer a PostgreSQL program or walrow."""
    hidden = ("PG", "SOURCE_", "WALROW_", "XDG_")
    env = {k: v for k, v in os.environ.items() if not k.startswith(hidden) and k != "TABLES"}
    return env | {"LC_ALL": "C.UTF-8", "TZ": "UTC"} | {k: str(v) for k, v in extra.items()}


def run_as_server_user(*command, check=True, **kwargs):
    user = server_user()
    if os.geteuid() == 0:
        kwargs |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    done = subprocess.run(
        [str(word) for word in command],
        cwd="/",
        env=clean_environment(HOME=user.pw_dir),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **kwargs,
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
    return done


def watched_folder():
    """Its watchdog; the server's user owns it."""
    watchdog = Watchdog("pg")
    os.chmod(watchdog.folder, 0o755)
    os.chown(watchdog.folder, server_user().pw_uid, server_user().pw_gid)
    return watchdog


def run_initdb(data, *arguments):
    run_as_server_user(
        pgbin("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", *arguments
    )


@functools.cache
def template(*arguments):
    """What initdb makes of them, to be copied: that takes a tenth of its time."""
    watchdog = watched_folder()
    atexit.register(watchdog.release)
    data = os.path.join(watchdog.folder, "data")
    run_initdb(data, *arguments)
    return data


class Postgres:
    """One server, in a folder of its own.

    conf:   settings over DEFAULT_CONF; hba: lines put before "local all all trust"
    tcp:    listen on a free port of 127.0.0.1 as well as on the socket
    initdb: more arguments for it
    unique: with a system identifier that no other has; without it all of a run are copies of one
    standby_of: another one, stopped, of which this is a copy with its slots, and which it follows once both run
    """

    def __init__(self, conf=None, hba=(), tcp=False, initdb=(), unique=False, standby_of=None):
        self.port = free_port() if tcp else 5432
        self.settings = DEFAULT_CONF | ({"listen_addresses": "127.0.0.1"} if tcp else {}) | (conf or {})
        self.hba = [*hba, "local all all trust", "local replication all trust"]
        if tcp:
            self.hba += ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
        self._watchdog = watched_folder()
        self.folder = self._watchdog.folder
        self.data = os.path.join(self.folder, "data")
        self.log_file = os.path.join(self.folder, "log")
        try:
            if standby_of is not None:
                run_as_server_user("cp", "-a", standby_of.data, self.data)
                run_as_server_user("touch", os.path.join(self.data, "standby.signal"))
                self.settings["primary_conninfo"] = f"host={standby_of.folder} port={standby_of.port} user=postgres"
            elif unique:
                run_initdb(self.data, *initdb)
            else:
                run_as_server_user("cp", "-a", template(*initdb), self.data)
            self.write_configuration()
            self.start()
        except BaseException:
            self.close()
            raise

    # -- life and death --

    def write_configuration(self):
        """Settings and hba to disk; they hold from the next start or reload."""
        fixed = {"unix_socket_directories": self.folder, "port": self.port}
        lines = [f"{name} = '{str(value).replace(chr(39), chr(39) * 2)}'" for name, value in (self.settings | fixed).items()]
        with open(os.path.join(self.data, "postgresql.auto.conf"), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        with open(os.path.join(self.data, "pg_hba.conf"), "w", encoding="utf-8") as file:
            file.write("\n".join(self.hba) + "\n")

    def configure(self, **conf):
        """Change settings and reload; call restart() for those that need one."""
        self.settings |= conf
        self.write_configuration()
        run_as_server_user(pgbin("pg_ctl"), "reload", "-D", self.data)

    def start(self):
        done = run_as_server_user(
            pgbin("pg_ctl"), "start", "-w", "-t", "60", "-D", self.data, "-l", self.log_file, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"the server does not start:\n{done.stdout}\n{self.log()}")

    def stop(self, mode="fast"):
        """smart, fast or immediate; a server that is down already is fine"""
        if self.running():
            run_as_server_user(pgbin("pg_ctl"), "stop", "-w", "-t", "60", "-m", mode, "-D", self.data)

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def pid(self):
        """Of the postmaster; None if it is not running."""
        try:
            with open(os.path.join(self.data, "postmaster.pid"), encoding="utf-8") as file:
                pid = int(file.readline())
            return pid if alive(pid) else None
        except (FileNotFoundError, ValueError):
            return None

    def running(self):
        return self.pid() is not None

    def kill(self):
        """Power failure: SIGKILL to all of the server's processes. start() recovers."""
        pid = self.pid()
        if pid is None:
            return
        pids = [pid, *children_of(pid)]
        for victim in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        wait_until(lambda: not any(map(alive, pids)), what="the killed server's processes to be gone")
        # where nobody reaps orphans a dead postmaster stays a zombie, whose lock files the next one would respect
        for lock in (os.path.join(self.data, "postmaster.pid"), os.path.join(self.folder, f".s.PGSQL.{self.port}.lock")):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(lock)

    def make_standby(self):
        """Restart as a hot standby (of nobody)."""
        self.stop()
        run_as_server_user("touch", os.path.join(self.data, "standby.signal"))
        self.start()

    def promote(self):
        """From a standby to a primary on a timeline of its own."""
        run_as_server_user(pgbin("pg_ctl"), "promote", "-w", "-t", "60", "-D", self.data)

    def close(self):
        """Stop and remove everything. The watchdog does it, as it would if this process were killed."""
        self._watchdog.release()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- talking to it --

    def dsn(self, dbname="postgres", user="postgres", **more):
        """Connection string in keyword form."""
        words = {"host": self.folder, "port": self.port, "dbname": dbname, "user": user}
        return psycopg.conninfo.make_conninfo("", **(words | more))

    def url(self, dbname="postgres", user="postgres", **more):
        """The same as a URI."""
        query = urllib.parse.urlencode({"host": self.folder, "port": self.port} | more)
        return f"postgresql://{urllib.parse.quote(user)}@/{urllib.parse.quote(dbname)}?{query}"

    def connect(self, dbname="postgres", user="postgres", autocommit=True, **more):
        return psycopg.connect(self.dsn(dbname, user, **more), autocommit=autocommit)

    def sql(self, query, params=None, dbname="postgres", user="postgres"):
        """Run a query (without params also several), return its rows; [] for a command."""
        with self.connect(dbname, user) as connection:
            cursor = connection.execute(query, params)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def log(self):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_for_setting(self, name, value):
        """Until new sessions have it: a reload is not waited for by anybody else."""
        wait_until(lambda: self.sql(f"SHOW {name}")[0][0] == value, what=f"{name} = {value}")

    def create_database(self, name, options=""):
        """options: what CREATE DATABASE takes, such as "ENCODING 'SQL_ASCII' TEMPLATE template0" """
        with self.connect() as connection:
            if server_version() >= 15:
                options += " STRATEGY FILE_COPY"  # half the time
            statement = pgsql.SQL("CREATE DATABASE {} ").format(pgsql.Identifier(name)) + pgsql.SQL(options)
            connection.execute(statement)
        return Database(self, name)


class Database:
    """A database of a server; drop() takes its slots and the roles made through it along."""

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.roles = []

    def dsn(self, user="postgres", **more):
        return self.server.dsn(self.name, user, **more)

    def url(self, user="postgres", **more):
        return self.server.url(self.name, user, **more)

    def connect(self, user="postgres", autocommit=True, **more):
        return self.server.connect(self.name, user, autocommit, **more)

    def sql(self, query, params=None, user="postgres"):
        return self.server.sql(query, params, self.name, user)

    def value(self, query, params=None, user="postgres"):
        """The first column of the first row."""
        return self.sql(query, params, user)[0][0]

    def create_role(self, name, options="LOGIN"):
        """A role that is dropped with the database. options: LOGIN REPLICATION PASSWORD 'x' ..."""
        with self.connect() as connection:
            statement = pgsql.SQL("CREATE ROLE {} ").format(pgsql.Identifier(name)) + pgsql.SQL(options)
            connection.execute(statement)
        self.roles.append(name)
        return name

    def slot(self, name="walrow"):
        """pg_replication_slots' row as a dict; None if there is no such slot."""
        with self.connect() as connection:
            cursor = connection.execute("SELECT * FROM pg_replication_slots WHERE slot_name = %s", (name,))
            row = cursor.fetchone()
            return row and dict(zip([column.name for column in cursor.description], row))

    def flush_lsn(self):
        """The WAL's end as an integer."""
        return lsn_value(self.value("SELECT pg_current_wal_flush_lsn()::text"))

    def drop(self):
        if not self.server.running():
            self.server.start()
        with self.server.connect() as connection:
            slots = "FROM pg_replication_slots WHERE database = %s"
            others = "FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
            connection.execute(f"SELECT pg_terminate_backend(pid) {others}", (self.name,))
            wait_until(
                lambda: not connection.execute(f"SELECT 1 {slots} AND active", (self.name,)).fetchall(),
                what=f"the slots of {self.name} to be released",
            )
            connection.execute(f"SELECT pg_drop_replication_slot(slot_name) {slots}", (self.name,))
            prepared = "SELECT gid FROM pg_prepared_xacts WHERE database = %s"
            gids = [gid for (gid,) in connection.execute(prepared, (self.name,))]
        with self.connect() as connection:
            for gid in gids:
                connection.execute(pgsql.SQL("ROLLBACK PREPARED {}").format(pgsql.Literal(gid)))
        with self.server.connect() as connection:
            connection.execute(pgsql.SQL("DROP DATABASE {} WITH (FORCE)").format(pgsql.Identifier(self.name)))
            for role in self.roles:
                connection.execute(pgsql.SQL("DROP ROLE {}").format(pgsql.Identifier(role)))


class Watchdog:
    """A server's folder, and a child that outlives a SIGKILL of this process, notices it, and cleans up there."""

    def __init__(self, what):
        # the path of a socket in it has to fit 107 bytes
        parent = tempfile.gettempdir() if len(tempfile.gettempdir()) < 60 else "/tmp"
        self.folder = os.path.join(parent, f"walrow-{what}-{secrets.token_hex(6)}")
        reader, self._writer = os.pipe()
        command = [sys.executable, os.path.abspath(__file__), self.folder]
        self._child = subprocess.Popen(
            command, stdin=reader, stdout=subprocess.DEVNULL, start_new_session=True, env=clean_environment()
        )
        os.close(reader)
        os.mkdir(self.folder, 0o700)  # not before somebody would remove it

    def release(self):
        if self._writer is not None:
            os.close(self._writer)
            self._writer = None
            self._child.wait()

    @staticmethod
    def main(folder):
        # what ends a test run must not end this, before it has cleaned up
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)
        while os.read(0, 1):
            pass
        data = os.path.join(folder, "data")
        # an initdb or pg_ctl that was running when its parent was killed may still be at it
        for _ in range(3):
            run_as_server_user(pgbin("pg_ctl"), "stop", "-w", "-t", "20", "-m", "immediate", "-D", data, check=False)
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.exists(folder):
                break
            time.sleep(1)


def wait_until(condition, timeout_s=60, what="it", interval_s=0.02):
    """Poll until condition() is true and return its value."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s} s for {what}")
        time.sleep(interval_s)


def alive(pid):
    """Whether it runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid):
    children = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                if int(file.read().rsplit(")", 1)[1].split()[1]) == pid:
                    children.append(int(name))
    return children


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def lsn_value(text):
    """'16/B374D848' as an integer"""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def lsn_text(value):
    return f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"


if __name__ == "__main__":
    Watchdog.main(sys.argv[1])
