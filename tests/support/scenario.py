"""Scenarios of the matching rules, as text for traders.

The lines of a scenario are its commands, and their numbers the ids of the orders: `cancel A 2` cancels A's order of
line 2, `replace A 2 to 5 @ 101` gives it a new total and a new price, `expire 2 3` lets two orders expire. Behind the
arrow stands what follows: trades as counterparty, quantity and price; `rests` or `waits` and what is open; the reason
and the quantity of an order that was closed; `refused` for a cancel, the reason for a replacement; behind `then`, what
a stop order does that was triggered.

`list 100 band 10` says the reference price and the band in percent, `phase auction` changes the phase, `settle 90` and
`delist` end it all. A trade of an auction is said as `B buys 5 from A @ 100`, a change of the phase as its name and
cause, and where one command closes orders of several clients, each has its client in front.

`bids` and `asks` say what a side of the book shows, the best price first, `indicative` where an auction would end now.
"""

from __future__ import annotations

from tasks.matching.rules.engine import Engine
from tasks.messages import (
    CancelOrder,
    Command,
    DelistSecurity,
    Event,
    Expire,
    ListSecurity,
    MassCancel,
    OrderClosed,
    OrderReplaced,
    OrderTriggered,
    PhaseChanged,
    PlaceOrder,
    ReplaceOrder,
    ReplaceRefused,
    SecuritySettled,
    SetBand,
    SetHalt,
    SetPhase,
    SettleSecurity,
    TradeMade,
)
from tests.support.naive_book import NaiveBook

SECURITY = "MSFT"
_TYPES = ("market", "stop", "stop_limit")
_TIMES_IN_FORCE = ("ioc", "fok", "day", "gtd", "auction")


def play(scenario: str, engine: Engine | NaiveBook) -> None:
    """Run the lines on an engine, and check the outcome of each."""
    sides: dict[int, str] = {}
    for number, line in enumerate(scenario.strip().splitlines(), 1):
        said, _, expected = line.partition("->")
        words = said.split()
        if words[0] in ("bids", "asks", "indicative"):
            shown = _indicative(engine) if words[0] == "indicative" else _shown(engine, words[0])
            assert shown == expected.strip(), line
            continue
        sides[number] = words[0]
        command = _command(number, words, sides)
        events = engine.apply(number, command)
        assert _said(command, events, _waiting(engine)) == " ".join(expected.split()), line


def _command(number: int, words: list[str], sides: dict[int, str]) -> Command:
    command_id = now_us = 1_000 + number
    match words:
        case ["cancel", client_id, order_id]:
            return CancelOrder(command_id, client_id, SECURITY, int(order_id), now_us)
        case ["cancel_all", client_id, *order_ids]:
            return MassCancel(command_id, client_id, [int(order_id) for order_id in order_ids], now_us)
        case ["expire", *order_ids]:
            return Expire(command_id, [int(order_id) for order_id in order_ids], now_us)
        case ["replace", client_id, order_id, *terms]:
            side = sides.get(int(order_id), "buy")
            quantity, price_cents = _after("to", terms), _after("@", terms)
            return ReplaceOrder(
                command_id, client_id, SECURITY, int(order_id), side, quantity, price_cents, 0, 0, now_us  # type: ignore[arg-type]
            )  # fmt: skip
        case ["buy" | "sell", *_]:
            return _order(number, words, now_us)
    return _of_security(command_id, words, now_us)


def _of_security(command_id: int, words: list[str], now_us: int) -> Command:
    match words:
        case ["halt" | "resume"]:
            return SetHalt(command_id, SECURITY, words == ["halt"], now_us)
        case ["phase", phase, *terms]:
            return SetPhase(command_id, SECURITY, phase, "schedule", _after("until", terms), now_us)  # type: ignore[arg-type]
        case ["band", percent]:
            return SetBand(command_id, SECURITY, None if percent == "none" else int(percent) * 10_000, now_us)
        case ["list", reference, *terms]:
            percent = _after("band", terms)
            band_ppm = percent * 10_000 if percent else None
            return ListSecurity(command_id, SECURITY, int(reference), 1, 1, 10_000, band_ppm, now_us)
        case ["settle", value]:
            return SettleSecurity(command_id, SECURITY, int(value), now_us)
    assert words == ["delist"], f"what is {words}?"
    return DelistSecurity(command_id, SECURITY, now_us)


def _order(number: int, words: list[str], now_us: int) -> PlaceOrder:
    side, client_id, shares, _, limit, *terms = words
    time_in_force = next((word for word in terms if word in _TIMES_IN_FORCE), "ioc" if "market" in terms else "gtc")
    return PlaceOrder(
        order_id=number,
        client_id=client_id,
        security_id=SECURITY,
        type=next((word for word in terms if word in _TYPES), "limit"),  # type: ignore[arg-type]
        side=side,  # type: ignore[arg-type]
        quantity=int(shares),
        price_cents=int(limit),
        time_in_force=time_in_force,  # type: ignore[arg-type]
        post_only="post_only" in terms,
        sequenced_us=now_us,
        stop_price_cents=_after("stop", terms) or _after("stop_limit", terms),
        display_quantity=_after("shows", terms),
        expires_us=now_us + 1 if time_in_force == "gtd" else None,
    )


def _after(word: str, words: list[str]) -> int | None:
    return int(words[words.index(word) + 1]) if word in words else None


def _said(command: Command, events: list[Event], waiting: set[int]) -> str:
    """Return the outcome of a command in the words of the scenarios; `waiting` are the orders outside the book now."""
    done: list[str] = []  # one part for each order that acts
    words: list[str] = []
    rest, acting = 0, 0
    if isinstance(command, PlaceOrder):
        rest, acting = command.quantity, command.order_id
    for event in events:
        if isinstance(event, OrderTriggered):
            if event.order_id != acting:
                done.append(_part(words, rest, acting in waiting))
            words, rest, acting = [f"then {event.client_id} {event.order_id}:"], event.quantity, event.order_id
        elif isinstance(event, TradeMade):
            words.append(_trade(event))
            rest -= event.quantity
        elif isinstance(event, OrderClosed):
            has_client = event.order_id != acting and not isinstance(command, CancelOrder | MassCancel)
            words.append(f"{event.client_id} " * has_client + f"{event.reason} {event.quantity}")
            rest = rest if has_client else 0
        elif isinstance(event, OrderReplaced):
            words.append("replaced")
            rest, acting = event.open_quantity, event.order_id
        elif isinstance(event, PhaseChanged):
            words.append(f"{event.phase} {event.cause}")
        elif isinstance(event, SecuritySettled):
            words.append(f"settled at {event.value_cents}")
        else:
            words.append(event.reason if isinstance(event, ReplaceRefused) else "refused")
    return "; ".join([*done, _part(words, rest, acting in waiting)])


def _trade(trade: TradeMade) -> str:
    if trade.aggressor_side is None:
        return f"{trade.buyer} buys {trade.quantity} from {trade.seller} @ {trade.price_cents}"
    counterparty = trade.seller if trade.aggressor_side == "buy" else trade.buyer
    return f"{counterparty} {trade.quantity} @ {trade.price_cents}"


def _part(words: list[str], rest: int, is_waiting: bool) -> str:
    if rest > 0:
        words = [*words, f"{'waits' if is_waiting else 'rests'} {rest}"]
    return ", ".join(words).replace(":,", ":")


def _waiting(engine: Engine | NaiveBook) -> set[int]:
    """Return the ids of the orders that wait for their stop price or for an auction."""
    if isinstance(engine, NaiveBook):
        return {*engine.stops(SECURITY), *engine.for_auction(SECURITY)}
    return {order.order_id for book in engine.state().books for order in [*book.stops, *book.for_auction]}


def _shown(engine: Engine | NaiveBook, side: str) -> str:
    if isinstance(engine, NaiveBook):
        bids, asks = engine.depth(SECURITY)
    else:
        (book,) = engine.book_snapshots()
        bids, asks = book.bids, book.asks
    return ", ".join(f"{quantity} @ {price_cents}" for price_cents, quantity, _ in (bids if side == "bids" else asks))


def _indicative(engine: Engine | NaiveBook) -> str:
    indicated = engine.indication(SECURITY) if isinstance(engine, NaiveBook) else engine.indicative(SECURITY)
    price_cents, volume, surplus, side = indicated
    if price_cents is None:
        assert indicated == (None, 0, 0, None)
        return "nothing"
    return f"{volume} @ {price_cents}" + (f", surplus {surplus} {side}" if surplus else "")
