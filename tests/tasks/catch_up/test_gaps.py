"""Which events count as lost, and when."""

from __future__ import annotations

from tasks.catch_up.gaps import LONGEST_WAIT_S, GapWatch, missing_of
from tasks.shared.rules.coverage import Interval

PATIENCE_S = 4.0


class Looks:
    """A GapWatch that looks once a second."""

    def __init__(self) -> None:
        self._watch = GapWatch(patience_s=PATIENCE_S)
        self._now_s = 100.0

    def look(self, expected: Interval, *covered: Interval, empty: bool = True) -> list[Interval]:
        self._now_s += 1
        missing = missing_of([expected], covered)
        return self._watch.look(missing, covered, queue_is_empty=empty, now_s=self._now_s)

    def until_due(self, expected: Interval, *covered: Interval, empty: bool = True, looks: int = 2_000) -> int:
        """Return the number of looks until a gap is due; 0 if none is."""
        return next((n for n in range(1, looks) if self.look(expected, *covered, empty=empty)), 0)


def test_events_before_the_first_coverage_are_not_missing() -> None:
    assert missing_of([(1, 100)], [(40, 60)]) == [(60, 100)]
    assert missing_of([(1, 100)], []) == []


def test_a_gap_is_due_after_a_while() -> None:
    looks = Looks()
    assert [looks.look((1, 10), (1, 3), (5, 10)) for _ in range(5)] == [[], [], [], [], [(3, 5)]]


def test_only_lasting_gaps_are_due() -> None:
    looks = Looks()
    for _ in range(4):
        assert looks.look((1, 30), (1, 3), (9, 30)) == []
    assert looks.look((1, 30), (1, 3), (5, 6), (9, 20)) == [(3, 5), (6, 9)]  # from 20 on it is new


def test_messages_in_the_queue_are_not_lost_however_long_they_wait() -> None:
    assert Looks().until_due((1, 100), (1, 3), empty=False) == 0


def test_a_gap_before_later_events_is_lost_even_if_the_queue_is_never_empty() -> None:
    assert Looks().until_due((1, 100), (1, 3), (5, 10), empty=False) == 5


def test_events_missing_after_the_queue_was_empty_are_lost() -> None:
    looks = Looks()
    for _ in range(50):
        assert looks.look((1, 100), (1, 3), empty=False) == []
    assert looks.look((1, 100), (1, 3), empty=True) == []
    for _ in range(3):
        assert looks.look((1, 200), (1, 3), empty=False) == []
    assert looks.look((1, 200), (1, 3), empty=False) == [(3, 100)]


def test_gaps_that_stay_are_derived_at_growing_intervals() -> None:
    looks = Looks()
    waits = [looks.until_due((1, 10), (1, 3), (5, 10)) for _ in range(10)]
    assert waits == [5, 4, 8, 16, 32, 64, 128, 256, 512, LONGEST_WAIT_S]


def test_another_gap_does_not_wait_for_the_first_one() -> None:
    looks = Looks()
    for _ in range(4):
        looks.until_due((1, 10), (1, 3), (5, 10))
    assert looks.until_due((1, 20), (1, 3), (5, 12), (14, 20)) == 5
    # The first gap keeps waiting, and a gap that has closed is forgotten.
    assert looks.until_due((1, 20), (1, 12), (14, 20)) == 4
