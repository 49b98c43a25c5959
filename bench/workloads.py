"""What is decoded: a table of 8 columns, filled by transactions of three sizes, a slot before each."""

TABLE = """
CREATE TABLE bench (id bigint PRIMARY KEY, a int, b int, name text, note text, price numeric(12,2),
                    at timestamptz, ok bool);
CREATE PUBLICATION bench FOR TABLE bench;
CREATE PROCEDURE fill(first bigint, n bigint, per_transaction int) LANGUAGE plpgsql AS $$
BEGIN
    FOR t IN 0 .. n / per_transaction - 1 LOOP
        INSERT INTO bench SELECT i, i % 1000, i % 77, 'name ' || i, 'note number ' || i % 5000,
            (i % 100000) / 100.0, '2026-01-01'::timestamptz + i * interval '1 ms', i % 2 = 0
        FROM generate_series(first + t * per_transaction, first + (t + 1) * per_transaction - 1) i;
        COMMIT;
    END LOOP;
END $$;
"""


class Workload:
    """ROWS rows inserted after `slot` was made and up to `end`."""

    def __init__(self, server, slot, title, rows, per_transaction, first):
        self.server = server
        self.slot = slot
        self.title = title
        self.rows = rows
        server.sql(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")
        server.sql(f"CALL fill({first}, {rows}, {per_transaction})")
        self.end = server.sql("SELECT pg_current_wal_flush_lsn()::text")[0][0]

    def copy_slot(self, plugin):
        """The slot `copy`, at this one's position: each reader decodes the same WAL."""
        self.server.sql(f"SELECT pg_copy_logical_replication_slot('{self.slot}', 'copy', false, '{plugin}')")

    def drop_copy(self):
        self.server.sql("SELECT pg_drop_replication_slot('copy')")


def make_workloads(server, rows):
    """small (10-row transactions), large (one transaction), single (single-row transactions)"""
    server.sql(TABLE)
    workloads = [
        Workload(server, "small", "10-row transactions", rows, 10, 0),
        Workload(server, "large", "one transaction", rows, rows, rows),
        Workload(server, "single", "single-row transactions", rows, 1, 2 * rows),
    ]
    server.sql("CHECKPOINT")
    return workloads
