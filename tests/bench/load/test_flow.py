"""The benchmark's orders: the same for the same seed; half of them trade; books and balances stay bounded."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from bench.load.flow import CLIENTS, SECURITIES, client_of, cycle
from bench.target.accounts import SHARES
from tasks.matching.rules.engine import Engine
from tasks.messages import OrderClosed, PlaceOrder, TradeMade


def test_the_same_seed_makes_the_same_orders() -> None:
    assert cycle(3, seed=1, orders=200) == cycle(3, seed=1, orders=200)
    assert cycle(3, seed=1, orders=200) != cycle(3, seed=2, orders=200)
    assert cycle(3, seed=1, orders=200) != cycle(4, seed=1, orders=200)


def test_orders_follow_the_contract() -> None:
    for order in cycle(0, seed=1, orders=1_000):
        content = json.loads(order.json)
        assert content.keys() == {"type", "security_id", "side", "quantity", "price"}
        assert content["security_id"] == order.security_id
        assert order.security_id in SECURITIES
        assert 1 <= content["quantity"] <= 10
        assert 99.5 < content["price"] < 100.5
        assert round(content["price"], 2) == content["price"]


@pytest.mark.parametrize(("connections", "array_size", "cycle_orders"), [(20, 100, 10_000), (64, 1, 2_000)])
def test_half_of_the_orders_trade_and_books_and_balances_stay_bounded(
    connections: int, array_size: int, cycle_orders: int
) -> None:
    cycles = [cycle(connection, seed=1, orders=cycle_orders) for connection in range(connections)]
    engine = Engine(0)
    open_quantity: dict[int, tuple[str, int]] = {}  # order id -> client, shares
    shares = {(f"C{client}", security): SHARES for client in range(CLIENTS) for security in SECURITIES}
    seen: Counter[str] = Counter()
    seq = 0
    for first in range(0, cycle_orders, array_size):
        for connection in range(connections):
            client = f"C{client_of(connection)}"
            for order in cycles[connection][first : first + array_size]:
                seq += 1
                command = place(seq, client, json.loads(order.json))
                open_quantity[seq] = (client, command.quantity)
                events = engine.apply(seq, command)
                trades = [event for event in events if isinstance(event, TradeMade)]
                seen["traded at once"] += bool(trades)
                for trade in trades:
                    shares[trade.buyer, trade.security_id] += trade.quantity
                    shares[trade.seller, trade.security_id] -= trade.quantity
                    fill(open_quantity, trade.buy_order_id, trade.quantity)
                    fill(open_quantity, trade.sell_order_id, trade.quantity)
                for event in events:
                    if isinstance(event, OrderClosed):
                        assert event.reason == "self_trade"
                        seen["self trade"] += 1
                        fill(open_quantity, event.order_id, event.quantity)
    assert 0.40 < seen["traded at once"] / seq < 0.55
    assert seen["self trade"] / seq < 0.08
    assert min(shares.values()) > 0
    open_orders = Counter(client for client, _ in open_quantity.values())
    assert max(open_orders.values()) < 5_000  # a client may have 10,000


def place(seq: int, client: str, order: dict[str, object]) -> PlaceOrder:
    return PlaceOrder(
        order_id=seq,
        client_id=client,
        security_id=str(order["security_id"]),
        type="limit",
        side="buy" if order["side"] == "buy" else "sell",
        quantity=int(str(order["quantity"])),
        price_cents=round(float(str(order["price"])) * 100),
        time_in_force="gtc",
        post_only=False,
        sequenced_us=seq,
    )


def fill(open_quantity: dict[int, tuple[str, int]], order_id: int, quantity: int) -> None:
    client, left = open_quantity[order_id]
    if left == quantity:
        del open_quantity[order_id]
    else:
        open_quantity[order_id] = (client, left - quantity)
