"""The source: a web site that writes down its requests in PostgreSQL, with two rush hours in a few seconds."""

import math
import random
import time

SCHEMA = """
    CREATE TABLE requests (
        id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        page   text NOT NULL,
        status int NOT NULL,
        ms     float8 NOT NULL -- how long it took
    )
"""
INSERT = "INSERT INTO requests (page, status, ms) VALUES (%s, %s, %s)"
PAGES = {"cart": 1, "home": 5, "search": 3}  # and how popular they are
TICKS, TICK_S = 160, 0.03
MOST = 12  # requests of a tick


def visit(db):
    chance = random.Random(1)
    with db.connect() as connection:
        for tick in range(TICKS):
            rush = (1 - math.cos(4 * math.pi * tick / TICKS)) / 2
            with connection.transaction():
                connection.cursor().executemany(INSERT, [request(chance, rush) for _ in range(1 + round(MOST * rush))])
            time.sleep(TICK_S)


def request(chance, rush):
    """The busier, the slower, and the more of them fail."""
    (page,) = chance.choices(list(PAGES), PAGES.values())
    status = 500 if chance.random() < 0.05 * rush else 200
    return page, status, chance.lognormvariate(3 + rush, 0.4)
