"""Scenarios of the matching rules, as text that a trader can read.

The lines of a scenario are its commands, and their numbers the ids of the orders: `cancel A 2` cancels A's order of
line 2, `replace A 2 to 5 @ 101` gives it a new total and a new price. Behind the arrow stands what follows: trades as
counterparty, quantity and price; `rests` or `waits` and what is open; the reason and the quantity of an order that was
closed; `refused` for a cancel, the reason for a replacement; behind `then`, what a stop order does that was triggered.
`bids` and `asks` say what a side of the book shows, the best price first.
"""

from __future__ import annotations

from tasks.matching.engine import Engine
from tasks.messages import (
    CancelOrder,
    Command,
    Event,
    MassCancel,
    OrderClosed,
    OrderReplaced,
    OrderTriggered,
    PlaceOrder,
    ReplaceOrder,
    ReplaceRefused,
    SetHalt,
    TradeMade,
)
from tests.support.naive_book import NaiveBook

SECURITY = "MSFT"


def play(scenario: str, engine: Engine | NaiveBook) -> None:
    """Say the lines to an engine, and check what follows."""
    sides: dict[int, str] = {}
    waiting: set[int] = set()  # stop orders
    for number, line in enumerate(scenario.strip().splitlines(), 1):
        said, _, expected = line.partition("->")
        words = said.split()
        if words[0] in ("bids", "asks"):
            assert _shown(engine, words[0]) == expected.strip(), line
            continue
        sides[number] = words[0]
        command = _command(number, words, sides)
        assert _said(command, engine.apply(number, command), waiting) == expected.strip(), line


def _command(number: int, words: list[str], sides: dict[int, str]) -> Command:
    command_id = now_us = 1_000 + number
    match words:
        case ["cancel", client_id, order_id]:
            return CancelOrder(command_id, client_id, SECURITY, int(order_id), now_us)
        case ["cancel_all", client_id, *order_ids]:
            return MassCancel(command_id, client_id, [int(order_id) for order_id in order_ids], now_us)
        case ["halt" | "resume"]:
            return SetHalt(command_id, SECURITY, words == ["halt"], now_us)
        case ["replace", client_id, order_id, *terms]:
            side = sides.get(int(order_id), "buy")
            quantity, price_cents = _after("to", terms), _after("@", terms)
            return ReplaceOrder(
                command_id, client_id, SECURITY, int(order_id), side, quantity, price_cents, 0, 0, now_us  # type: ignore[arg-type]
            )  # fmt: skip
    side, client_id, shares, _, limit, *terms = words
    types = {"market", "stop", "stop_limit"}
    return PlaceOrder(
        order_id=number,
        client_id=client_id,
        security_id=SECURITY,
        type=next((word for word in terms if word in types), "limit"),  # type: ignore[arg-type]
        side=side,  # type: ignore[arg-type]
        quantity=int(shares),
        price_cents=int(limit),
        time_in_force="fok" if "fok" in terms else "ioc" if {"ioc", "market"} & set(terms) else "gtc",
        post_only="post_only" in terms,
        sequenced_us=now_us,
        stop_price_cents=_after("stop", terms) or _after("stop_limit", terms),
        display_quantity=_after("shows", terms),
    )


def _after(word: str, words: list[str]) -> int | None:
    return int(words[words.index(word) + 1]) if word in words else None


def _said(command: Command, events: list[Event], waiting: set[int]) -> str:
    """What a command led to, as the scenarios say it; `waiting` are the stop orders that no trade has reached."""
    done: list[str] = []  # one part for each order that acts
    words: list[str] = []
    rest, acting = 0, 0
    if isinstance(command, PlaceOrder):
        rest, acting = command.quantity, command.order_id
        if command.stop_price_cents is not None:
            waiting.add(acting)
    for event in events:
        if isinstance(event, OrderTriggered):
            waiting.discard(event.order_id)
            if event.order_id != acting:
                done.append(_part(words, rest, acting in waiting))
            words, rest, acting = [f"then {event.client_id} {event.order_id}:"], event.quantity, event.order_id
        elif isinstance(event, TradeMade):
            counterparty = event.seller if event.aggressor_side == "buy" else event.buyer
            words.append(f"{counterparty} {event.quantity} @ {event.price_cents}")
            rest -= event.quantity
        elif isinstance(event, OrderClosed):
            words.append(f"{event.reason} {event.quantity}")
            rest = 0
        elif isinstance(event, OrderReplaced):
            words.append("replaced")
            rest, acting = event.open_quantity, event.order_id
        else:
            words.append(event.reason if isinstance(event, ReplaceRefused) else "refused")
    return "; ".join([*done, _part(words, rest, acting in waiting)])


def _part(words: list[str], rest: int, is_waiting: bool) -> str:
    if rest:
        words = [*words, f"{'waits' if is_waiting else 'rests'} {rest}"]
    return ", ".join(words).replace(":,", ":")


def _shown(engine: Engine | NaiveBook, side: str) -> str:
    if isinstance(engine, NaiveBook):
        bids, asks = engine.depth(SECURITY)
    else:
        (book,) = engine.book_snapshots()
        bids, asks = book.bids, book.asks
    return ", ".join(f"{quantity} @ {price_cents}" for price_cents, quantity, _ in (bids if side == "bids" else asks))
