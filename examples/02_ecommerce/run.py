"""A shop in PostgreSQL, and a ledger of it that hears everything from Kafka exactly once, though walrow is killed."""

import concurrent.futures
import contextlib
import datetime
import json
import os
import time
from decimal import Decimal

from confluent_kafka import Consumer, KafkaException, TopicPartition

import throwaway
from ledger import Ledger
from shop import ORDERS, open_for_a_day

TOPIC = "shop.events"  # of all tables, and of one partition: in the order of PostgreSQL's commits
SECONDS_PER_LINE = 0.5
PATIENCE_S = 60


def events(broker):
    """Those of the topic from its beginning, as soon as they are committed; None: nothing new for a moment."""
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "ledger", "isolation.level": "read_committed"})
    with contextlib.closing(consumer):
        consumer.assign([TopicPartition(TOPIC, 0, 0)])
        while True:
            message = consumer.poll(0.1)
            if message and message.error():
                raise KafkaException(message.error())
            yield message and json.loads(message.value(), parse_float=Decimal)


def follow(heard, ledger, until):
    """Note events, and print now and then what they come to, until something holds."""
    printed = last = time.monotonic()
    while not until():
        event, now = next(heard), time.monotonic()
        if event:
            ledger.note(event)
            last = now
        assert now - last < PATIENCE_S, "nothing comes any more"
        if event and now - printed > SECONDS_PER_LINE:
            printed = now
            print(f"{milliseconds_since(event['timestamp']):4.0f} ms behind: {ledger.metrics()}", flush=True)


def milliseconds_since(timestamp):
    return (datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(timestamp)).total_seconds() * 1000


def stream_the_shop(db, kafka, ledger):
    sink = ("--ack-interval", "100", "--to", kafka.uri("shop", f"?topic={TOPIC}"))
    heard = events(kafka.address)
    with throwaway.streaming(db, *sink) as stream, concurrent.futures.ThreadPoolExecutor() as background:
        day = background.submit(open_for_a_day, db)
        follow(heard, ledger, until=lambda: len(ledger.orders) > ORDERS / 2)
        stream.kill()
        print("walrow is killed, and starts again", flush=True)
        with throwaway.streaming(db, *sink):
            follow(heard, ledger, until=lambda: ledger.closed)
        day.result()


def check(ledger, db, stocked):
    """Against what PostgreSQL has in the end. stocked: what there was before anything was sold"""
    assert {id: order["status"] for id, order in ledger.orders.items()} == dict(db.sql("SELECT id, status FROM orders"))
    assert {id: product["stock"] for id, product in ledger.products.items()} == dict(db.sql("SELECT id, stock FROM products"))
    assert ledger.revenue == db.value("SELECT sum(amount) FROM payments")
    assert ledger.sold + ledger.stock == stocked
    print(f"the ledger agrees with PostgreSQL: {ledger.metrics()}")


def main():
    with open(os.path.join(throwaway.HERE, "schema.sql"), encoding="utf-8") as schema:
        script = schema.read()
    ledger = Ledger()
    with throwaway.database(script) as db, throwaway.Kafka() as kafka:
        stocked = db.value("SELECT sum(stock) FROM products")
        kafka.create_topic(TOPIC, partitions=1)
        stream_the_shop(db, kafka, ledger)
        check(ledger, db, stocked)


if __name__ == "__main__":
    throwaway.run(main)
