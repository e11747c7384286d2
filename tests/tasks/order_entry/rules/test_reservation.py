"""What is reserved for replacements covers every order in which fills and replacements may happen and settle."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.order_entry.rules.reservation import Terms
from tasks.order_entry.rules.rows import ReplaceableOrder


def terms(filled: int, quantities: tuple[int, int], holds: tuple[int, int]) -> Terms:
    return Terms("limit", "buy", filled, *quantities, *holds, holds[1])


@pytest.mark.parametrize(
    ("known", "quantity", "hold_cents", "reserved"),
    [
        # 10 shares at 100, nothing filled, nothing pending
        (terms(0, (10, 10), (100, 100)), 12, None, 200),
        (terms(0, (10, 10), (100, 100)), 8, None, 0),
        (terms(0, (10, 10), (100, 100)), None, 101, 10),
        (terms(0, (10, 10), (100, 100)), None, 99, 0),
        (terms(0, (10, 10), (100, 100)), 20, 50, 500),  # 10 may fill at 100 before it comes
        (terms(0, (10, 10), (100, 100)), 5, 200, 0),
        (terms(0, (10, 10), (100, 100)), 6, 200, 200),
        (terms(0, (10, 10), (100, 100)), 10, 100, 0),
        # 4 of the 10 are filled
        (terms(4, (10, 10), (100, 100)), None, 101, 6),
        (terms(4, (10, 10), (100, 100)), 12, 200, 1_000),
        (terms(4, (10, 10), (100, 100)), 3, 500, 0),
        # on its way: to 5 to 20 shares at 80 to 120
        (terms(4, (5, 20), (80, 120)), 21, None, 16 * 120),
        (terms(4, (5, 20), (80, 120)), None, 121, 16 * 41),
        (terms(4, (5, 20), (80, 120)), 20, 120, 16 * 120 - 1 * 80),
        (terms(4, (5, 20), (80, 120)), None, 80, 0),
        # a larger total was filled already than the register knows
        (terms(15, (10, 20), (100, 100)), 20, 100, 500),
    ],
)
def test_reserved(known: Terms, quantity: int | None, hold_cents: int | None, reserved: int) -> None:
    assert known.reserved_cents(quantity, hold_cents) == reserved


@pytest.mark.parametrize(
    ("known", "quantity", "reserved"),
    [
        (terms(0, (10, 10), (0, 0)), 12, 2),
        (terms(0, (10, 10), (0, 0)), 8, 0),
        (terms(0, (10, 10), (0, 0)), None, 0),
        (terms(0, (5, 20), (0, 0)), 12, 7),
        (terms(7, (5, 20), (0, 0)), 12, 5),
    ],
)
def test_reserved_shares(known: Terms, quantity: int | None, reserved: int) -> None:
    assert known.reserved_shares(quantity) == reserved


class Replacement(NamedTuple):
    number: int
    quantity: int | None
    hold: int | None
    reserved: int


class Happened(NamedTuple):
    """An event of the engine, as order execution settles it."""

    kind: Literal["gone", "replaced", "refused"]  # gone: filled or closed
    shares: int = 0
    hold: int = 0
    old_open: int = 0
    old_hold: int = 0
    total: int = 0
    replacement: Replacement | None = None


@dataclass
class Play:
    """One order at order entry, at the engine and at order execution, between which everything may take its time.

    For a sell order each share needs one share, so all holds are 1.
    """

    total: int
    hold: int
    side: Literal["buy", "sell"]
    # order entry and order execution
    entered: int = 0
    held: int = 0
    registered: tuple[int, int, int] = (0, 0, 0)  # number of the replacement, total, hold
    settled: int = 0
    pending: dict[int, Replacement] = field(default_factory=dict)
    logged: deque[Replacement] = field(default_factory=deque)
    events: list[Happened] = field(default_factory=list)
    # the engine
    gone: int = 0
    is_open: bool = True

    def __post_init__(self) -> None:
        self.held = self.total * self.hold
        self.registered = (0, self.total, self.hold)

    def enter(self, quantity: int | None, hold: int | None) -> None:
        """Order entry admits a replacement."""
        if self.settled >= self.registered[1] and not self.pending:
            return  # it is closed
        _, total, old_hold = self.registered
        quantities = [total, *(one.quantity for one in self.pending.values() if one.quantity)]
        holds = [one.hold for one in self.pending.values() if one.hold]
        order = ReplaceableOrder(
            order_id=1,
            client_id="ANN",
            security_id="MSFT",
            type="limit",
            side=self.side,
            is_open=True,
            filled_quantity=self.settled,
            price_cents=old_hold,
            hold_cents=old_hold,
            lowest_quantity=min(quantities),
            highest_quantity=max(quantities),
            lowest_price_cents=min(holds, default=None),
            highest_price_cents=max(holds, default=None),
            display_quantity=None,
            fee_ppm=0,
            largest_quantity=max(quantities),
            largest_hold_cents=max(holds, default=old_hold),
            gone_quantity=self.settled,
        )
        known = Terms.of_registered(order)
        if self.side == "sell":
            hold, reserved = None, known.reserved_shares(quantity)
        else:
            reserved = known.reserved_cents(quantity, hold)
        self.entered += 1
        one = Replacement(self.entered, quantity, hold, reserved)
        self.pending[one.number] = one
        self.logged.append(one)
        self.held += reserved

    def fill(self, shares: int) -> None:
        """The engine fills some of what is open, or closes it all."""
        shares = min(shares, self.total - self.gone)
        if not self.is_open or not shares:
            return
        self.gone += shares
        self.is_open = self.gone < self.total
        self.events.append(Happened("gone", shares, self.hold))

    def replace(self) -> None:
        """The engine comes to the next replacement."""
        if not self.logged:
            return
        one = self.logged.popleft()
        if not self.is_open:
            self.events.append(Happened("refused", replacement=one))
            return
        old_open, old_hold = self.total - self.gone, self.hold
        ends = (one.quantity or self.total) <= self.gone
        if not ends:
            self.total, self.hold = one.quantity or self.total, one.hold or self.hold
        self.events.append(
            Happened("replaced", self.total - self.gone, self.hold, old_open, old_hold, self.total, replacement=one)
        )
        if ends:
            self.fill(old_open)

    def settle(self, position: int) -> None:
        """Order execution settles one of the events, not always the oldest."""
        if not self.events:
            return
        event = self.events.pop(position % len(self.events))
        if event.kind == "gone":
            self.settled += event.shares
            self.held -= event.shares * event.hold
        else:
            assert event.replacement is not None
            del self.pending[event.replacement.number]
            difference = -event.replacement.reserved
            if event.kind == "replaced":
                difference += event.shares * event.hold - event.old_open * event.old_hold
                if event.replacement.number > self.registered[0]:
                    self.registered = (event.replacement.number, event.total, event.hold)
            # What it needs was reserved, so no other client's cash or shares are needed now.
            assert difference <= 0
            self.held += difference
        # What a fill takes is at most what it releases, so this is enough for no balance to fall below zero.
        assert self.held >= 0


small = st.integers(1, 12)
terms_moves = st.tuples(st.just("enter"), st.integers(1, 24), st.none()) | st.tuples(st.just("enter"), st.none(), small)
moves = st.one_of(
    terms_moves,
    st.tuples(st.just("enter"), small, small),
    st.tuples(st.just("fill"), st.integers(1, 4)),
    st.tuples(st.just("replace")),
    st.tuples(st.just("settle"), st.integers(0, 3)),
)


@given(
    total=small,
    hold=small,
    side=st.sampled_from(["buy", "buy", "sell"]),
    moves=st.lists(moves, min_size=5, max_size=25),
)
@settings(max_examples=500, deadline=None)
def test_no_order_of_events_needs_more_than_is_held(
    total: int, hold: int, side: Literal["buy", "sell"], moves: list[tuple]
) -> None:
    play = Play(total, hold if side == "buy" else 1, side)
    for move, *arguments in moves:
        getattr(play, move)(*arguments)
    while play.logged:
        play.replace()
    while play.events:
        play.settle(-1)
    assert play.held == (play.total - play.gone) * play.hold * play.is_open
    assert play.pending == {}
