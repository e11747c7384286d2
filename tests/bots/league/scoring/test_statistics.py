"""Intervals and probabilities from many matches, and ratings: known cases, and the same each time."""

from __future__ import annotations

import random

import pytest

from bots.league.scoring.rating import rate
from bots.league.scoring.statistics import compare

RNG = random.Random(7)
NOISY = [[RNG.gauss(mean, 10) for _ in range(30)] for mean in (0.0, 8.0, 8.0)]


def test_the_interval_holds_the_mean_and_is_as_wide_as_theory_has_it() -> None:
    estimate = compare(NOISY).estimates[0]
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low < estimate.mean < estimate.high
    # Two times 1.96 deviations of the mean of 30 draws of deviation 10.
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * 10 / 30**0.5, rel=0.3)


def test_better_is_sure_where_it_is_and_the_two_sides_of_a_pair_sum_to_one() -> None:
    better = compare([[1, 2, 3, 4], [2, 3, 4, 5], [9, -9, 9, -9]]).better
    assert better[1][0] == 1.0  # by one in each match: no draw of matches can hide that
    assert better[0][1] == 0.0
    assert better[0][2] is not None
    assert better[2][0] is not None
    assert better[0][2] + better[2][0] == pytest.approx(1.0)
    assert [better[at][at] for at in range(3)] == [None] * 3


def test_equals_are_as_good_as_each_other() -> None:
    assert compare([[5, 1, 2], [5, 1, 2]]).better[0][1] == 0.5


def test_a_single_match_has_no_interval_and_no_probability() -> None:
    compared = compare([[1], [2]])
    assert [(one.mean, one.low, one.high) for one in compared.estimates] == [(1.0, None, None), (2.0, None, None)]
    assert compared.better == [[None, None], [None, None]]


def test_one_seed_draws_the_same_and_another_does_not() -> None:
    assert compare(NOISY, seed=3) == compare(NOISY, seed=3)
    assert compare(NOISY, seed=3) != compare(NOISY, seed=4)


def test_ratings_follow_the_places_and_are_the_same_each_time() -> None:
    places = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [1, 2, 3]]
    first, second, third = rate(places)
    assert first.mu > second.mu > third.mu
    assert rate(places) == rate(places)
    assert first.sure == first.mu - 3 * first.sigma


def test_more_matches_make_a_rating_surer() -> None:
    assert rate([[1, 2]] * 20)[0].sigma < rate([[1, 2]])[0].sigma
