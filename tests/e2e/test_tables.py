"""walrow tables: what there is, what matches, what each thing is."""

import pytest

SHOP = """
    CREATE SCHEMA app;
    CREATE TABLE users(id bigint PRIMARY KEY, name text NOT NULL, price numeric(12,2), tags int[]);
    CREATE TABLE user_events(id int PRIMARY KEY);
    CREATE TABLE audit_log(a int, b text);
    CREATE TABLE app.orders(id int PRIMARY KEY);
    CREATE TABLE app.users(id int PRIMARY KEY);
    CREATE VIEW active AS SELECT * FROM users;
    CREATE SCHEMA "Odd.Schema";
    CREATE TABLE "Odd.Schema"."My Table"(id int PRIMARY KEY);
"""


@pytest.fixture
def shop(db):
    db.sql(SHOP)
    return db


@pytest.fixture
def tables(walrow, shop):
    """tables("public.*", ...): the JSON document as {schema.name: entry}."""

    def run(*patterns, url=None, extra=()):
        words = [word for pattern in patterns for word in ("--tables", pattern)]
        listed = walrow("tables", "-d", url or shop.url(), "--json", *words, *extra, code=0).json
        return {f"{table['schema']}.{table['name']}": table for table in listed}

    return run


def test_without_patterns_every_user_table_is_listed(tables):
    assert sorted(tables()) == [
        "Odd.Schema.My Table", "app.orders", "app.users", "public.active", "public.audit_log", "public.user_events",
        "public.users",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "pattern, names",
    [
        ("public.users", ["public.users"]),
        ("public.user*", ["public.user_events", "public.users"]),
        ("*.users", ["app.users", "public.users"]),
        ("users", ["public.users"]),
        ("public.user_[a-z]+", ["public.user_events"]),
        ("app\\.(orders|users)", ["app.orders", "app.users"]),
        ("app.*,!app.users", ["app.orders"]),
        ('"Odd.Schema"."My Table"', ["Odd.Schema.My Table"]),
        ("public.{users,user_events}", None),
    ],
)
def test_patterns_choose(tables, walrow, shop, pattern, names):
    if names is None:  # braces are a quantifier, no list
        walrow("tables", "-d", shop.url(), "--tables", pattern, code=2)
    else:
        assert sorted(tables(pattern)) == names


def test_an_unqualified_name_is_what_the_roles_search_path_says(tables, shop):
    role = shop.create_role("path_reader")
    shop.sql(f"ALTER ROLE {role} SET search_path = app, public; GRANT USAGE ON SCHEMA app TO {role}")
    assert list(tables("users", url=shop.url(role))) == ["app.users"]
    assert list(tables("audit_log", url=shop.url(role))) == ["public.audit_log"]


def test_a_pattern_that_matches_nothing_is_named_with_the_nearest(walrow, shop):
    result = walrow("tables", "-d", shop.url(), "--tables", "public.usres", code=2)
    assert '"public.usres"' in result.err
    assert "public.users" in result.err.splitlines()[-1]


def test_patterns_may_match_nothing_when_that_is_said(walrow, shop):
    result = walrow("tables", "-d", shop.url(), "--tables", "public.none", "--allow-empty", "--json", code=0)
    assert result.json == []


def test_a_bad_pattern_is_named(walrow, shop):
    result = walrow("tables", "-d", shop.url(), "--tables", "public.a,public.(b", code=2)
    assert '"public.(b"' in result.err


def test_system_tables_match_only_when_named(tables):
    assert not any(name.startswith("pg_") for name in tables("*.*"))
    named = tables("pg_catalog.pg_class")
    assert named["pg_catalog.pg_class"]["streamable"] is False


def test_columns_have_both_types(tables):
    columns = tables("public.users")["public.users"]["columns"]
    assert columns == [
        {"name": "id", "pg_type": "bigint", "arrow_type": "int64", "nullable": False},
        {"name": "name", "pg_type": "text", "arrow_type": "utf8", "nullable": False},
        {"name": "price", "pg_type": "numeric(12,2)", "arrow_type": "decimal128(12, 2)", "nullable": True},
        {"name": "tags", "pg_type": "integer[]", "arrow_type": "list<int32>", "nullable": True},
    ]


def test_a_mapping_may_be_overridden(tables):
    listed = tables("public.users", extra=["--type", "public.users.price=utf8"])
    assert listed["public.users"]["columns"][2]["arrow_type"] == "utf8"


def test_generated_columns_are_not_streamed_and_not_listed(tables, shop):
    shop.sql("CREATE TABLE g(id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)")
    assert [column["name"] for column in tables("public.g")["public.g"]["columns"]] == ["id"]


@pytest.mark.parametrize(
    "ddl, identity, key",
    [
        ("CREATE TABLE t(a int, b int, PRIMARY KEY (b, a))", "default", ["a", "b"]),
        ("CREATE TABLE t(a int, b int)", "default", []),
        ("CREATE TABLE t(a int PRIMARY KEY, b int); ALTER TABLE t REPLICA IDENTITY FULL", "full", ["a", "b"]),
        ("CREATE TABLE t(a int PRIMARY KEY, b int); ALTER TABLE t REPLICA IDENTITY NOTHING", "nothing", []),
        (
            "CREATE TABLE t(a int PRIMARY KEY, b int NOT NULL); CREATE UNIQUE INDEX i ON t(b) INCLUDE (a);"
            "ALTER TABLE t REPLICA IDENTITY USING INDEX i",
            "index",
            ["b"],
        ),
        ("CREATE TABLE t(a int PRIMARY KEY DEFERRABLE, b int)", "default", []),
    ],
)
def test_key_and_identity(tables, shop, ddl, identity, key):
    shop.sql(ddl)
    table = tables("public.t")["public.t"]
    assert (table["replica_identity"], table["key"]) == (identity, key)


@pytest.mark.parametrize(
    "ddl, kind",
    [
        ("CREATE VIEW x AS SELECT 1 AS a", "view"),
        ("CREATE MATERIALIZED VIEW x AS SELECT 1 AS a", "materialized view"),
        ("CREATE UNLOGGED TABLE x(a int PRIMARY KEY)", "unlogged table"),
        ("CREATE SEQUENCE x", "sequence"),
        (
            "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE x(a int) SERVER s",
            "foreign table",
        ),
    ],
)
def test_what_cannot_be_streamed_says_why(tables, shop, ddl, kind):
    shop.sql(ddl)
    table = tables("public.x")["public.x"]
    assert table["kind"] == kind
    assert table["streamable"] is False
    assert table["reason"]


def test_somebodys_temporary_table_cannot_be_streamed(tables, shop):
    with shop.connect() as session:
        session.execute("CREATE TEMP TABLE passing(a int PRIMARY KEY)")
        (table,) = tables("*.passing").values()
    assert (table["kind"], table["streamable"]) == ("temporary table", False)


def test_sequences_behind_columns_are_no_tables(tables, shop):
    shop.sql("CREATE TABLE s(id serial PRIMARY KEY)")
    assert list(tables("public.s*")) == ["public.s"]


PARTITIONED = """
    CREATE TABLE m(id int, d date, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
    CREATE TABLE m_2020 PARTITION OF m FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    CREATE TABLE m_2021 PARTITION OF m FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY RANGE (d);
    CREATE TABLE m_2021_1 PARTITION OF m_2021 FOR VALUES FROM ('2021-01-01') TO ('2021-07-01');
    INSERT INTO m VALUES (1, '2020-05-05'), (2, '2021-02-02');
    ANALYZE m;
"""


def test_partitions_come_as_their_root(tables, shop):
    shop.sql(PARTITIONED)
    listed = tables("public.m*")
    assert {name: table["kind"] for name, table in listed.items()} == {
        "public.m": "partitioned table",
        "public.m_2020": "partition",
        "public.m_2021": "partitioned table",
        "public.m_2021_1": "partition",
    }
    assert [name for name, table in listed.items() if table["streamable"]] == ["public.m"]
    assert "public.m" in listed["public.m_2021_1"]["reason"]
    assert listed["public.m"]["rows"] == 2
    assert listed["public.m"]["bytes"] > 0


def test_a_partition_named_alone_is_streamed_as_itself(tables, shop):
    shop.sql(PARTITIONED)
    assert tables("public.m_2020")["public.m_2020"]["streamable"] is True


def test_rows_are_the_planners_estimate(tables, shop):
    assert tables("public.users")["public.users"]["rows"] == -1
    shop.sql("INSERT INTO users SELECT i, '' FROM generate_series(1, 500) i; ANALYZE users")
    assert tables("public.users")["public.users"]["rows"] == 500


def test_discovery_changes_nothing(walrow, shop):
    walrow("tables", "-d", shop.url(), "--columns", code=0)
    assert shop.sql("SELECT 1 FROM pg_publication") == []
    assert shop.slot() is None


def test_a_role_that_may_do_nothing_still_sees_the_names(tables, shop):
    role = shop.create_role("tables_stranger")
    assert "public.users" in tables("public.*", url=shop.url(role))


def test_the_source_may_come_from_the_environment(walrow, shop):
    env = {"SOURCE_URL": shop.url(), "TABLES": "public.users"}
    assert [table["name"] for table in walrow("tables", "--json", env=env, code=0).json] == ["users"]


def test_people_read_a_list(walrow, shop):
    out = walrow("tables", "-d", shop.url(), "--tables", "public.*", "--columns", code=0).out
    assert "public.users" in out and "decimal128(12, 2)" in out
