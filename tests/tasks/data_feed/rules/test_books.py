from __future__ import annotations

from itertools import permutations

from tasks.data_feed.rules.books import changes_of
from tests.support.feed import book_update


def test_consecutive_updates_are_one_change() -> None:
    first = book_update(1, bids=[(9_990, 5, 1), (9_980, 7, 2)], bid_cents=9_990)
    second = book_update(2, bids=[(9_990, 0, 0)], asks=[(10_010, 3, 1)], bid_cents=9_980, ask_cents=10_010)
    for updates in permutations([first, second, first]):
        (change,) = changes_of(updates)
        assert (change.previous_sequence, change.sequence, change.snapshot) == (0, 2, 0)
        assert change.levels == {
            ("buy", 9_990): (0, 0, 2),
            ("buy", 9_980): (7, 2, 1),
            ("sell", 10_010): (3, 1, 2),
        }
        assert (change.bid_cents, change.ask_cents, change.updated_us) == (9_980, 10_010, second.updated_us)


def test_a_gap_separates_changes() -> None:
    changes = changes_of([book_update(7), book_update(1), book_update(2), book_update(6)])
    assert [(change.previous_sequence, change.sequence) for change in changes] == [(0, 2), (5, 7)]


def test_updates_before_a_snapshot_have_no_effect() -> None:
    snapshot = book_update(5, previous=3, snapshot=True, bids=[(9_980, 7, 2)], bid_cents=9_980)
    after = book_update(6, asks=[(10_010, 3, 1)], bid_cents=9_980, ask_cents=10_010)
    for updates in permutations([book_update(2, bids=[(9_990, 5, 1)]), snapshot, after]):
        (change,) = changes_of(updates)
        assert (change.sequence, change.snapshot) == (6, 5)
        assert change.levels == {("buy", 9_980): (7, 2, 5), ("sell", 10_010): (3, 1, 6)}


def test_two_engines_may_cut_the_same_changes_differently() -> None:
    wide = book_update(7, previous=3, bids=[(9_980, 1, 1), (9_990, 2, 1)])
    narrow = book_update(7, previous=5, bids=[(9_990, 2, 1)])
    between = book_update(5, previous=3, bids=[(9_980, 1, 1), (9_990, 8, 1)])
    for updates in permutations([wide, narrow, between]):
        (change,) = changes_of(updates)
        assert (change.previous_sequence, change.sequence) == (3, 7)
        assert change.levels["buy", 9_990] == (2, 1, 7)
        assert change.levels["buy", 9_980][:2] == (1, 1)


def test_securities_are_separate() -> None:
    changes = changes_of([book_update(1), book_update(4, security_id="TSLA")])
    assert [(change.security_id, change.sequence) for change in changes] == [("MSFT", 1), ("TSLA", 4)]
