"""What is decoded: for each workload its tables, a slot, and then its rows."""

from dataclasses import dataclass, replace

FILL = """
CREATE PROCEDURE fill(statement text, first bigint, n bigint, per_transaction int) LANGUAGE plpgsql AS $$
BEGIN
    FOR t IN 0 .. n / per_transaction - 1 LOOP
        EXECUTE statement USING first + t * per_transaction, first + (t + 1) * per_transaction - 1;
        COMMIT;
    END LOOP;
END $$;
CREATE PUBLICATION bench FOR ALL TABLES;
"""

# The row that most workloads have: 8 columns of everyday types. $1 and $2: the first and last number of a transaction.
TABLE = """CREATE TABLE {} (id bigint PRIMARY KEY, a int, b int, name text, note text, price numeric(12,2),
                            at timestamptz, ok bool)"""
ROW = """i, i % 1000, i % 77, 'name ' || i, 'note number ' || i % 5000, (i % 100000) / 100.0,
         '2026-01-01'::timestamptz + i * interval '1 ms', i % 2 = 0"""
INSERT = f"INSERT INTO {{}} SELECT {ROW} FROM generate_series($1, $2) i"

WIDE_COLUMNS = [("int", "i % {}"), ("text", "'value ' || i % {}"), ("float8", "i / {}.0")] * 33
WIDE_TABLE = ", ".join(f"c{n} {kind}" for n, (kind, _) in enumerate(WIDE_COLUMNS))
WIDE_ROW = ", ".join(value.format(n + 2) for n, (_, value) in enumerate(WIDE_COLUMNS))

# 9.6 KB that do not compress
LONG_TEXT = "(SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 300) j)"

# 10 changes: 4 orders, 3 events, 2 accounts updated, 1 job done
MIXED = f"""
WITH orders AS (INSERT INTO mixed_orders SELECT {ROW} FROM generate_series($1, $1 + 3) i),
     events AS (INSERT INTO mixed_events SELECT i, 'event', now() FROM generate_series($1, $1 + 2) i),
     accounts AS (UPDATE mixed_accounts SET balance = balance + 1 WHERE id IN ($1 / 10 % 500, $1 / 10 % 500 + 500))
DELETE FROM mixed_jobs WHERE id = $1 / 10"""


@dataclass
class Workload:
    """`rows` changes made after `slot` was and up to `end`."""

    server: object
    slot: str
    title: str
    rows: int
    end: str = ""

    def fill(self, statement, per_transaction, first=0):
        """Changes up to `rows`, of which there are `first`."""
        self.server.sql("CALL fill(%s, %s, %s, %s)", (statement, first, self.rows - first, per_transaction))
        self.end = self.server.sql("SELECT pg_current_wal_flush_lsn()::text")[0][0]


class Workloads:
    """All of them. `small` is the main one, `small_part` its first third, for contestants that take long."""

    def __init__(self, server, rows):
        self.server = server
        server.sql(FILL)
        self.small_part = self.make("small", "10-row transactions", rows // 3, TABLE.format("small"))
        self.small_part.fill(INSERT.format("small"), 10)
        self.small = replace(self.small_part, rows=self.small_part.rows * 3)
        self.small.fill(INSERT.format("small"), 10, self.small_part.rows)
        self.others = [
            self.large(rows // 6), self.single(rows // 15), self.wide(rows // 50), self.toast(rows // 100),
            self.full(rows // 10), self.mixed(rows // 10),
        ]  # fmt: skip
        server.sql("CHECKPOINT")

    def make(self, slot, title, rows, *statements):
        rows = max(rows // 100, 1) * 100
        for statement in statements:
            self.server.sql(statement.replace("ROWS", str(rows)))
        self.server.sql("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))
        return Workload(self.server, slot, title, rows)

    def large(self, rows):
        workload = self.make("large", "one transaction", rows, TABLE.format("large"))
        workload.fill(INSERT.format("large"), workload.rows)
        return workload

    def single(self, rows):
        workload = self.make("single", "single-row transactions", rows, TABLE.format("single"))
        workload.fill(INSERT.format("single"), 1)
        return workload

    def wide(self, rows):
        table = f"CREATE TABLE wide (id bigint PRIMARY KEY, {WIDE_TABLE})"
        workload = self.make("wide", "100 columns, 10-row transactions", rows, table)
        workload.fill(f"INSERT INTO wide SELECT i, {WIDE_ROW} FROM generate_series($1, $2) i", 10)
        return workload

    def toast(self, rows):
        """Every long text comes, and then an update that leaves it alone."""
        table = "CREATE TABLE toast (id bigint PRIMARY KEY, n int, body text)"
        workload = self.make("toast", "texts of 9.6 KB inserted, then updates beside them", rows, table)
        inserts = replace(workload, rows=workload.rows // 2)
        inserts.fill(f"INSERT INTO toast SELECT i, 0, {LONG_TEXT} FROM generate_series($1, $2) i", 10)
        rows_before = f"BETWEEN $1 - {inserts.rows} AND $2 - {inserts.rows}"
        workload.fill(f"UPDATE toast SET n = 1 WHERE id {rows_before}", 10, inserts.rows)
        return workload

    def full(self, rows):
        workload = self.make(
            "full", "updates, REPLICA IDENTITY FULL, 10-row transactions", rows,
            TABLE.format('"full"'), 'ALTER TABLE "full" REPLICA IDENTITY FULL',
            f'INSERT INTO "full" SELECT {ROW} FROM generate_series(0, ROWS) i',
        )  # fmt: skip
        workload.fill('UPDATE "full" SET a = a + 1, note = note || \'!\' WHERE id BETWEEN $1 AND $2', 10)
        return workload

    def mixed(self, rows):
        workload = self.make(
            "mixed", "inserts, updates and deletes of four tables, 10-row transactions", rows,
            TABLE.format("mixed_orders"),
            "CREATE TABLE mixed_events (id bigint PRIMARY KEY, kind text, at timestamptz)",
            "CREATE TABLE mixed_accounts (id bigint PRIMARY KEY, balance bigint)",
            "CREATE TABLE mixed_jobs (id bigint PRIMARY KEY, state text)",
            "INSERT INTO mixed_accounts SELECT i, 0 FROM generate_series(0, 999) i",
            "INSERT INTO mixed_jobs SELECT i, 'waiting' FROM generate_series(0, ROWS / 10) i",
        )  # fmt: skip
        workload.fill(MIXED, 10)
        return workload
