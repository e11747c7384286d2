"""The operations for every engine, made before the clock starts. Standard library only, because peers import it."""

from __future__ import annotations

import random
from dataclasses import dataclass

BOOKS = ("MSFT", "AAPL", "TSLA", "JPM", "SHEL")
OPERATIONS = 10_000
CANCELS_OF_TEN = 2
LOWEST, HIGHEST = 100, 999
MOST_SHARES = 100


@dataclass(frozen=True, slots=True)
class Operation:
    """A limit order, or with `cancels` its cancel."""

    order_id: int
    book: int
    is_buy: bool
    quantity: int
    price: int
    cancels: bool = False


def mixed(seed: int, operations: int = OPERATIONS) -> list[Operation]:
    """Return eight limit orders at three-digit prices to two cancels, half of which come too late."""
    chance = random.Random(seed)
    placed: list[Operation] = []
    feed = []
    for number in range(1, operations + 1):
        if placed and chance.random() < CANCELS_OF_TEN / 10:
            order = placed.pop(chance.randrange(len(placed)))
            feed.append(Operation(order.order_id, order.book, order.is_buy, order.quantity, order.price, cancels=True))
        else:
            order = Operation(
                order_id=number,
                book=chance.randrange(len(BOOKS)),
                is_buy=chance.random() < 0.5,
                quantity=chance.randint(1, MOST_SHARES),
                price=chance.randint(LOWEST, HIGHEST),
            )
            placed.append(order)
            feed.append(order)
    return feed
