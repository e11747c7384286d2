"""Other engines on the feed, each driven as its documentation says, in the peers' own environment.

`python -m bench.engine.peers NAME SEED SECONDS` prints the passes as JSON. The arguments of each call are prepared
before the clock starts, and the results are kept, as ours are.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict

from bench.engine import feed, passes

# Exact versions, which `bench.engine.contest` installs, and descriptions.
PEERS = {
    "lightmatchingengine": ("lightmatchingengine==2019.1.4", "pure Python, the most popular one"),
    "limit-order-book": ("limit-order-book==2.0.0", "C++ behind ctypes, without reporting trades"),
}


def lightmatchingengine(operations: list[feed.Operation]) -> tuple[float, int]:
    """Run one pass. The engine numbers orders itself and fails on late cancels, so it gets none."""
    from lightmatchingengine.lightmatchingengine import (  # type: ignore[import-not-found]  # only in the peers' environment
        LightMatchingEngine,
        Side,
    )

    calls = [
        (
            one.order_id,
            feed.BOOKS[one.book],
            one.price,
            one.quantity,
            Side.BUY if one.is_buy else Side.SELL,
            one.cancels,
        )
        for one in operations
    ]
    engine = LightMatchingEngine()
    orders = {}
    answers = []
    began_s = time.process_time()
    for order_id, book, price, quantity, side, cancels in calls:
        if not cancels:
            order, trades = engine.add_order(book, price, quantity, side)
            orders[order_id] = order
            answers.append(trades)
        elif orders[order_id].leaves_qty:
            answers.append(engine.cancel_order(orders[order_id].order_id, book))
    used_s = time.process_time() - began_s
    return used_s, sum(order.leaves_qty for order in orders.values())


def limit_order_book(operations: list[feed.Operation]) -> tuple[float, int]:
    """Run one pass with a book for each security. A book fails on late cancels, so it is asked first."""
    from limit_order_book import LimitOrderBook  # type: ignore[import-not-found]  # only in the peers' environment

    books = [LimitOrderBook() for _ in feed.BOOKS]
    calls = [
        (
            one.order_id,
            books[one.book].limit_buy if one.is_buy else books[one.book].limit_sell,
            books[one.book],
            one.quantity,
            one.price,
            one.cancels,
        )
        for one in operations
    ]
    began_s = time.process_time()
    for order_id, limit, book, quantity, price, cancels in calls:
        if not cancels:
            limit(order_id, quantity, price)
        elif book.has(order_id):
            book.cancel(order_id)
    used_s = time.process_time() - began_s
    return used_s, sum(book.volume() for book in books)


DRIVERS = {"lightmatchingengine": lightmatchingengine, "limit-order-book": limit_order_book}


def main(name: str, seed: str, seconds: str) -> None:
    """Print the passes of a peer."""
    operations = feed.mixed(int(seed))
    print(json.dumps(asdict(passes.run(lambda: DRIVERS[name](operations), seconds=float(seconds)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
