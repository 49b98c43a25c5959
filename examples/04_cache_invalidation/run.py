"""A cache in Redis in front of PostgreSQL: how often it is right, without walrow and with it."""

import json

import throwaway
from products import KEY
from shoppers import PRODUCTS, go_shopping

SCHEMA = f"""
    CREATE TABLE products (id int PRIMARY KEY, price int NOT NULL, version int NOT NULL DEFAULT 0);
    INSERT INTO products SELECT id, 500 FROM generate_series(1, {PRODUCTS}) id;
"""


def stale_keys(db, redis):
    """Of products whose price in the cache is not the one in the source."""
    prices = {KEY.format(id=id): price for id, price in db.sql("SELECT id, price FROM products")}
    with redis.client() as client:
        cached = {key: client.do("GET", key) for key in prices}
    return [key for key, value in cached.items() if value is not None and json.loads(value)["price"] != prices[key]]


def report(title, seen, stale):
    longest = max(seen.stale_ms, default=0)
    median = sorted(seen.stale_ms)[len(seen.stale_ms) // 2] if seen.stale_ms else 0
    print(f"{title}: {seen.reads} reads, {seen.hit_rate:.1%} of them from the cache")
    print(f"  stale reads: {len(seen.stale_ms)}, by {median:.2f} ms (median), {longest:.2f} ms (longest)")
    print(f"  stale keys in the end: {len(stale)}")


def without_walrow(db, redis):
    seen, stale = go_shopping(db, redis), stale_keys(db, redis)
    report("without walrow", seen, stale)
    assert stale, "prices have changed, and nobody told the cache"


def with_walrow(db, redis):
    sink = f"{redis.uri()}?key={KEY.replace('products', '{table}')}"
    with throwaway.streaming(db, "--snapshot", "never", "--to", sink) as stream:
        seen = go_shopping(db, redis)
        stream.wait_for(lambda: not stale_keys(db, redis), what="the cache has heard of every change")
    report("with walrow", seen, stale_keys(db, redis))
    assert seen.hit_rate > 0.5, "a cache is for hits"


def main():
    with throwaway.database(SCHEMA) as db, throwaway.Redis() as redis:
        without_walrow(db, redis)
        with redis.client() as client:
            client.do("FLUSHALL")
        throwaway.walrow("setup", "--source", db.url(), code=0)  # from here on no change is missed
        with_walrow(db, redis)


if __name__ == "__main__":
    throwaway.run(main)
