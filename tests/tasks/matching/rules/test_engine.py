"""The matching rules as a trader reads them, for the engine and the naive book alike; see tests.support.scenario."""

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
from tests.support.naive_book import NaiveBook
from tests.support.scenario import play

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
    "a smaller quantity keeps the place": """
        sell A 10 @ 100            -> rests 10
        sell B 5 @ 100             -> rests 5
        replace A 1 to 4           -> replaced, rests 4
        buy C 6 @ 100              -> A 4 @ 100, B 2 @ 100
        """,
    "a larger quantity loses the place": """
        sell A 4 @ 100             -> rests 4
        sell B 5 @ 100             -> rests 5
        replace A 1 to 6           -> replaced, rests 6
        buy C 6 @ 100              -> B 5 @ 100, A 1 @ 100
        """,
    "the same quantity loses the place, too": """
        sell A 4 @ 100             -> rests 4
        sell B 5 @ 100             -> rests 5
        replace A 1 to 4           -> replaced, rests 4
        buy C 6 @ 100              -> B 5 @ 100, A 1 @ 100
        """,
    "another price loses the place": """
        sell A 4 @ 100             -> rests 4
        sell B 5 @ 101             -> rests 5
        replace A 1 @ 101          -> replaced, rests 4
        asks                       -> 9 @ 101
        buy C 6 @ 101              -> B 5 @ 101, A 1 @ 101
        """,
    "a replaced order may trade at once": """
        sell A 4 @ 100             -> rests 4
        sell B 5 @ 101             -> rests 5
        buy C 2 @ 99               -> rests 2
        replace C 3 to 7 @ 101     -> replaced, A 4 @ 100, B 3 @ 101
        buy D 2 @ 99               -> rests 2
        replace D 5 to 7 @ 101     -> replaced, B 2 @ 101, rests 5
        """,
    "the new quantity is the total, with what was filled": """
        sell A 10 @ 100            -> rests 10
        buy B 4 @ 100              -> A 4 @ 100
        replace A 1 to 9           -> replaced, rests 5
        replace A 1 to 12 @ 101    -> replaced, rests 8
        """,
    "a total at or below what is filled cancels the rest": """
        sell A 10 @ 100            -> rests 10
        buy B 4 @ 100              -> A 4 @ 100
        replace A 1 to 4 @ 90      -> replaced, cancelled 6
        replace A 1 to 9           -> unknown_order
        sell A 10 @ 100            -> rests 10
        buy B 4 @ 100              -> A 4 @ 100
        replace A 5 to 3           -> replaced, cancelled 6
        asks                       ->
        """,
    "a replaced order does not trade with its client's own": """
        sell A 4 @ 100             -> rests 4
        sell C 4 @ 101             -> rests 4
        buy C 6 @ 99               -> rests 6
        replace C 3 @ 101          -> replaced, A 4 @ 100, self_trade 2
        """,
    "a post-only order that would trade once it is replaced is cancelled": """
        sell A 4 @ 100             -> rests 4
        buy B 4 @ 98 post_only     -> rests 4
        replace B 2 @ 99           -> replaced, rests 4
        replace B 2 @ 100          -> replaced, would_cross 4
        """,
    "only what is open of the client's own can be replaced": """
        sell A 4 @ 100             -> rests 4
        replace B 1 to 3           -> unknown_order
        replace A 9 to 3           -> unknown_order
        cancel A 1                 -> cancelled 4
        replace A 1 to 3           -> unknown_order
        """,
    "a mass cancel takes out what is still open, and only the client's": """
        sell A 4 @ 100             -> rests 4
        sell A 5 @ 101             -> rests 5
        sell B 6 @ 102             -> rests 6
        buy A 7 @ 90 stop 110      -> waits 7
        buy B 4 @ 100              -> A 4 @ 100
        cancel_all A 1 2 3 4 9     -> cancelled 5, cancelled 7
        cancel_all A 1 2 3 4 9     ->
        asks                       -> 6 @ 102
        """,
    "a halted security takes cancels only": """
        sell A 4 @ 100             -> rests 4
        sell A 5 @ 101             -> rests 5
        halt                       ->
        buy B 4 @ 100              -> halted 4
        buy B 4 @ 90 stop 110      -> halted 4
        replace A 1 to 3           -> halted
        cancel A 1                 -> cancelled 4
        cancel A 1                 -> refused
        cancel_all A 2             -> cancelled 5
        halt                       ->
        resume                     ->
        buy B 4 @ 100              -> rests 4
        """,
    "a cancel waits for its order in a halt, too": """
        cancel A 3                 ->
        halt                       ->
        buy A 5 @ 100              -> cancelled 5
        """,
    "a stop buy waits until a trade is at its stop price or above": """
        sell A 9 @ 101             -> rests 9
        sell A 9 @ 103             -> rests 9
        buy B 5 @ 110 stop 103     -> waits 5
        buy C 9 @ 101              -> A 9 @ 101
        buy C 1 @ 103              -> A 1 @ 103; then B 3: A 5 @ 103
        """,
    "a stop sell waits until a trade is at its stop price or below": """
        buy A 9 @ 101              -> rests 9
        buy A 9 @ 98               -> rests 9
        sell B 5 @ 90 stop 99      -> waits 5
        sell C 9 @ 101             -> A 9 @ 101
        sell C 1 @ 90              -> A 1 @ 98; then B 3: A 5 @ 98
        """,
    "what a stop order does not trade is cancelled, what a stop-limit order does not trade rests": """
        sell A 4 @ 100             -> rests 4
        buy B 5 @ 105 stop 100     -> waits 5
        buy C 5 @ 105 stop_limit 100 -> waits 5
        buy D 1 @ 100              -> A 1 @ 100; then B 2: A 3 @ 100, unfilled 2; then C 3: rests 5
        bids                       -> 5 @ 105
        """,
    "a stop price that the last trade has passed triggers at once": """
        buy B 5 @ 110 stop 100     -> waits 5
        sell A 4 @ 102             -> rests 4
        buy C 1 @ 102              -> A 1 @ 102; then B 1: A 3 @ 102, unfilled 2
        sell A 4 @ 103             -> rests 4
        buy B 3 @ 110 stop 102     -> then B 5: A 3 @ 103
        sell B 3 @ 90 stop 103     -> then B 6: unfilled 3
        sell B 3 @ 90 stop 102     -> waits 3
        """,
    "stop orders act in the order of their arrival, not of their prices": """
        sell A 9 @ 100             -> rests 9
        buy B 1 @ 105 stop 100     -> waits 1
        buy C 1 @ 105 stop 99      -> waits 1
        buy D 1 @ 105 stop 98      -> waits 1
        buy E 1 @ 100              -> A 1 @ 100; then B 2: A 1 @ 100; then C 3: A 1 @ 100; then D 4: A 1 @ 100
        """,
    "one stop order reaches the next": """
        sell A 1 @ 100             -> rests 1
        sell A 1 @ 101             -> rests 1
        sell A 1 @ 102             -> rests 1
        buy D 1 @ 105 stop 102     -> waits 1
        buy C 1 @ 105 stop 101     -> waits 1
        buy B 1 @ 105 stop 100     -> waits 1
        buy E 1 @ 100              -> A 1 @ 100; then B 6: A 1 @ 101; then C 5: A 1 @ 102; then D 4: unfilled 1
        """,
    "the order that reached it is done before a stop order acts": """
        sell A 1 @ 100             -> rests 1
        sell B 5 @ 90 stop 100     -> waits 5
        buy C 4 @ 100              -> A 1 @ 100, rests 3; then B 2: C 3 @ 100, unfilled 2
        """,
    "both sides of a sweep are looked at": """
        sell A 1 @ 100             -> rests 1
        sell A 1 @ 105             -> rests 1
        sell B 1 @ 90 stop 100     -> waits 1
        buy C 1 @ 110 stop 105     -> waits 1
        buy D 2 @ 105              -> A 1 @ 100, A 1 @ 105; then B 3: unfilled 1; then C 4: unfilled 1
        """,
    "a waiting stop order can be cancelled, but not traded with": """
        sell B 5 @ 90 stop 95      -> waits 5
        buy A 5 @ 100              -> rests 5
        asks                       ->
        cancel A 1                 -> refused
        cancel B 1                 -> cancelled 5
        cancel B 1                 -> refused
        """,
    "a waiting stop order is replaced where it waits": """
        sell B 5 @ 90 stop 95      -> waits 5
        sell C 5 @ 90 stop 95      -> waits 5
        replace B 1 to 3           -> replaced, waits 3
        buy A 1 @ 95               -> rests 1
        sell D 1 @ 95              -> A 1 @ 95; then B 1: unfilled 3; then C 2: unfilled 5
        """,
    "a waiting stop order that is more or costs more waits behind the others": """
        sell B 5 @ 90 stop 95      -> waits 5
        sell C 5 @ 90 stop 95      -> waits 5
        sell D 5 @ 90 stop 95      -> waits 5
        replace B 1 to 6           -> replaced, waits 6
        replace C 2 @ 91           -> replaced, waits 5
        buy A 1 @ 95               -> rests 1
        sell E 1 @ 95              -> A 1 @ 95; then D 3: unfilled 5; then B 1: unfilled 6; then C 2: unfilled 5
        """,
    "a stop order keeps its terms when it acts": """
        sell A 3 @ 100             -> rests 3
        buy B 5 @ 105 stop 100 fok -> waits 5
        buy C 5 @ 105 stop_limit 100 post_only -> waits 5
        buy A 5 @ 105 stop_limit 100 -> waits 5
        buy D 1 @ 100              -> A 1 @ 100; then B 2: unfilled 5; then C 3: would_cross 5; then A 4: self_trade 5
        """,
    "an iceberg shows a part of itself": """
        sell A 10 @ 100 shows 3    -> rests 10
        sell B 4 @ 100             -> rests 4
        asks                       -> 7 @ 100
        """,
    "each part of an iceberg goes to the end of its level": """
        sell A 10 @ 100 shows 3    -> rests 10
        sell B 4 @ 100             -> rests 4
        buy C 4 @ 100              -> A 3 @ 100, B 1 @ 100
        asks                       -> 6 @ 100
        buy C 5 @ 100              -> B 3 @ 100, A 2 @ 100
        asks                       -> 1 @ 100
        buy C 9 @ 100              -> A 1 @ 100, A 3 @ 100, A 1 @ 100, rests 4
        """,
    "a part that has traded in part is not filled up": """
        sell A 10 @ 100 shows 3    -> rests 10
        buy C 2 @ 100              -> A 2 @ 100
        asks                       -> 1 @ 100
        buy C 1 @ 100              -> A 1 @ 100
        asks                       -> 3 @ 100
        """,
    "an order goes through all of an iceberg before it reaches the next price": """
        sell A 5 @ 100 shows 2     -> rests 5
        sell B 1 @ 101             -> rests 1
        buy C 6 @ 101              -> A 2 @ 100, A 2 @ 100, A 1 @ 100, B 1 @ 101
        """,
    "an incoming iceberg trades with all that it has": """
        sell A 5 @ 100             -> rests 5
        buy B 9 @ 100 shows 1      -> A 5 @ 100, rests 4
        bids                       -> 1 @ 100
        """,
    "a fok order counts what is hidden": """
        sell A 10 @ 100 shows 1    -> rests 10
        buy B 11 @ 100 fok         -> unfilled 11
        sell C 1 @ 100             -> rests 1
        buy C 2 @ 100 fok          -> unfilled 2
        buy C 1 @ 100 fok          -> A 1 @ 100
        buy B 5 @ 100 fok          -> C 1 @ 100, A 1 @ 100, A 1 @ 100, A 1 @ 100, A 1 @ 100
        """,
    "a fok order does not meet its client's own behind what an iceberg hides": """
        sell A 10 @ 100 shows 5    -> rests 10
        sell B 5 @ 101             -> rests 5
        buy B 11 @ 101 fok         -> unfilled 11
        buy B 10 @ 101 fok         -> A 5 @ 100, A 5 @ 100
        """,
    "an iceberg is cancelled with all that it has": """
        sell A 10 @ 100 shows 3    -> rests 10
        buy B 4 @ 100              -> A 3 @ 100, A 1 @ 100
        cancel A 1                 -> cancelled 6
        asks                       ->
        """,
    "a smaller iceberg hides less, and keeps its place": """
        sell A 10 @ 100 shows 3    -> rests 10
        sell B 2 @ 100             -> rests 2
        replace A 1 to 5           -> replaced, rests 5
        asks                       -> 5 @ 100
        replace A 1 to 2           -> replaced, rests 2
        asks                       -> 4 @ 100
        buy C 3 @ 100              -> A 2 @ 100, B 1 @ 100
        """,
    "a larger iceberg shows as much as before, behind the others": """
        sell A 4 @ 100 shows 3     -> rests 4
        sell B 2 @ 100             -> rests 2
        replace A 1 to 9           -> replaced, rests 9
        asks                       -> 5 @ 100
        buy C 3 @ 100              -> B 2 @ 100, A 1 @ 100
        """,
    "a stop-limit order may be an iceberg": """
        sell A 1 @ 100             -> rests 1
        buy B 9 @ 99 stop_limit 100 shows 2 -> waits 9
        buy C 1 @ 100              -> A 1 @ 100; then B 2: rests 9
        bids                       -> 2 @ 99
        """,
}


@pytest.mark.parametrize("book", [Engine, NaiveBook])
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_scenario(scenario: str, book: type[Engine | NaiveBook]) -> None:
    play(scenario, book(0))


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
def test_a_command_that_cannot_be_right_is_rejected_and_changes_no_book(command: PlaceOrder, reason: str) -> None:
    engine = Engine(0)
    engine.apply(1, _place(1, "sell", 5, 100))
    books = engine.state().books
    (closed,) = engine.apply(2, command)
    assert isinstance(closed, OrderClosed)
    assert (closed.status, closed.reason, closed.quantity) == ("rejected", reason, command.quantity)
    assert engine.state().books == books


def test_49_a_closed_order_says_its_limit_and_neither_hold_nor_collar() -> None:
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
def test_a_replacement_that_cannot_be_right_is_refused_and_changes_no_book(
    terms: dict[str, object], reason: str
) -> None:
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


def test_a_replacement_says_all_that_its_settlement_needs() -> None:
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


def test_a_replacement_with_nothing_left_to_trade_is_told_with_the_old_terms() -> None:
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


def test_a_stop_order_is_told_to_act_as_what_it_became() -> None:
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


def test_stop_orders_for_which_there_may_be_no_numbers_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("journal", "placing"):
        monkeypatch.setattr(f"tasks.matching.{module}.MAX_EVENTS_PER_COMMAND", 16)
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
