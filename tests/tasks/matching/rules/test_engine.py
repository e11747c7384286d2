"""The events of the engine, field by field, and the commands that it refuses."""

from __future__ import annotations

import pytest
from msgspec import structs

from tasks.matching.rules.engine import Engine
from tasks.matching.rules.placing import MAX_QUANTITY
from tasks.messages import (
    CancelOrder,
    CancelRefused,
    MassCancel,
    OrderClosed,
    OrderReplaced,
    OrderTriggered,
    PlaceOrder,
    ReplaceOrder,
    ReplaceRefused,
    TradeMade,
    event_id,
)


def _place(order_id: int, side: str, quantity: int, price_cents: int, client_id: str = "A", **more: str) -> PlaceOrder:
    security_id = more.get("security_id", "MSFT")
    return PlaceOrder(order_id, client_id, security_id, "limit", side, quantity, price_cents, "gtc", False, order_id)  # type: ignore[arg-type]


def test_a_trade_contains_everything_for_its_settlement() -> None:
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


def test_a_buy_below_its_limit_is_held_at_its_limit() -> None:
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


def _terms(**terms: object) -> PlaceOrder:
    return structs.replace(_place(2, "buy", 5, 90), **terms)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (_place(1, "buy", 5, 90), "duplicate_order"),
        (_place(2, "buy", 0, 90), "out_of_range"),
        (_place(2, "buy", -5, 90), "out_of_range"),
        (_place(2, "buy", MAX_QUANTITY + 1, 90), "out_of_range"),
        (_place(2, "buy", 5, 0), "out_of_range"),
        (_place(2, "buy", 5, -1), "out_of_range"),
        (_terms(type="stop"), "invalid_terms"),
        (_terms(type="stop_limit"), "invalid_terms"),
        (_terms(stop_price_cents=95), "invalid_terms"),
        (_terms(type="market", stop_price_cents=95), "invalid_terms"),
        (_terms(display_quantity=6), "invalid_terms"),
        (_terms(display_quantity=0), "invalid_terms"),
        (_terms(display_quantity=2, time_in_force="ioc"), "invalid_terms"),
        (_terms(display_quantity=2, type="market"), "invalid_terms"),
        (_terms(display_quantity=2, type="stop", stop_price_cents=95), "invalid_terms"),
    ],
)
def test_an_invalid_order_is_rejected_and_changes_no_book(command: PlaceOrder, reason: str) -> None:
    engine = Engine(0)
    engine.apply(1, _place(1, "sell", 5, 100))
    books = engine.state().books
    (closed,) = engine.apply(2, command)
    assert isinstance(closed, OrderClosed)
    assert (closed.status, closed.reason, closed.quantity) == ("rejected", reason, command.quantity)
    assert engine.state().books == books


def test_49_a_closed_order_shows_its_limit_and_neither_hold_nor_collar() -> None:
    engine = Engine(0)
    commands = [
        structs.replace(_place(1, "buy", 5, 100, "ANN"), hold_cents=103),
        structs.replace(_place(2, "buy", 5, 110, "ANN"), type="market", time_in_force="ioc", hold_cents=110),
        structs.replace(_place(3, "buy", 5, 110, "ANN"), type="stop", stop_price_cents=100),
        structs.replace(_place(4, "buy", 5, 120, "ANN"), type="stop_limit", stop_price_cents=115),
        structs.replace(_place(5, "sell", 5, 130, "ANN"), time_in_force="ioc"),
        ReplaceOrder(9, "ANN", "MSFT", 1, "buy", None, 101, 104, 0, 77),
        MassCancel(10, "ANN", [1, 3, 4], 78),
    ]
    events = [event for seq, command in enumerate(commands, 1) for event in engine.apply(seq, command)]
    assert [(event.order_id, event.limit_cents) for event in events if isinstance(event, OrderClosed)] == [
        (2, None),
        (5, 130),
        (1, 101),
        (3, None),
        (4, 120),
    ]


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"order_id": 2}, "unknown_order"),
        ({"client_id": "B"}, "unknown_order"),
        ({"security_id": "AAPL"}, "unknown_order"),
        ({"side": "buy"}, "wrong_side"),
        ({"quantity": MAX_QUANTITY + 1}, "out_of_range"),
        ({"quantity": 0}, "out_of_range"),
        ({"price_cents": 0}, "out_of_range"),
    ],
)
def test_an_invalid_replacement_is_refused_and_changes_no_book(terms: dict[str, object], reason: str) -> None:
    engine = Engine(0)
    engine.apply(1, _place(1, "sell", 5, 100))
    books = engine.state().books
    replace = structs.replace(ReplaceOrder(9, "A", "MSFT", 1, "sell", 4, 100, 0, 3, 77), **terms)
    assert engine.apply(2, replace) == [
        ReplaceRefused(
            event_id=event_id(0, 2, 0),
            command_id=9,
            order_id=replace.order_id,
            client_id=replace.client_id,
            security_id=replace.security_id,
            side=replace.side,
            reserved=3,
            reason=reason,
            refused_us=77,
        )
    ]
    assert engine.state().books == books


def test_a_replacement_contains_everything_for_its_settlement() -> None:
    engine = Engine(0)
    engine.apply(1, structs.replace(_place(1, "buy", 10, 100, "ANN"), hold_cents=101))
    engine.apply(2, _place(2, "sell", 4, 100, "BOB"))
    engine.apply(3, _place(3, "sell", 1, 105, "BOB"))
    replaced, trade = engine.apply(4, ReplaceOrder(9, "ANN", "MSFT", 1, "buy", 12, 110, 111, 500, 77))
    assert replaced == OrderReplaced(
        event_id=event_id(0, 4, 0),
        command_id=9,
        order_id=1,
        client_id="ANN",
        security_id="MSFT",
        side="buy",
        quantity=12,
        price_cents=110,
        old_open=6,
        old_hold_cents=101,
        open_quantity=8,
        hold_cents=111,
        reserved=500,
        replaced_us=77,
    )
    assert isinstance(trade, TradeMade)
    assert (trade.price_cents, trade.quantity, trade.buy_hold_cents, trade.traded_us) == (105, 1, 111, 77)


def test_a_replacement_with_nothing_left_to_trade_reports_the_old_terms() -> None:
    engine = Engine(0)
    engine.apply(1, structs.replace(_place(1, "buy", 10, 100, "ANN"), hold_cents=101))
    engine.apply(2, _place(2, "sell", 4, 100, "BOB"))
    replaced, closed = engine.apply(3, ReplaceOrder(9, "ANN", "MSFT", 1, "buy", 4, 200, 202, 500, 77))
    assert isinstance(replaced, OrderReplaced)
    assert (replaced.quantity, replaced.price_cents, replaced.reserved) == (10, 100, 500)
    assert (replaced.old_open, replaced.open_quantity) == (6, 6)
    assert (replaced.old_hold_cents, replaced.hold_cents) == (101, 101)
    assert isinstance(closed, OrderClosed)
    assert (closed.quantity, closed.hold_cents, closed.reason, closed.closed_us) == (6, 101, "cancelled", 77)


def test_a_triggered_stop_order_is_reported() -> None:
    engine = Engine(0)
    stop = PlaceOrder(1, "ANN", "MSFT", "stop", "sell", 5, 90, "gtc", False, 11, stop_price_cents=100)
    assert engine.apply(1, stop) == []
    engine.apply(2, _place(2, "buy", 3, 100, "BOB"))
    _, triggered, trade, closed = engine.apply(3, _place(3, "sell", 1, 100, "CID"))
    assert triggered == OrderTriggered(event_id(0, 3, 1), 1, "ANN", "MSFT", "sell", 5, 90, 3)
    assert isinstance(trade, TradeMade)
    assert (trade.event_id, trade.aggressor_side, trade.seller, trade.quantity) == (event_id(0, 3, 2), "sell", "ANN", 2)
    assert isinstance(closed, OrderClosed)
    assert (closed.order_id, closed.quantity, closed.status, closed.reason) == (1, 3, "cancelled", "unfilled")


def test_stop_orders_with_too_many_events_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("engine", "journal", "placing"):
        monkeypatch.setattr(f"tasks.matching.rules.{module}.MAX_EVENTS_PER_COMMAND", 16)
    engine = Engine(0)
    for seq in range(1, 11):
        engine.apply(seq, _place(seq, "sell", 1, 100, "ANN"))
    for seq in (11, 12):
        stop = PlaceOrder(seq, "BOB", "MSFT", "stop", "buy", 6, 100, "gtc", False, seq, stop_price_cents=100)
        assert engine.apply(seq, stop) == []
    events = engine.apply(13, _place(13, "buy", 4, 100, "CID"))
    assert [event.event_id - events[0].event_id for event in events] == list(range(12))
    closed = events[-1]
    assert isinstance(closed, OrderClosed)
    assert (closed.order_id, closed.quantity, closed.reason) == (12, 6, "too_many_events")


def test_a_cancel_that_names_another_security_is_refused() -> None:
    engine = Engine(0)
    engine.apply(1, _place(1, "sell", 5, 100))
    (refused,) = engine.apply(2, CancelOrder(9, "A", "AAPL", 1, 2))
    assert isinstance(refused, CancelRefused)
    assert engine.state().books[0].asks


def test_a_cancel_waits_for_a_number_of_commands() -> None:
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
    assert engine.apply(6, CancelOrder(9, "A", "MSFT", 2, 6)) == []  # forgotten, so the cancel waits
