"""A read-through cache: products that are not in Redis are read from PostgreSQL, and kept in Redis from then on."""

import json
import uuid

KEY = "shop:products:{id}"  # the template that walrow is given, too
TTL_S = 3600  # longer than the example runs, so that nothing wrong goes away by itself
LEASE_MS = 10_000

# Who waits for the row of a share lock sees the price that is in the WAL, and whose key perhaps went already, though
# its transaction is not over yet for everybody else.
SELECT = "SELECT price, version FROM products WHERE id = %s FOR SHARE"

# What was read is kept only if the lease that was taken before is still there: else the row has changed since.
FILL = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end"


class Products:
    """One shopper's connections to both."""

    def __init__(self, db, redis):
        self.source, self.cache = db.connect(), redis.client()

    def get(self, id):
        """The product, and whether it came from the cache."""
        key = KEY.format(id=id)
        cached = self.cache.do("GET", key)
        if cached is not None and not cached.startswith(b"lease:"):
            return json.loads(cached), True
        return self._read_through(key, id), False

    def _read_through(self, key, id):
        lease = f"lease:{uuid.uuid4()}"
        leased = self.cache.do("SET", key, lease, "NX", "PX", LEASE_MS) is not None
        product = self._select(id)
        if leased:
            self.cache.do("EVAL", FILL, 1, key, lease, json.dumps(product), TTL_S)
        return product

    def _select(self, id):
        price, version = self.source.execute(SELECT, (id,)).fetchone()
        return {"price": price, "version": version}

    def set_price(self, id, price):
        """The source only: the cache hears of it from walrow. Returns the version that this one replaces."""
        update = "UPDATE products SET price = %s, version = version + 1 WHERE id = %s RETURNING version - 1"
        return self.source.execute(update, (price, id)).fetchone()[0]

    def close(self):
        self.source.close()
        self.cache.close()
