"""What becomes of an order: the shop goes by it, and the ledger knows that nothing else can happen."""

NEXT = {
    None: ("placed",),
    "placed": ("paid", "paid", "cancelled"),  # one of three
    "paid": ("shipped", "shipped", "refunded"),
    "shipped": ("delivered",),
    "cancelled": (),
    "refunded": (),
    "delivered": (),
}
RETURNED = ("cancelled", "refunded")  # to the stock
