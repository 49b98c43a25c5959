"""The shop: clerks who take orders and see to them, each step a transaction in PostgreSQL. It knows nothing of walrow."""

import concurrent.futures
import dataclasses
import random
import time
from decimal import Decimal

from states import NEXT

CLERKS = 2
ORDERS = 300  # of each clerk
PAUSE_S = 0.005  # between two customers
PRODUCTS = 30


@dataclasses.dataclass
class Order:
    id: int
    product: int
    quantity: int
    total: Decimal
    status: str


def open_for_a_day(db):
    """Until every order has come to its end, and the day's revenue is written down."""
    with concurrent.futures.ThreadPoolExecutor(CLERKS) as clerks:
        list(clerks.map(lambda seed: work(db, seed), range(CLERKS)))
    db.sql("INSERT INTO closings SELECT current_date, sum(amount) FROM payments")


def work(db, seed):
    """One clerk's day."""
    chance = random.Random(seed)
    waiting = []
    with db.connect() as connection:
        for _ in range(ORDERS):
            order = place(connection, chance.randint(1, PRODUCTS), chance.randint(1, 3))
            waiting += [order] if order else []
            see_to_one(connection, chance, waiting)
            time.sleep(PAUSE_S)
        while waiting:
            see_to_one(connection, chance, waiting)


def place(connection, product, quantity):
    """None: there is too little in stock."""
    take = "UPDATE products SET stock = stock - %(n)s WHERE id = %(id)s AND stock >= %(n)s RETURNING price * %(n)s"
    insert = "INSERT INTO orders (product, quantity, total, status) VALUES (%s, %s, %s, 'placed') RETURNING id"
    with connection.transaction():
        taken = connection.execute(take, {"id": product, "n": quantity}).fetchone()
        if taken is None:
            return None
        (id,) = connection.execute(insert, (product, quantity, *taken)).fetchone()
    return Order(id, product, quantity, *taken, status="placed")


def see_to_one(connection, chance, waiting):
    """Some order has its next step; after its last one it is no longer waiting."""
    if not waiting:
        return
    order = chance.choice(waiting)
    order.status = chance.choice(NEXT[order.status])
    record(connection, order)
    if not NEXT[order.status]:
        waiting.remove(order)


def record(connection, order):
    with connection.transaction():
        connection.execute("UPDATE orders SET status = %s WHERE id = %s", (order.status, order.id))
        if order.status == "paid":
            pay(connection, order, order.total)
        if order.status == "refunded":
            pay(connection, order, -order.total)
        if order.status in ("cancelled", "refunded"):
            connection.execute("UPDATE products SET stock = stock + %s WHERE id = %s", (order.quantity, order.product))


def pay(connection, order, amount):
    connection.execute("INSERT INTO payments (order_id, amount) VALUES (%s, %s)", (order.id, amount))
