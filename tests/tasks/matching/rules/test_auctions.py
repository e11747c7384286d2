"""Auctions against the naive uncross: one of ten thousand orders, and very many small ones.

Own orders, cancels, replacements and stops are left to the scenarios and to the mixed logs.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import settings
from msgspec import structs

from tasks.matching.rules.auction import Auction
from tasks.matching.rules.engine import Engine
from tasks.matching.rules.levels import RestingOrder
from tasks.messages import (
    Command,
    Event,
    ListSecurity,
    OrderClosed,
    PhaseChanged,
    PlaceOrder,
    SetPhase,
    TradeMade,
)
from tests.support import naive_auction

SECURITY = "MSFT"
REFERENCE_CENTS = 10_000
KINDS = ("limit", "limit", "limit", "limit", "market", "iceberg", "auction")
# In each of four parts; 100,000 in all in a profile that tries more (--hypothesis-profile millions).
SMALL_AUCTIONS = 500 if settings.default.max_examples == settings.get_profile("default").max_examples else 25_000


@dataclass
class CollectedOrder:
    """An order in the naive uncross."""

    order: PlaceOrder
    side: str
    price_cents: int
    place: int
    open: int

    @property
    def leaves(self) -> bool:
        """Whether it leaves with the auction."""
        return self.order.type == "market" or self.order.time_in_force == "auction"


def any_order(chance: random.Random, number: int, *, spread_cents: int, most_shares: int) -> PlaceOrder:
    """Return an order of a separate client at a price around the others, so that most can trade."""
    side, kind, quantity = chance.choice(("buy", "sell")), chance.choice(KINDS), chance.randint(1, most_shares)
    away = round(chance.gauss(spread_cents / 4, spread_cents)) if kind != "market" else 3 * spread_cents
    return PlaceOrder(
        order_id=number,
        client_id=f"C{number}",
        security_id=SECURITY,
        type="market" if kind == "market" else "limit",
        side=side,  # type: ignore[arg-type]
        quantity=quantity,
        price_cents=REFERENCE_CENTS + (away if side == "buy" else -away),
        time_in_force="ioc" if kind == "market" else "auction" if kind == "auction" else "gtc",
        post_only=False,
        sequenced_us=number,
        display_quantity=chance.randint(1, quantity) if kind == "iceberg" else None,
    )


def check_auction(placed: list[PlaceOrder], reference_cents: int | None, *, every_moment: bool) -> list[Event]:
    """Compare an auction of these orders with the naive uncross; return its outcome."""
    engine = Engine(0)
    commands: list[Command] = [_phase("auction")]
    if reference_cents is not None:
        commands.append(ListSecurity(1, SECURITY, reference_cents, 1, 1, 10**9, None, 1))
    for command in commands:
        engine.apply(engine.seq + 1, command)
    collected: list[CollectedOrder] = []
    for order in placed:
        assert engine.apply(engine.seq + 1, order) == []
        collected.append(CollectedOrder(order, order.side, order.price_cents, order.order_id, order.quantity))
        if every_moment:
            assert engine.indicative(SECURITY) == naive_auction.outcome(collected, reference_cents)
    price_cents, volume, surplus, side = naive_auction.outcome(collected, reference_cents)
    assert engine.indicative(SECURITY) == (price_cents, volume, surplus, side)
    *events, changed = engine.apply(engine.seq + 1, _phase("continuous"))
    assert isinstance(changed, PhaseChanged)
    _check_trades(events, price_cents, naive_auction.pairs(collected, volume))
    _check_rest(events, engine, collected)
    return events


def _check_trades(
    events: list[Event], price_cents: int | None, pairs: list[tuple[CollectedOrder, CollectedOrder, int]]
) -> None:
    """Check price, volume and allocation, and take the traded shares out of the orders."""
    trades = [event for event in events if isinstance(event, TradeMade)]
    assert [
        (trade.buy_order_id, trade.sell_order_id, trade.quantity, trade.price_cents, trade.aggressor_side)
        for trade in trades
    ] == [(buy.order.order_id, sell.order.order_id, quantity, price_cents, None) for buy, sell, quantity in pairs]
    for buy, sell, quantity in pairs:
        buy.open -= quantity
        sell.open -= quantity


def _check_rest(events: list[Event], engine: Engine, collected: Iterable[CollectedOrder]) -> None:
    """Check the remainder: orders for the auction are cancelled, others rest in their place, icebergs show a part."""
    left = [one for one in collected if one.open]
    closed = [(event.order_id, event.quantity, event.reason) for event in events if isinstance(event, OrderClosed)]
    assert closed == [(one.order.order_id, one.open, "unfilled") for one in left if one.leaves]
    (book,) = engine.state().books
    for side, sign, orders in (("buy", -1, book.bids), ("sell", 1, book.asks)):
        rest = sorted(
            (one for one in left if one.side == side and not one.leaves),
            key=lambda one: (sign * one.price_cents, one.place),
        )
        assert [(order.order_id, order.quantity, order.quantity + order.hidden) for order in orders] == [
            (one.order.order_id, min(one.open, one.order.display_quantity or one.open), one.open) for one in rest
        ]


def _phase(phase: str) -> Command:
    return SetPhase(1, SECURITY, phase, "schedule", None, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("part", range(4))  # parts may run in parallel
def test_small_auctions(part: int) -> None:
    traded = cancelled = 0
    for seed in range(part * SMALL_AUCTIONS, (part + 1) * SMALL_AUCTIONS):
        chance = random.Random(seed)
        spread_cents = chance.choice((2, 4, 8))
        placed = [
            any_order(chance, number, spread_cents=spread_cents, most_shares=chance.choice((3, 12)))
            for number in range(1, chance.randint(2, 16))
        ]
        reference_cents = chance.choice((None, REFERENCE_CENTS + chance.randint(-9, 9)))
        events = check_auction(placed, reference_cents, every_moment=True)
        traded += any(isinstance(event, TradeMade) for event in events)
        cancelled += any(isinstance(event, OrderClosed) for event in events)
    assert traded > SMALL_AUCTIONS // 2
    assert cancelled > SMALL_AUCTIONS // 4


def test_an_auction_with_too_many_events_ends_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.matching.rules.phases.MOST_ORDERS", 3)
    chance = random.Random(1)
    engine = Engine(0)
    engine.apply(1, _phase("auction"))
    for number in range(1, 41):
        order = any_order(chance, number, spread_cents=4, most_shares=9)
        engine.apply(engine.seq + 1, structs.replace(order, display_quantity=None))
    _, volume, _, _ = engine.indicative(SECURITY)
    traded = parts = 0
    phase = "auction"
    while phase == "auction":
        events = engine.apply(engine.seq + 1, _phase("continuous"))
        trades = [event for event in events if isinstance(event, TradeMade)]
        assert len(trades) <= 5
        assert sum(isinstance(event, OrderClosed) for event in events) <= 3
        traded += sum(trade.quantity for trade in trades)
        parts += 1
        (book,) = engine.state().books
        assert parts < 40
        phase = book.phase
    assert parts > 3
    assert traded >= volume  # the remaining orders may find another price
    assert not [order for order in (*book.bids, *book.asks) if order.time_in_force == "auction"]


def test_an_auction_of_ten_thousand_orders() -> None:
    chance = random.Random(1)
    placed = [any_order(chance, number, spread_cents=400, most_shares=100) for number in range(1, 10_001)]
    events = check_auction(placed, REFERENCE_CENTS, every_moment=False)
    assert sum(isinstance(event, TradeMade) for event in events) > 4_000


def test_a_client_that_replaces_an_order_again_and_again_costs_no_memory() -> None:
    best, moved = (RestingOrder(number, "ANN", SECURITY, 100, 1, 1, 100) for number in (1, 2))
    auction = Auction([best, moved], {1: best, 2: moved})
    for number in range(10_000):
        moved.key = 50 + number % 7
        auction.rested(moved)
        assert auction.crosses_own("ANN", -100)
    assert sum(map(len, auction._best.values())) < 200
    assert not auction.crosses_own("ANN", -101)
    best.key = 0
    assert auction.crosses_own("ANN", -moved.key)
    assert not auction.crosses_own("ANN", -moved.key - 1)
