"""Random tables, random changes and random DDL, the same for the same seed.

    generator.py SEED...        prints the SQL of seeds
    run(db, seeds)              makes it happen, NEIGHBOURS seeds at a time, their transactions interleaved

A seed owns a schema (g0017). Its statements never fail, so what it knows of its tables is true; what a rolled-back
savepoint undoes is undone in its mind too.
"""

import copy
import random
import sys

from psycopg import sql

from edges import EDGES, TEXT_ONLY

NEIGHBOURS = 4  # seeds // 4 of the same value run at the same time
TYPES = [name for name in EDGES if name not in TEXT_ONLY]
KEY_TYPES = ("text", "numeric", "bigint", "uuid", "date", "zoo.mood", "zoo.citext", "character(10)", "integer[]", "bytea", "inet", "zoo.pair",
             "jsonb", "double precision", "timestamp with time zone", "numeric(12,2)", "zoo.price")  # fmt: skip
TOASTED = "(SELECT string_agg(md5(({} * i)::text), '') FROM generate_series(1, {}) i)"  # 32 bytes each
NAMES = ("v", "n", "Up", "a b", "ü", "select", 'qu"ote', "ид", "_x")


def literal(value):
    return sql.Literal(value).as_string(None)


def quote(name):
    return sql.Identifier(name).as_string(None)


class Table:
    def __init__(self, name, columns, keys, identity, parted=False):
        self.name, self.columns, self.keys, self.identity, self.parted = name, columns, keys, identity, parted

    @property
    def sql_name(self):
        return quote(self.name)

    @property
    def only_inserts(self):
        return self.identity == "nothing"


class Seed:
    """before(): the script of its tables; steps(): what happens then, each text one execution.

    wide: the publication is of all tables, so some may come while it runs, and each has to have an identity.
    """

    def __init__(self, seed, wide=False):
        self.seed, self.wide = seed, wide
        self.random = random.Random(seed)
        self.schema = f"g{seed:04}"
        self.counter = 0
        self.tables = []

    # -- tables --

    def before(self):
        """The script that makes its tables."""
        lines = [f"CREATE SCHEMA {self.schema}", f"SET search_path = {self.schema}, zoo"]
        for _ in range(self.random.randint(1, 3)):
            lines += self.create_table()
        return "; ".join(lines)

    def create_table(self):
        pick = self.random
        number = self.next()
        identity = pick.choice(["default"] * 3 + ["full"] * 3 + ["index", "full without key"] + ([] if self.wide else ["nothing"]))
        table = Table(f"{'only' if identity == 'nothing' else 't'}{number}", {}, ["id"], identity, pick.random() < 0.15 and identity in ("default", "full"))
        has_two_keys = not table.parted and pick.random() < 0.5
        if has_two_keys or identity == "index":
            table.columns["k"] = pick.choice(KEY_TYPES)
            table.keys = ["k"] if identity == "index" else ["k", "id"]
        for _ in range(pick.randint(1, 6)):
            table.columns[self.new_column()] = pick.choice(TYPES + ["text"] * 70)
        self.tables.append(table)
        return self.parted(table) if table.parted else self.plain(table)

    def plain(self, table):
        columns = ["id int NOT NULL"] + [f"{quote(name)} {kind}{' NOT NULL' if name == 'k' else ''}" for name, kind in table.columns.items()]
        self.random.shuffle(columns)
        yield f"CREATE TABLE {table.sql_name} ({', '.join(columns)})"
        if table.identity not in ("full without key", "nothing"):
            yield f"ALTER TABLE {table.sql_name} ADD PRIMARY KEY ({', '.join(['id'] if table.identity == 'index' else table.keys)})"
        if table.identity == "index":  # with the id what is random is unique
            yield f"CREATE UNIQUE INDEX {table.name}_by_k ON {table.sql_name} (k, id)"
            yield f"ALTER TABLE {table.sql_name} REPLICA IDENTITY USING INDEX {table.name}_by_k"
        if table.identity.startswith("full"):
            yield f"ALTER TABLE {table.sql_name} REPLICA IDENTITY FULL"
        if table.identity == "nothing":
            yield f"ALTER TABLE {table.sql_name} REPLICA IDENTITY NOTHING"

    def parted(self, table):
        columns = ", ".join(f"{quote(name)} {kind}" for name, kind in table.columns.items())
        turned = ", ".join(f"{quote(name)} {kind}" for name, kind in reversed(table.columns.items()))
        name = table.name
        yield f"CREATE TABLE {name} (id int PRIMARY KEY, {columns}) PARTITION BY RANGE (id)"
        yield f"CREATE TABLE {name}_low PARTITION OF {name} FOR VALUES FROM (MINVALUE) TO (0)"
        yield f"CREATE TABLE {name}_high ({turned}, junk int, id int NOT NULL)"
        yield f"ALTER TABLE {name}_high DROP junk"
        yield f"ALTER TABLE {name} ATTACH PARTITION {name}_high FOR VALUES FROM (0) TO (MAXVALUE)"
        for part in ("", "_low", "_high"):
            if self.random.random() < (0.8 if table.identity == "full" else 0.3 if part else 0):
                yield f"ALTER TABLE ONLY {name}{part} REPLICA IDENTITY FULL"

    def next(self):
        self.counter += 1
        return self.counter

    def new_column(self):
        return f"{self.random.choice(NAMES)}{self.next()}"

    # -- values --

    def value(self, kind, name=None):
        pick = self.random
        if kind == "text" and pick.random() < 0.4:
            return TOASTED.format(pick.randrange(1, 1 << 20), 75 if name == "k" else 200)  # of a key an index has to hold it
        return self.constant(kind)

    def constant(self, kind):
        texts = [text for text in EDGES[kind] if kind != "interval" or "infinity" not in text]  # it is infinite from 17 on
        return f"{literal(self.random.choice(texts))}::{kind}"

    def maybe_null(self, name, kind):
        return "NULL" if name != "k" and self.random.random() < 0.2 else self.value(kind, name)

    def fresh_id(self):
        return self.next() * self.random.choice((1, 1, -1))

    # -- changes --

    def insert(self, table):
        rows = []
        for _ in range(self.random.choice((1, 1, 2, 5))):
            rows.append(f"({self.fresh_id()}, {', '.join(self.maybe_null(n, k) for n, k in table.columns.items())})")
        return f"INSERT INTO {table.sql_name} (id, {self.names(table)}) VALUES {', '.join(rows)}"

    def insert_many(self, table):
        first, n = self.counter + 1, self.random.randrange(20, 100)
        self.counter += n
        values = ", ".join(self.maybe_null(name, kind) for name, kind in table.columns.items())
        return f"INSERT INTO {table.sql_name} (id, {self.names(table)}) SELECT i, {values} FROM generate_series({first}, {first + n - 1}) i"

    @staticmethod
    def names(table):
        return ", ".join(map(quote, table.columns))

    def where(self):
        m = self.random.choice((1, 2, 3, 5))
        return f"WHERE abs(id) % {m} = {self.random.randrange(m)}"

    def update(self, table):
        names = self.random.sample(list(table.columns), self.random.randint(1, len(table.columns)))
        assign = [f"{quote(name)} = {self.maybe_null(name, table.columns[name])}" for name in names]
        return f"UPDATE {table.sql_name} SET {', '.join(assign)} {self.where()}"

    def update_nothing(self, table):
        name = quote(self.random.choice(["id", *table.columns]))
        return f"UPDATE {table.sql_name} SET {name} = {name} {self.where()}"

    def update_key(self, table):
        if self.counter < 1 << 20 and self.random.random() < 0.3:
            by = 2 * self.counter + 1  # further than any two are apart: none meets another; some go to another partition
            self.counter += by
            return f"UPDATE {table.sql_name} SET id = id + {by}"
        return f"UPDATE {table.sql_name} SET id = {self.fresh_id()} WHERE id = (SELECT min(id) FROM {table.sql_name})"

    def delete(self, table):
        return f"DELETE FROM {table.sql_name} {self.where()}"

    def truncate(self, table):
        others = [other.sql_name for other in self.tables if other is not table and self.random.random() < 0.5]
        return f"TRUNCATE {', '.join([table.sql_name, *others])}"

    def message(self, _):
        return f"SELECT pg_logical_emit_message({self.random.random() < 0.7}, {literal(f'p{self.next()} ü')}, {literal(self.random.choice(EDGES['text']))})"

    def change(self):
        table = self.random.choice(self.tables)
        kinds = [self.insert] * 4 + [self.insert_many, self.message]
        if not table.only_inserts:
            kinds += [self.update] * 4 + [self.update_nothing, self.update_key, self.delete, self.truncate]
        return self.random.choice(kinds)(table)

    # -- DDL --

    def ddl(self):
        pick = self.random
        if self.wide and pick.random() < 0.2:
            return "; ".join(self.create_table())
        table = pick.choice(self.tables)
        kinds = [self.add_column] * 2 + [self.drop_column, self.rename_column, self.change_type, self.set_storage]
        if not table.parted:  # a root's new name and key are not announced in a running session (DESIGN 3)
            kinds += [self.rename_table]
            if table.identity in ("default", "full"):
                kinds += [self.change_identity]
        return pick.choice(kinds)(table)

    def add_column(self, table):
        name, kind = self.new_column(), self.random.choice(TYPES)
        table.columns[name] = kind
        default = f" DEFAULT {self.constant(kind)}" if self.random.random() < 0.5 else ""
        return f"ALTER TABLE {table.sql_name} ADD {quote(name)} {kind}{default}"

    def some_column(self, table):
        names = [name for name in table.columns if name != "k"]
        return self.random.choice(names) if len(names) > 1 else None

    def drop_column(self, table):
        name = self.some_column(table)
        if name is None:
            return self.add_column(table)
        del table.columns[name]
        return f"ALTER TABLE {table.sql_name} DROP {quote(name)}"

    def rename_column(self, table):
        name = self.some_column(table)
        if name is None:
            return self.add_column(table)
        to = self.new_column()
        table.columns[to] = table.columns.pop(name)
        return f"ALTER TABLE {table.sql_name} RENAME {quote(name)} TO {quote(to)}"

    def change_type(self, table):
        name = self.some_column(table)
        if name is None:
            return self.add_column(table)
        if self.random.random() < 0.5:
            table.columns[name] = "text"
            using = ""  # anything has an assignment cast to text
        else:
            table.columns[name] = self.random.choice(TYPES)
            using = f" USING {self.constant(table.columns[name])}"
        column = quote(name)
        return f"ALTER TABLE {table.sql_name} ALTER {column} DROP DEFAULT, ALTER {column} TYPE {table.columns[name]}{using}"

    def set_storage(self, table):
        names = [name for name, kind in table.columns.items() if kind == "text"]
        if not names:
            return self.add_column(table)
        return f"ALTER TABLE {table.sql_name} ALTER {quote(self.random.choice(names))} SET STORAGE EXTERNAL"

    def rename_table(self, table):
        old = table.sql_name
        table.name = f"{table.name.split(' ')[0]} {self.random.choice(NAMES)}{self.next()}"
        return f"ALTER TABLE {old} RENAME TO {table.sql_name}"

    def change_identity(self, table):
        table.identity = "full" if table.identity == "default" else "default"
        return f"ALTER TABLE {table.sql_name} REPLICA IDENTITY {table.identity}"

    # -- transactions --

    def steps(self):
        for _ in range(self.random.randint(4, 8)):
            kind = self.random.random()
            if kind < 0.25:
                yield self.ddl()
            elif kind < 0.4:
                yield self.change()
            else:
                yield from self.transaction()

    def transaction(self):
        pick = self.random
        yield "BEGIN"
        known, saved = copy.deepcopy(self.tables), []
        for _ in range(pick.randint(2, 8)):
            kind = pick.random()
            if kind < 0.2:
                saved.append(copy.deepcopy(self.tables))
                yield f"SAVEPOINT s{len(saved)}"
            elif kind < 0.4 and saved:
                yield f"{'ROLLBACK TO' if kind < 0.33 else 'RELEASE'} s{len(saved)}"
                if kind < 0.33:
                    self.tables = copy.deepcopy(saved[-1])
                else:
                    saved.pop()
            yield self.ddl() if pick.random() < 0.12 else self.change()
        if pick.random() < 0.12:
            self.tables = known
            yield "ROLLBACK"
        else:
            yield "COMMIT"

    def script(self):
        return [self.before(), *self.steps()]


def prepare(db, seeds):
    """Make the tables of seeds, before anybody watches."""
    with db.connect() as connection:
        for seed in seeds:
            connection.execute(seed.before())


def run(db, seeds):
    """Run the changes of seeds, neighbours interleaved, statement by statement."""
    groups = {}
    for seed in seeds:
        groups.setdefault(seed.seed // NEIGHBOURS, []).append(seed)
    for group in groups.values():
        run_interleaved(db, group)


def run_interleaved(db, seeds):
    connections = [db.connect() for _ in seeds]
    running = []
    for seed, connection in zip(seeds, connections):
        connection.execute(f"SET search_path = {seed.schema}, zoo")
        running.append((seed, connection, seed.steps()))
    while running:
        for one in list(running):
            seed, connection, steps = one
            step = next(steps, None)
            if step is None:
                running.remove(one)
            else:
                execute(seed, connection, step)
    for connection in connections:
        connection.close()


def execute(seed, connection, step):
    try:
        connection.execute(step)
    except Exception as error:
        raise AssertionError(f"seed {seed.seed}: {step[:500]}: {error}") from error


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(*Seed(int(argument)).script(), sep=";\n", end=";\n")
