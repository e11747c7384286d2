"""Properties of every log: the engine equals the naive book, and itself restored from a snapshot."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import messages
from tasks.matching.rules.book import Book
from tasks.matching.rules.engine import Engine
from tasks.matching.rules.state import decode, encode
from tasks.messages import BookUpdate, Command, Event, PlaceOrder, Side, decode_command, encode_command
from tests.support.book_mirror import BookMirror
from tests.support.command_logs import SECURITIES, seeded_day, seeded_log
from tests.support.comparison import Comparison
from tests.support.mixed_logs import mixed_logs, wild_logs

# Small, so that a short log gets past them.
BOUNDS = {"waiting_commands": 6, "remembered_orders": 4}


# How many logs are tried: as they stand here, and more in a profile that tries more (--hypothesis-profile long).
TIMES = settings.default.max_examples / settings.get_profile("default").max_examples


def _examples(number: int) -> settings:
    return settings(max_examples=round(number * TIMES), deadline=None)


@pytest.mark.parametrize("part", range(4))  # parts may run in parallel
def test_engine_and_naive_book_make_the_same_events_and_books(part: int) -> None:
    compared = 0

    @_examples(490)
    @given(log=mixed_logs(max_size=250), restart_every=st.integers(1, 50))
    def compare(log: list[Command], restart_every: int) -> None:
        nonlocal compared
        comparison = Comparison(**BOUNDS)
        for seq, command in enumerate(log, 1):
            comparison.apply(seq, command)
            if seq % restart_every == 0:
                comparison.restart()
        comparison.check_snapshots()
        compared += len(log)

    compare()
    assert compared >= 50_000 * TIMES


@_examples(150)
@given(log=wild_logs(max_size=40))
def test_no_command_makes_the_engine_raise_or_make_unreadable_events(log: list[Command]) -> None:
    comparison = Comparison(**BOUNDS)
    for seq, command in enumerate(log, 1):
        assert decode_command(encode_command(command)) == command
        events = comparison.apply(seq, command)
        assert msgspec.json.decode(messages.encode(events), type=list[Event]) == events
        for update in comparison.engine.book_snapshots():
            assert msgspec.json.decode(messages.encode(update), type=BookUpdate) == update
        comparison.restart()


@pytest.mark.parametrize("seed", range(4))
def test_a_long_day(seed: int) -> None:
    comparison = Comparison(waiting_commands=50, remembered_orders=500)
    for seq, command in enumerate(seeded_log(seed, 1_000), 1):
        comparison.apply(seq, command)
    comparison.check_snapshots()
    assert len(comparison.filled) > 150, "hardly a trade: the log tests little"


class CarefulEngine(Engine):
    """An engine without the short path of most orders."""

    __slots__ = ()

    def _place(self, order: PlaceOrder) -> None:
        self._place_with_care(order)


@pytest.mark.parametrize("seed", range(4))
def test_the_short_path_of_an_order_leads_to_the_same_as_the_long_one(seed: int) -> None:
    short, long = Engine(0, **BOUNDS), CarefulEngine(0, **BOUNDS)
    for seq, command in enumerate(seeded_day(seed, 1_000), 1):
        assert short.apply(seq, command) == long.apply(seq, command)
        assert short.book_updates() == long.book_updates()
    assert short.state_hash() == long.state_hash()


@given(
    base=st.integers(1, 30), band_ppm=st.integers(1, 999_999), limit=st.integers(1, 70), other=st.integers(1, 70),
    side=st.sampled_from(["buy", "sell"]),
)  # fmt: skip
def test_an_order_is_within_the_band_where_its_edges_do_not_stop_it(
    base: int, band_ppm: int, limit: int, other: int, side: Side
) -> None:
    book = Book("MSFT", {}, {})
    book.reference_cents, book.band_ppm = base, band_ppm
    book.best_ask, book.best_bid = -other, other
    key = -limit if side == "buy" else limit
    edge = book.band_key(side)
    assert edge is not None
    order = PlaceOrder(1, "ANN", "MSFT", "limit", side, 1, limit, "gtc", False, 1)
    assert book.is_within_band(order) == (edge <= key)


@pytest.mark.parametrize("seed", range(4))
def test_days_with_phases(seed: int) -> None:
    comparison = Comparison(waiting_commands=50, remembered_orders=500)
    kinds = set()
    for seq, command in enumerate(seeded_day(seed, 1_000), 1):
        events = comparison.apply(seq, command)
        kinds |= {(type(event).__name__, getattr(event, "cause", getattr(event, "reason", None))) for event in events}
        if seq % 100 == 0:
            comparison.restart()
    comparison.check_snapshots()
    assert {("PhaseChanged", "volatility"), ("OrderClosed", "expired"), ("OrderClosed", "not_in_auction")} <= kinds


@_examples(200)
@given(log=mixed_logs(max_size=60), data=st.data())
def test_an_engine_restored_from_any_snapshot_continues_the_same(log: list[Command], data: st.DataObject) -> None:
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


@_examples(200)
@given(log=mixed_logs(max_size=60), asked=st.sets(st.integers(1, 60)))
def test_the_state_does_not_depend_on_when_books_are_published(log: list[Command], asked: set[int]) -> None:
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
from tasks.matching.rules.book import Book
from tasks.matching.rules.engine import Engine
from tasks.messages import encode
from tests.support.mixed_logs import mixed_log

engine = Engine(0, waiting_commands=50, remembered_orders=100)
events = [engine.apply(seq, command) for seq, command in enumerate(mixed_log(5, 2_000), 1)]
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


def test_the_state_hash_distinguishes_states() -> None:
    hashes = set()
    engine = Engine(0)
    for seq, command in enumerate(seeded_log(3, 200, securities=SECURITIES[:1]), 1):
        engine.apply(seq, command)
        hashes.add(engine.state_hash())
    assert len(hashes) == 200
