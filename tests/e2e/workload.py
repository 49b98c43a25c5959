"""A seeded, random-ish application: transactions of every kind of change, on tables of every replica identity."""

import random

TABLES = """
CREATE TABLE plain (id int PRIMARY KEY, v text, n numeric(12,3), at timestamptz DEFAULT now());
CREATE TABLE whole (id int PRIMARY KEY, v text, j jsonb, a int[]); ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE TABLE byindex (id int PRIMARY KEY, code text NOT NULL, v float8); CREATE UNIQUE INDEX by_code ON byindex (code);
ALTER TABLE byindex REPLICA IDENTITY USING INDEX by_code;
CREATE TABLE pair (a int, b text, v text, PRIMARY KEY (b, a));
CREATE TABLE toast (id int PRIMARY KEY, n int, big text); ALTER TABLE toast ALTER big SET STORAGE EXTERNAL;
CREATE TABLE parted (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (MINVALUE) TO (50);
CREATE TABLE parted_high (v text, id int NOT NULL);
ALTER TABLE parted ATTACH PARTITION parted_high FOR VALUES FROM (50) TO (MAXVALUE);
CREATE TABLE nothing (id int, v text); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
CREATE TABLE outside (id int PRIMARY KEY);
"""
CAPTURED = ("plain", "whole", "byindex", "pair", "toast", "parted", "nothing")

STATEMENTS = [
    "INSERT INTO plain VALUES ({new}, {text}, {x} / 8.0) ON CONFLICT DO NOTHING",
    "INSERT INTO plain SELECT i, 'm' || i, NULL FROM generate_series({new}, {new} + 20) i ON CONFLICT DO NOTHING",
    "UPDATE plain SET v = {text} WHERE id % 7 = {x} % 7",
    "UPDATE plain SET id = -{new} WHERE id = (SELECT min(id) FROM plain)",
    "DELETE FROM plain WHERE id % 11 = {x} % 11",
    "INSERT INTO whole VALUES ({new}, {text}, '{{\"k\": [{x}, null]}}', '{{1,NULL,{x}}}') ON CONFLICT DO NOTHING",
    "UPDATE whole SET v = NULL, a = a || {x} WHERE id % 5 = {x} % 5",
    "DELETE FROM whole WHERE id % 6 = {x} % 6",
    "INSERT INTO byindex VALUES ({new}, 'c{new}', {x} / 3.0) ON CONFLICT DO NOTHING",
    "UPDATE byindex SET v = v + 1 WHERE id % 3 = {x} % 3",
    "UPDATE byindex SET code = code || '+' WHERE id % 4 = {x} % 4",
    "DELETE FROM byindex WHERE id % 9 = {x} % 9",
    "INSERT INTO pair VALUES ({x}, coalesce({text}, 'b'), 'v') ON CONFLICT DO NOTHING",
    "UPDATE pair SET v = {text}, a = 1000 + {new} WHERE a = {x}",
    "DELETE FROM pair WHERE a % 4 = {x} % 4",
    "INSERT INTO toast VALUES ({new}, {x}, repeat('{x}', 3000)) ON CONFLICT DO NOTHING",
    "UPDATE toast SET n = n + 1 WHERE id % 3 = {x} % 3",
    "UPDATE toast SET big = big || 'y' WHERE id % 5 = {x} % 5",
    "DELETE FROM toast WHERE id % 7 = {x} % 7",
    "INSERT INTO parted VALUES ({x}, {text}) ON CONFLICT DO NOTHING",
    "UPDATE parted SET v = {text} WHERE id % 3 = {x} % 3",
    "UPDATE parted SET id = 100 + {new} WHERE id = (SELECT min(id) FROM parted)",
    "DELETE FROM parted WHERE id % 8 = {x} % 8",
    "INSERT INTO nothing VALUES ({x}, {text})",
    "UPDATE nothing SET v = 'never seen'",
    "DELETE FROM nothing WHERE id % 2 = 0",
    "INSERT INTO outside VALUES ({new}) ON CONFLICT DO NOTHING",
    "SELECT pg_logical_emit_message(true, 'prefix {x}', {text})",
]
RARE = ["TRUNCATE plain, outside, toast", "TRUNCATE byindex", "TRUNCATE pair, nothing", "TRUNCATE parted, whole", "TRUNCATE parted_low"]
TEXTS = ["NULL", "''", "'it''s'", "'ünï 🐘'", "E'two\\nlines\\ttab \\\\ back \"quoted\"'", "repeat('long', 100)"]


class Workload:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.new = 0

    def statement(self):
        pick = self.random
        self.new += 25
        statement = pick.choice(RARE) if pick.random() < 0.03 else pick.choice(STATEMENTS)
        return statement.format(new=self.new, x=pick.randrange(100), text=pick.choice(TEXTS))

    def transaction(self, connection):
        """A transaction of some statements; some of them in savepoints, of which some are rolled back."""
        connection.execute("BEGIN")
        for _ in range(self.random.randint(1, 8)):
            kind = self.random.random()
            if kind < 0.2:
                connection.execute("SAVEPOINT s")
            connection.execute(self.statement())
            if kind < 0.1:
                connection.execute("ROLLBACK TO s")
            elif kind < 0.2:
                connection.execute("RELEASE s")
        connection.execute("COMMIT" if self.random.random() < 0.9 else "ROLLBACK")

    def run(self, db, transactions):
        with db.connect() as connection:
            for _ in range(transactions):
                self.transaction(connection)
