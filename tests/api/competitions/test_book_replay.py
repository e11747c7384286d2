"""A replay of one security's commands has the book that the engine of the whole shard had after each of them."""

from __future__ import annotations

import pytest
from msgspec import Raw

from api.competitions.book_replay import BookReplay
from api.competitions.replay import _encoded
from api.wire.answers import encode
from api.wire.money import dollars
from tasks.matching.rules.engine import Engine
from tasks.messages import Command, ListSecurity, PlaceOrder, SetPhase, TradeMade
from tests.support.command_logs import SECURITIES
from tests.support.mixed_logs import mixed_log

ID = SECURITIES[0]
Levels = dict[tuple[str, object], tuple[int, int]]


def listing() -> Command:
    return ListSecurity(1, ID, 100, 1, 1, 10_000, None, 1)


def opening() -> list[Command]:
    """Return an auction that begins and ends."""
    return [SetPhase(2, ID, "auction", "admin", None, 2), SetPhase(3, ID, "continuous", "admin", None, 3)]


def unique(commands: list[Command]) -> list[Command]:
    """Leave out orders whose id another order has, which order entry never sequences."""
    first = {one.order_id: one for one in reversed(commands) if type(one) is PlaceOrder}
    return [one for one in commands if type(one) is not PlaceOrder or first[one.order_id] is one]


def is_about(command: Command) -> bool:
    return getattr(command, "security_id", ID) == ID


def levels_of(engine: Engine) -> Levels:
    bids, asks = engine.best_levels(ID, 10_000)
    named = [("bid", one) for one in bids] + [("ask", one) for one in asks]
    return {(side, dollars(price)): (quantity, orders) for side, (price, quantity, orders) in named}


@pytest.mark.parametrize("seed", range(4))
def test_it_has_the_book_of_the_whole_shard(seed: int) -> None:
    commands = list(enumerate([listing(), *opening(), *unique(mixed_log(seed, 1_500))], start=1))
    engine, rebuilt = Engine(0), BookReplay(0, commands[0])
    engine.apply(*commands[0])
    seen: Levels = {}
    trades = 0
    rows = 0
    for seq, command in commands[1:]:
        made = engine.apply(seq, command)
        trades += sum(type(event) is TradeMade and event.security_id == ID for event in made)
        if not is_about(command):
            continue
        rebuilt.apply([(seq, command)])
        for _, side, price, quantity, orders in rebuilt.book[rows:]:
            if quantity:
                seen[side, price] = (quantity, orders)
            else:
                del seen[side, price]
        rows = len(rebuilt.book)
        assert seen == levels_of(engine)
    assert len(rebuilt.trades) == trades > 0
    times = [row[0] for row in rebuilt.book]
    assert times == sorted(times)
    assert [phase for _, phase in rebuilt.phases[:2]] == ["auction", "continuous"]


def test_nothing_happened() -> None:
    rebuilt = BookReplay(0, (1, listing()))
    rebuilt.apply([(2, SetPhase(2, ID, "closed", "admin", None, 2))])
    assert (rebuilt.began_us, rebuilt.book, rebuilt.trades, rebuilt.phases) == (None, [], [], [])


def test_rows_are_encoded_some_at_a_time() -> None:
    rows = [[number, "bid", dollars(110), 2, 3] for number in range(2_500)]
    assert _encoded(rows) == Raw(encode(rows))
    assert _encoded([]) == Raw(b"[]")
