"""The trades per order of the flow when every client can trade: a run with fewer measures something else.

A client that has run out of shares, cash or open orders is denied its orders, and a denied order costs next to
nothing. So the figures of such a run look better than they are.
"""

from __future__ import annotations

import json
from itertools import count, islice
from typing import TYPE_CHECKING

from bench.load.flow import CLIENTS, Order, client_of, cycle
from tasks.matching.rules.engine import Engine
from tasks.messages import PlaceOrder, TradeMade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.load.generator import Plan

# Orders of the flow that are matched to find out, and orders below which a run is too short to judge.
_SAMPLE = 20_000
_FEWEST = 2_000
# How far a run may be from the sample, as a ratio: connections do not take turns as strictly as the sample's do.
_LOWEST, _HIGHEST = 0.75, 1.5


# The share of orders that should trade at once and may lack a trade report.
_MOST_MISSING = 0.1

REMEDY = "start from an empty exchange with `make clean` and `make up BOTS=none`, or add --own"


class UnusualRun(Exception):
    """A run made a number of trades that its orders do not explain."""


def require(plan: Plan, *, orders: int, trades: int) -> None:
    """Check the trades of a run against its orders.

    Not judged are runs with cancels or few orders, and with fewer connections than clients: one may be half a cycle
    ahead of the other, and then both buy or both sell.
    raises  UnusualRun  they do not fit
    """
    if orders < _FEWEST or plan.cancels or plan.connections < CLIENTS:
        return
    expected = trades_an_order(plan)
    if not _LOWEST * expected <= trades / orders <= _HIGHEST * expected:
        raise UnusualRun(
            f"this run made {trades / orders:.2f} trades an order where its flow makes {expected:.2f}, so its figures "
            "mean nothing: the benchmark's clients have run out of shares, cash or open orders, or others trade with "
            f"them; {REMEDY}"
        )


def require_reports(*, orders: int, missing: int) -> None:
    """Check the trade reports of orders that should each trade at once.

    raises  UnusualRun  too many are missing
    """
    if missing > _MOST_MISSING * orders:
        raise UnusualRun(
            f"{missing:,} of {orders:,} orders that should trade at once have no trade report, so the figures of this "
            "run mean nothing: the benchmark's clients have run out of shares, cash or open orders, or the exchange is "
            f"overloaded; {REMEDY}"
        )


def trades_an_order(plan: Plan) -> float:
    """Return the trades an order of a plan's flow when its connections send in turn."""
    engine = Engine(0)
    trades = 0
    for seq, (connection, order) in enumerate(islice(_in_turn(plan), _SAMPLE), start=1):
        events = engine.apply(seq, _command(seq, connection, order))
        trades += sum(isinstance(event, TradeMade) for event in events)
    return trades / _SAMPLE


def _in_turn(plan: Plan) -> Iterator[tuple[int, Order]]:
    cycles = [cycle(number, seed=plan.seed, orders=plan.cycle_orders) for number in range(plan.connections)]
    for request in count():
        for connection, orders in enumerate(cycles):
            first = request * plan.orders_each % len(orders)
            for order in orders[first : first + plan.orders_each]:
                yield connection, order


def _command(seq: int, connection: int, order: Order) -> PlaceOrder:
    terms = json.loads(order.json)
    return PlaceOrder(
        order_id=seq,
        client_id=f"BENCH_{client_of(connection)}",
        security_id=order.security_id,
        type="limit",
        side=terms["side"],
        quantity=terms["quantity"],
        price_cents=round(100 * terms["price"]),
        time_in_force="gtc",
        post_only=False,
        sequenced_us=seq,
    )
