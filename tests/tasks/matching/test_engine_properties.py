"""What holds for every log: the engine against the naive book, and against itself begun elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.matching.engine import Engine
from tasks.matching.state import decode, encode
from tasks.messages import Command, Event, OrderClosed, PlaceOrder, TradeMade
from tests.support.book_mirror import BookMirror
from tests.support.command_logs import SECURITIES, logs, seeded_log
from tests.support.naive_book import NaiveBook

# Small, so that a short log gets past them.
BOUNDS = {"waiting_commands": 6, "remembered_orders": 4}


class Comparison:
    """Both books under the same log, looked at after every command."""

    def __init__(self, **bounds: int) -> None:
        self.engine = Engine(1, **bounds)
        self.naive = NaiveBook(1, **bounds)
        self.mirrors: dict[str, BookMirror] = defaultdict(BookMirror)
        self.placed: dict[int, int] = {}  # quantity by order
        self.filled: dict[int, int] = defaultdict(int)
        self.closed: dict[int, int] = defaultdict(int)

    def apply(self, seq: int, command: Command) -> None:
        events = self.engine.apply(seq, command)
        assert events == self.naive.apply(seq, command)
        self._book(command, events)
        for update in self.engine.book_updates():
            assert update.previous_sequence == self.mirrors[update.security_id].sequence
            self.mirrors[update.security_id].apply(update)
        for security_id in SECURITIES:
            mirror = self.mirrors[security_id]
            assert mirror.depth() == self.naive.depth(security_id)
            assert max(mirror.bids, default=0) < min(mirror.asks, default=10**9), "the book is crossed"

    def _book(self, command: Command, events: list[Event]) -> None:
        if isinstance(command, PlaceOrder):
            self.placed[command.order_id] = command.quantity
        for event in events:
            if isinstance(event, TradeMade):
                assert event.buyer != event.seller
                self.filled[event.buy_order_id] += event.quantity
                self.filled[event.sell_order_id] += event.quantity
            elif isinstance(event, OrderClosed):
                self.closed[event.order_id] += event.quantity

    def check_the_end(self) -> None:
        """Every share of every order was filled, closed, or is open."""
        state = self.engine.state()
        open_quantity = {order.order_id: order.quantity for book in state.books for order in [*book.bids, *book.asks]}
        assert all(quantity > 0 for quantity in open_quantity.values())
        for order_id, quantity in self.placed.items():
            parts = self.filled[order_id] + self.closed[order_id] + open_quantity.pop(order_id, 0)
            assert parts == quantity, order_id
        assert not open_quantity
        for snapshot in self.engine.book_snapshots():
            mirror = BookMirror()
            mirror.apply(snapshot)
            assert mirror.depth() == self.naive.depth(snapshot.security_id)


@settings(max_examples=600, deadline=None)
@given(log=logs())
def test_engine_and_naive_book_make_the_same_events_and_books(log: list[Command]) -> None:
    comparison = Comparison(**BOUNDS)
    for seq, command in enumerate(log, 1):
        comparison.apply(seq, command)
    comparison.check_the_end()


@pytest.mark.parametrize("seed", range(4))
def test_a_long_day(seed: int) -> None:
    comparison = Comparison(waiting_commands=50, remembered_orders=500)
    for seq, command in enumerate(seeded_log(seed, 3_000), 1):
        comparison.apply(seq, command)
    comparison.check_the_end()
    assert len(comparison.filled) > 500, "hardly a trade: the log tests little"


@settings(max_examples=250, deadline=None)
@given(log=logs(), data=st.data())
def test_an_engine_begun_from_any_snapshot_goes_on_the_same(log: list[Command], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(log)), label="snapshot after")
    live, begun = Engine(0, **BOUNDS), None
    for seq, command in enumerate(log, 1):
        if seq == at + 1:
            begun = Engine.restored(decode(encode(live.state())), **BOUNDS)
            assert begun.state_hash() == live.state_hash()
        events = live.apply(seq, command)
        if begun:
            assert begun.apply(seq, command) == events
    if begun:
        assert begun.state() == live.state()
        assert begun.state_hash() == live.state_hash()


@settings(max_examples=250, deadline=None)
@given(log=logs(), asked=st.sets(st.integers(1, 60)))
def test_the_state_does_not_depend_on_when_the_books_are_asked_for(log: list[Command], asked: set[int]) -> None:
    watched, unwatched = Engine(0), Engine(0)
    mirrors: dict[str, BookMirror] = defaultdict(BookMirror)
    for seq, command in enumerate(log, 1):
        assert watched.apply(seq, command) == unwatched.apply(seq, command)
        if seq in asked:
            for update in watched.book_updates():
                assert update.previous_sequence == mirrors[update.security_id].sequence
                mirrors[update.security_id].apply(update)
    assert watched.state_hash() == unwatched.state_hash()
    for update in watched.book_updates():
        mirrors[update.security_id].apply(update)
    for snapshot in unwatched.book_snapshots():
        whole = BookMirror()
        whole.apply(snapshot)
        mirror = mirrors[snapshot.security_id]
        assert (mirror.depth(), mirror.sequence) == (whole.depth(), whole.sequence)


_HASHES = """
from hashlib import sha256
from tasks.matching.engine import Engine
from tasks.messages import encode
from tests.support.command_logs import seeded_log

engine = Engine(0, waiting_commands=50, remembered_orders=100)
events = [engine.apply(seq, command) for seq, command in enumerate(seeded_log(5, 2_000), 1)]
print(engine.state_hash(), sha256(encode(events)).hexdigest(), sha256(encode(engine.book_updates())).hexdigest())
"""


def test_the_hash_seed_of_the_process_changes_nothing() -> None:
    hashes = {
        subprocess.run(
            [sys.executable, "-c", _HASHES],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(hashes) == 1


def test_the_state_hash_tells_states_apart() -> None:
    hashes = set()
    engine = Engine(0)
    for seq, command in enumerate(seeded_log(3, 200, securities=SECURITIES[:1]), 1):
        engine.apply(seq, command)
        hashes.add(engine.state_hash())
    assert len(hashes) == 200
