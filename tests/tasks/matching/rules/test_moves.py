"""A security that moves to another engine trades as if it had stayed."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from tasks.matching.rules.engine import Engine
from tasks.messages import (
    AdoptSecurity,
    CancelOrder,
    Command,
    Event,
    Expire,
    MassCancel,
    PlaceOrder,
    ReleaseSecurity,
    ReplaceOrder,
    decode_command,
    encode_command,
)
from tests.support.mixed_logs import SECURITIES, mixed_log

NOW_US = 1_700_000_000_000_000
MOVING = SECURITIES[0]


def _sequenced_in_order(log: Iterable[Command]) -> list[Command]:
    """Return the commands that order entry would sequence: about known orders, and by their right names."""
    placed: dict[int, PlaceOrder] = {}
    kept: list[Command] = []
    for command in log:
        if isinstance(command, PlaceOrder):
            if command.order_id in placed:
                continue
            placed[command.order_id] = command
        elif isinstance(command, CancelOrder | ReplaceOrder):
            order = placed.get(command.order_id)
            if order is None or order.security_id != command.security_id:
                continue
        kept.append(command)
    return kept


def _move(source: Engine, target: Engine, security_id: str = MOVING) -> AdoptSecurity:
    """Move a security as `tasks.moving` does."""
    book, closed = source.book_state(security_id), sorted(source.recently_closed())
    adopt = AdoptSecurity(2, security_id, source.shard, book, closed, NOW_US)
    assert source.apply(source.seq + 1, ReleaseSecurity(1, security_id, target.shard, NOW_US)) == []
    assert decode_command(encode_command(adopt)) == adopt
    assert target.apply(target.seq + 1, adopt) == []
    return adopt


def _by_security(events: Iterable[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.security_id, []).append(replace(event, event_id=1))
    return found


@pytest.mark.parametrize("seed", range(40))
def test_the_same_events_and_books_as_without_the_move(seed: int) -> None:
    log = _sequenced_in_order(mixed_log(seed, 400))
    moves_at = (seed * 37) % len(log)
    stays, source, target = Engine(0), Engine(0), Engine(3)
    expected: list[Event] = []
    made: list[Event] = []
    for position, command in enumerate(log):
        if position == moves_at:
            _move(source, target)
        expected += stays.apply(stays.seq + 1, command)
        engines = [source]
        if position >= moves_at:
            if isinstance(command, MassCancel | Expire):
                engines = [source, target]
            elif command.security_id == MOVING:
                engines = [target]
        for engine in engines:
            made += engine.apply(engine.seq + 1, command)
    assert _by_security(made) == _by_security(expected)
    assert target.book_state(MOVING) == stays.book_state(MOVING)
    assert [book.security_id for book in target.state().books] == [MOVING]
    assert MOVING not in [book.security_id for book in source.state().books]
    events = [event.event_id for event in made if event.security_id == MOVING]
    assert events == sorted(events), "of two events of a security the later one has the higher id"


def test_the_first_update_of_an_adopted_book_is_whole_and_the_last_of_a_released_one_may_be_missing() -> None:
    source, target = Engine(0), Engine(1)
    for number in (10, 11):
        order = PlaceOrder(number, "ANN", MOVING, "limit", "buy", 5, 90 + number, "gtc", False, NOW_US)
        source.apply(source.seq + 1, order)
    _move(source, target)
    assert source.book_updates() == []
    (whole,) = target.book_updates()
    assert whole.snapshot
    assert whole.bids == [(101, 5, 1), (100, 5, 1)]
    assert target.book_updates() == []
    assert source.state().books == []


def test_a_snapshot_of_the_engine_contains_an_adopted_book() -> None:
    source, target = Engine(0), Engine(1)
    source.apply(1, PlaceOrder(10, "ANN", MOVING, "limit", "buy", 5, 100, "gtc", False, NOW_US))
    adopt = _move(source, target)
    restored = Engine.restored(target.state())
    assert restored.state_hash() == target.state_hash()
    cancel = CancelOrder(12, "ANN", MOVING, 10, NOW_US)
    assert restored.apply(2, cancel) == target.apply(2, cancel) != []
    # A second copy of the command, as from a log that is wrong, changes nothing.
    before = target.state_hash()
    target.apply(target.seq, adopt)
    assert target.state_hash() == before
