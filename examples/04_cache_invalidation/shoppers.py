"""Shoppers who look at products while prices change, and what they notice of the cache."""

import concurrent.futures
import contextlib
import dataclasses
import random
import time

from products import Products

PRODUCTS = 100
SHOPPERS = 2
STEPS = 3000
STEPS_PER_CHANGE = 20


@dataclasses.dataclass
class Seen:
    """What reads have come to. stale_ms: how long ago the price had changed, of each hit that did not know it"""

    reads: int = 0
    hits: int = 0
    stale_ms: list[float] = dataclasses.field(default_factory=list)

    def __add__(self, other):
        return Seen(self.reads + other.reads, self.hits + other.hits, self.stale_ms + other.stale_ms)

    @property
    def hit_rate(self):
        return self.hits / self.reads


def go_shopping(db, redis):
    """Several shoppers at a time; returns all they have Seen."""
    replaced = {}  # (id, version): when its successor was committed
    with concurrent.futures.ThreadPoolExecutor(SHOPPERS) as pool:
        shoppers = [pool.submit(shop, db, redis, random.Random(seed), replaced) for seed in range(SHOPPERS)]
        return sum((shopper.result() for shopper in shoppers), Seen())


def shop(db, redis, chance, replaced):
    seen = Seen()
    popularity = [1 / rank for rank in range(1, PRODUCTS + 1)]
    with contextlib.closing(Products(db, redis)) as products:
        for step, id in enumerate(chance.choices(range(1, PRODUCTS + 1), popularity, k=STEPS)):
            if step % STEPS_PER_CHANGE == 0:
                version = products.set_price(id, chance.randrange(100, 1000))
                replaced[id, version] = time.monotonic()
            else:
                look_at(products, id, replaced, seen)
    return seen


def look_at(products, id, replaced, seen):
    asked = time.monotonic()
    product, hit = products.get(id)
    seen.reads += 1
    seen.hits += hit
    changed = replaced.get((id, product["version"]), asked)
    if hit and changed < asked:
        seen.stale_ms.append((asked - changed) * 1000)
