"""What somebody knows of the shop who only hears what Kafka says, and how they can tell that all of it is right."""

import collections

from states import NEXT, RETURNED


class Impossible(Exception):
    """What cannot have happened in the shop: on its way an event was lost, doubled, changed, or passed by another."""


def require(condition, what):
    if not condition:
        raise Impossible(what)


class Ledger:
    def __init__(self):
        self.orders, self.products, self.payments = {}, {}, {}  # rows by id
        self.closed = False
        self._notes = {
            "orders": self._note_order, "products": self._note_product, "payments": self._note_payment,
            "closings": self._note_closing,
        }  # fmt: skip

    def note(self, event):
        """One event: a row as it is from now on."""
        self._notes[event["table"]](event["data"])

    def _note_order(self, order):
        before = self.orders.get(order["id"], {"status": None})
        require(order["status"] in NEXT[before["status"]], f"{before}, and then {order}")
        self.orders[order["id"]] = order

    def _note_product(self, product):
        require(product["stock"] >= 0, f"less than nothing in stock: {product}")
        self.products[product["id"]] = product

    def _note_payment(self, payment):
        order = self.orders[payment["order_id"]]
        amount = {"paid": order["total"], "refunded": -order["total"]}.get(order["status"])
        require(payment["id"] not in self.payments, f"made twice: {payment}")
        require(payment["amount"] == amount, f"{payment} for {order}")
        self.payments[payment["id"]] = payment

    def _note_closing(self, closing):
        require(closing["revenue"] == self.revenue, f"the payments make {self.revenue}: {closing}")
        self.closed = True

    @property
    def revenue(self):
        return sum(payment["amount"] for payment in self.payments.values())

    @property
    def stock(self):
        return sum(product["stock"] for product in self.products.values())

    @property
    def sold(self):
        return sum(order["quantity"] for order in self.orders.values() if order["status"] not in RETURNED)

    def metrics(self):
        """One line."""
        count = collections.Counter(order["status"] for order in self.orders.values())
        states = " ".join(f"{state} {count[state]}" for state in NEXT if state)
        return f"{states} | sold {self.sold}, in stock {self.stock} | revenue {self.revenue:,}"
