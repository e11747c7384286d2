"""The matching rules as a trader reads them, said to the engine and to the naive book alike.

The lines of a scenario are its commands, and their numbers the ids of the orders. `cancel A 2` cancels the order of
line 2. Behind the arrow stands what follows: trades as counterparty, quantity and price; `rests` and what is open; the
reason and the quantity of an order that was closed; `refused` for a cancel.
"""

from __future__ import annotations

import pytest

from tasks.matching.engine import MAX_QUANTITY, Engine
from tasks.messages import (
    CancelOrder,
    CancelRefused,
    Command,
    Event,
    OrderClosed,
    PlaceOrder,
    TradeMade,
    event_id,
)
from tests.support.naive_book import NaiveBook

SCENARIOS = {
    "price, then time": """
        sell A 10 @ 101            -> rests 10
        sell B 5 @ 100             -> rests 5
        sell C 5 @ 100             -> rests 5
        buy D 12 @ 101             -> B 5 @ 100, C 5 @ 100, A 2 @ 101
        buy D 9 @ 101              -> A 8 @ 101, rests 1
        """,
    "a trade prints at the resting order's price": """
        buy A 5 @ 105              -> rests 5
        sell B 5 @ 99              -> A 5 @ 105
        """,
    "what is left keeps its place": """
        sell A 10 @ 100            -> rests 10
        sell B 10 @ 100            -> rests 10
        buy C 4 @ 100              -> A 4 @ 100
        buy C 7 @ 100              -> A 6 @ 100, B 1 @ 100
        """,
    "an order that reaches nothing rests": """
        sell A 1 @ 101             -> rests 1
        buy B 1 @ 100              -> rests 1
        """,
    "the rest of an ioc order is cancelled": """
        sell A 3 @ 100             -> rests 3
        buy B 5 @ 100 ioc          -> A 3 @ 100, unfilled 2
        buy B 5 @ 100 ioc          -> unfilled 5
        """,
    "a market order trades up to its collar": """
        sell A 3 @ 100             -> rests 3
        sell A 3 @ 110             -> rests 3
        sell A 3 @ 111             -> rests 3
        buy B 8 @ 110 market       -> A 3 @ 100, A 3 @ 110, unfilled 2
        sell B 1 @ 90 market       -> unfilled 1
        """,
    "a fok order trades all at once": """
        sell A 3 @ 100             -> rests 3
        sell C 3 @ 101             -> rests 3
        buy B 7 @ 101 fok          -> unfilled 7
        buy B 4 @ 100 fok          -> unfilled 4
        buy B 5 @ 101 fok          -> A 3 @ 100, C 2 @ 101
        """,
    "a fok order that would meet its client's own cannot trade all at once": """
        sell A 3 @ 100             -> rests 3
        sell B 3 @ 100             -> rests 3
        buy B 5 @ 100 fok          -> unfilled 5
        buy B 3 @ 100 fok          -> A 3 @ 100
        """,
    "a post-only order rests or is rejected": """
        sell A 3 @ 100             -> rests 3
        buy B 3 @ 100 post_only    -> would_cross 3
        buy A 3 @ 100 post_only    -> would_cross 3
        buy B 3 @ 99 post_only     -> rests 3
        """,
    "nobody trades with himself": """
        sell A 3 @ 100             -> rests 3
        sell B 3 @ 100             -> rests 3
        buy B 9 @ 101              -> A 3 @ 100, self_trade 6
        buy B 1 @ 101              -> self_trade 1
        buy C 3 @ 100              -> B 3 @ 100
        """,
    "a cancel takes out what is open": """
        sell A 10 @ 100            -> rests 10
        buy B 4 @ 100              -> A 4 @ 100
        cancel A 1                 -> cancelled 6
        buy B 4 @ 100              -> rests 4
        """,
    "a cancel from the middle of a queue": """
        sell A 1 @ 100             -> rests 1
        sell B 1 @ 100             -> rests 1
        sell C 1 @ 100             -> rests 1
        cancel B 2                 -> cancelled 1
        buy D 3 @ 100              -> A 1 @ 100, C 1 @ 100, rests 1
        """,
    "a cancel of another's order, of a closed one and a second one are refused": """
        sell A 10 @ 100            -> rests 10
        cancel B 1                 -> refused
        cancel A 1                 -> cancelled 10
        cancel A 1                 -> refused
        buy B 1 @ 100 ioc          -> unfilled 1
        cancel B 5                 -> refused
        sell A 1 @ 100             -> rests 1
        buy B 1 @ 100              -> A 1 @ 100
        cancel A 7                 -> refused
        cancel B 8                 -> refused
        """,
    "a cancel that comes before its order waits for it": """
        cancel A 3                 ->
        sell B 5 @ 100             -> rests 5
        buy A 5 @ 100              -> cancelled 5
        cancel A 3                 -> refused
        """,
    "cancels that wait are refused when they are not the client's, or come twice": """
        cancel B 4                 ->
        cancel A 4                 ->
        cancel A 4                 ->
        buy A 5 @ 100              -> refused, refused, cancelled 5
        cancel B 6                 ->
        buy A 5 @ 100              -> refused, rests 5
        """,
}


def _command(number: int, words: list[str]) -> Command:
    now_us = 1_000 + number
    if words[0] == "cancel":
        return CancelOrder(1_000 + number, words[1], "MSFT", int(words[2]), now_us)
    side, client_id, quantity, _, price_cents, *more = words
    return PlaceOrder(
        order_id=number,
        client_id=client_id,
        security_id="MSFT",
        type="market" if "market" in more else "limit",
        side=side,  # type: ignore[arg-type]
        quantity=int(quantity),
        price_cents=int(price_cents),
        time_in_force="fok" if "fok" in more else "ioc" if {"ioc", "market"} & set(more) else "gtc",
        post_only="post_only" in more,
        sequenced_us=now_us,
    )


def _said(command: Command, events: list[Event]) -> str:
    """What a command led to, as the scenarios say it."""
    words = []
    open_quantity = command.quantity if isinstance(command, PlaceOrder) else 0
    for event in events:
        if isinstance(event, TradeMade):
            counterparty = event.seller if event.aggressor_side == "buy" else event.buyer
            words.append(f"{counterparty} {event.quantity} @ {event.price_cents}")
            open_quantity -= event.quantity
        elif isinstance(event, OrderClosed):
            words.append(f"{event.reason} {event.quantity}")
            open_quantity = 0
        else:
            words.append("refused")
    return ", ".join([*words, f"rests {open_quantity}"] if open_quantity else words)


@pytest.mark.parametrize("book", [Engine, NaiveBook])
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_scenario(scenario: str, book: type[Engine | NaiveBook]) -> None:
    engine = book(0)
    lines = [line.strip() for line in scenario.strip().splitlines()]
    for number, line in enumerate(lines, 1):
        words, _, expected = line.partition("->")
        command = _command(number, words.split())
        assert _said(command, engine.apply(number, command)) == expected.strip(), line


def _place(order_id: int, side: str, quantity: int, price_cents: int, client_id: str = "A", **more: str) -> PlaceOrder:
    security_id = more.get("security_id", "MSFT")
    return PlaceOrder(order_id, client_id, security_id, "limit", side, quantity, price_cents, "gtc", False, order_id)  # type: ignore[arg-type]


def test_a_trade_says_all_that_its_settlement_needs() -> None:
    engine = Engine(3)
    engine.apply(7, _place(70, "buy", 10, 105, "ANN"))
    (trade,) = engine.apply(8, _place(80, "sell", 4, 99, "BOB"))
    assert trade == TradeMade(
        event_id=event_id(3, 8, 0),
        security_id="MSFT",
        sequence=1,
        price_cents=105,
        quantity=4,
        aggressor_side="sell",
        buy_order_id=70,
        buyer="ANN",
        buy_hold_cents=105,
        sell_order_id=80,
        seller="BOB",
        traded_us=80,
    )


def test_a_buyer_who_pays_less_than_his_limit_is_still_held_at_his_limit() -> None:
    engine = Engine(0)
    engine.apply(1, _place(1, "sell", 4, 99, "ANN"))
    (trade,) = engine.apply(2, _place(2, "buy", 4, 105, "BOB"))
    assert isinstance(trade, TradeMade)
    assert (trade.price_cents, trade.buy_hold_cents) == (99, 105)


def test_events_of_a_command_are_numbered() -> None:
    engine = Engine(1)
    engine.apply(1, _place(1, "sell", 1, 100, "ANN"))
    engine.apply(2, _place(2, "sell", 1, 101, "ANN"))
    ioc = PlaceOrder(3, "BOB", "MSFT", "limit", "buy", 5, 101, "ioc", False, 3)
    assert [event.event_id for event in engine.apply(3, ioc)] == [event_id(1, 3, n) for n in range(3)]


def test_trades_are_counted_by_security() -> None:
    engine = Engine(0)
    sequences = []
    for seq, security_id in enumerate(["MSFT", "AAPL", "MSFT"]):
        engine.apply(2 * seq + 1, _place(2 * seq + 1, "sell", 1, 100, "ANN", security_id=security_id))
        (trade,) = engine.apply(2 * seq + 2, _place(2 * seq + 2, "buy", 1, 100, "BOB", security_id=security_id))
        assert isinstance(trade, TradeMade)
        sequences.append((trade.security_id, trade.sequence))
    assert sequences == [("MSFT", 1), ("AAPL", 1), ("MSFT", 2)]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (_place(1, "buy", 5, 90), "duplicate_order"),
        (_place(2, "buy", 0, 90), "out_of_range"),
        (_place(2, "buy", -5, 90), "out_of_range"),
        (_place(2, "buy", MAX_QUANTITY + 1, 90), "out_of_range"),
        (_place(2, "buy", 5, 0), "out_of_range"),
        (_place(2, "buy", 5, -1), "out_of_range"),
    ],
)
def test_a_command_that_cannot_be_right_is_rejected_and_changes_no_book(command: PlaceOrder, reason: str) -> None:
    engine = Engine(0)
    engine.apply(1, _place(1, "sell", 5, 100))
    books = engine.state().books
    (closed,) = engine.apply(2, command)
    assert isinstance(closed, OrderClosed)
    assert (closed.status, closed.reason, closed.quantity) == ("rejected", reason, command.quantity)
    assert engine.state().books == books


def test_a_cancel_that_names_another_security_is_refused() -> None:
    engine = Engine(0)
    engine.apply(1, _place(1, "sell", 5, 100))
    (refused,) = engine.apply(2, CancelOrder(9, "A", "AAPL", 1, 2))
    assert isinstance(refused, CancelRefused)
    assert engine.state().books[0].asks


def test_a_cancel_waits_so_many_commands_and_no_longer() -> None:
    engine = Engine(0, waiting_commands=3)
    assert engine.apply(1, CancelOrder(9, "A", "MSFT", 77, 1)) == []
    for seq in (2, 3, 4):
        assert engine.apply(seq, _place(seq, "buy", 1, 90)) == []
    refused, closed = engine.apply(5, PlaceOrder(5, "B", "MSFT", "limit", "buy", 1, 90, "ioc", False, 55))
    assert refused == CancelRefused(event_id(0, 5, 0), 77, "A", "MSFT", "unknown_order", 55)
    assert isinstance(closed, OrderClosed)
    assert engine.apply(6, _place(77, "buy", 1, 90)) == []


def test_a_closed_order_is_remembered_for_a_while() -> None:
    engine = Engine(0, remembered_orders=2)
    for seq in range(1, 5):
        engine.apply(seq, PlaceOrder(seq, "A", "MSFT", "limit", "buy", 1, 90, "ioc", False, seq))
    assert engine.apply(5, CancelOrder(9, "A", "MSFT", 3, 5))  # refused at once
    assert engine.apply(6, CancelOrder(9, "A", "MSFT", 2, 6)) == []  # forgotten: it waits in vain
