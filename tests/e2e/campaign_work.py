"""The campaign's workload: five tables, transactions of every size and kind, all the time, whatever the server does."""

import contextlib
import random
import threading
import time

import psycopg

TABLES = """
CREATE TABLE items (id int PRIMARY KEY, v text, n int);
CREATE TABLE pairs (a int, b text, v text, PRIMARY KEY (b, a));
CREATE TABLE codes (id int PRIMARY KEY, code text NOT NULL, v text); CREATE UNIQUE INDEX by_code ON codes (code);
ALTER TABLE codes REPLICA IDENTITY USING INDEX by_code;
CREATE TABLE whole (id int PRIMARY KEY, v text, n int); ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE TABLE large (id int PRIMARY KEY, v text, big text); ALTER TABLE large ALTER big SET STORAGE EXTERNAL;
"""
KEYS = {"items": ("id",), "pairs": ("b", "a"), "codes": ("code",), "whole": ("id",), "large": ("id",)}
LATE_ROWS = 3000
LATE = f"""
CREATE TABLE {{table}} (id int PRIMARY KEY, v text, n int);
INSERT INTO {{table}} SELECT i, repeat('{{table}} ', 200), i FROM generate_series(1, {LATE_ROWS}) i;
"""
ROLLED_BACK = "rolled back"  # in every row that a transaction or savepoint writes and takes back

SMALL = [
    "INSERT INTO items VALUES ({new}, '{text}', {x})",
    "INSERT INTO items SELECT i, '{text}', {x} FROM generate_series({new}, {new} + 20) i",
    "UPDATE items SET v = '{text}' WHERE id % 29 = {x} % 29",
    "UPDATE items SET id = -{new}, v = '{text}' WHERE id = (SELECT min(id) FROM items)",
    "DELETE FROM items WHERE id % 7 = {x} % 7",
    "INSERT INTO pairs VALUES ({new}, 'b{x}', '{text}')",
    "UPDATE pairs SET a = -{new}, v = '{text}' WHERE (a, b) = (SELECT a, b FROM pairs ORDER BY a DESC LIMIT 1)",
    "DELETE FROM pairs WHERE a % 5 = {x} % 5",
    "INSERT INTO codes VALUES ({new}, 'c{new}', '{text}')",
    "UPDATE codes SET code = code || '+', v = '{text}' WHERE id % 11 = {x} % 11 AND length(code) < 40",
    "UPDATE codes SET v = '{text}' WHERE id % 3 = {x} % 3",
    "DELETE FROM codes WHERE id % 9 = {x} % 9",
    "INSERT INTO whole VALUES ({new}, '{text}', {x})",
    "UPDATE whole SET v = '{text}', n = NULL WHERE id % 5 = {x} % 5",
    "DELETE FROM whole WHERE id % 4 = {x} % 4",
    "INSERT INTO large VALUES ({new}, '{text}', repeat('{x}', 3000))",
    "UPDATE large SET v = '{text}' WHERE id % 6 = {x} % 6",
    "UPDATE large SET big = big || 'y', v = '{text}' WHERE id % 13 = {x} % 13 AND length(big) < 9000",
    "DELETE FROM large WHERE id % 5 = {x} % 5",
]
LARGE = [
    "INSERT INTO items SELECT i, '{text}', i FROM generate_series({new}, {new} + 3000) i",
    "INSERT INTO pairs SELECT i, 'b' || i % 7, '{text}' FROM generate_series({new}, {new} + 2000) i",
    "UPDATE items SET v = '{text}'",
    "DELETE FROM items; DELETE FROM pairs",
]
OF_LATE = [
    "INSERT INTO {table} VALUES ({new}, '{text}', {x})",
    "UPDATE {table} SET v = '{text}' WHERE id % 97 = {x}",
    "UPDATE {table} SET id = -{new}, v = '{text}' WHERE id = (SELECT max(id) FROM {table})",
    "DELETE FROM {table} WHERE id % 89 = {x}",
]
TRUNCATES = ["TRUNCATE items, pairs", "TRUNCATE codes", "TRUNCATE whole, large"]


def key_of(table):
    return KEYS.get(table, ("id",))


class Work(threading.Thread):
    """Runs until stop(); a server that goes away is waited for."""

    def __init__(self, db, seed):
        super().__init__(daemon=True)
        self.db, self.pick, self.new = db, random.Random(seed), 0
        self.stopping, self.transactions = threading.Event(), 0
        self.late = []  # tables made while the streams run

    def run(self):
        while not self.stopping.is_set():
            # a connection that broke: whether its last COMMIT was one is for the oracle to say
            with contextlib.suppress(psycopg.OperationalError), self.db.connect() as connection:
                while not self.stopping.is_set():
                    self.transaction(connection)
                    self.transactions += 1
                    time.sleep(self.pick.uniform(0.01, 0.08))
            time.sleep(0.05)

    def add_table(self):
        """A new one, with rows, and changed from now on; its name."""
        table = f"late_{len(self.late)}"
        self.db.sql(LATE.format(table=table))
        self.late.append(table)
        return table

    def stop(self):
        self.stopping.set()
        self.join(60)
        assert not self.is_alive()

    def transaction(self, connection):
        doomed = self.pick.random() < 0.1
        chance = self.pick.random()
        # a table that is not captured yet would count in nobody's ordinals: it has transactions of its own
        kinds = LARGE if chance < 0.01 else TRUNCATES if chance < 0.02 else OF_LATE if chance < 0.07 and self.late else SMALL
        connection.execute("BEGIN")
        for _ in range(self.pick.randint(1, 6) if kinds is SMALL else 1):
            fate = self.pick.random()
            if fate < 0.2:
                connection.execute("SAVEPOINT s")
            connection.execute(self.statement(kinds, doomed or fate < 0.1))
            if fate < 0.2:
                connection.execute("ROLLBACK TO s" if fate < 0.1 else "RELEASE s")
        connection.execute("ROLLBACK" if doomed else "COMMIT")

    def statement(self, kinds, doomed):
        self.new += 4000
        text = ROLLED_BACK if doomed else f"v{self.new}"
        words = {"new": self.new, "x": self.pick.randrange(100), "text": text, "table": (self.late or [None])[-1]}
        return self.pick.choice(kinds).format(**words)
