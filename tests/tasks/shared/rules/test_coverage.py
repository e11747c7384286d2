"""Intervals of events, compared with sets of numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tasks.messages import event_id
from tasks.shared.rules import coverage
from tasks.shared.rules.coverage import Interval

intervals = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)).map(lambda pair: (min(pair), max(pair))))


def numbers(some: list[Interval]) -> set[int]:
    return {number for begin, end in some for number in range(begin, end)}


@given(intervals)
def test_merged_has_as_few_intervals_as_possible(some: list[Interval]) -> None:
    whole = coverage.merged(some)
    assert numbers(whole) == numbers(some)
    assert all(one[1] < other[0] for one, other in pairwise(whole))
    assert all(begin < end for begin, end in whole)


@given(intervals, intervals)
def test_without_is_the_difference(some: list[Interval], others: list[Interval]) -> None:
    left = coverage.without(some, others)
    assert numbers(left) == numbers(some) - numbers(others)
    assert coverage.merged(left) == left


@given(intervals, st.integers(1, 40), st.integers(1, 40))
def test_clipped_lies_within_the_bounds(some: list[Interval], begin: int, end: int) -> None:
    assert numbers(coverage.clipped(some, begin, end)) == numbers(some) & set(range(begin, end))


def test_intervals_of_commands_are_adjacent_and_know_their_shard() -> None:
    first, second = coverage.commands(3, 5, 8), coverage.commands(3, 8, 9)
    assert coverage.merged([second, first]) == [(event_id(3, 5, 0), event_id(3, 9, 0))]
    assert coverage.shard_of(first) == 3
    assert coverage.seqs_of(first) == (5, 7)
    assert coverage.seqs_of((event_id(3, 5, 7), event_id(3, 6, 1))) == (5, 6)
