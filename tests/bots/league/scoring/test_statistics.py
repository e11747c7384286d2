"""Intervals and probabilities from many matches, and ratings: known cases, and the same each time."""

from __future__ import annotations

import random

import mpmath
import pytest

from bots.league.scoring.rating import rate
from bots.league.scoring.statistics import Estimate, compare, estimate, holm, quantile, tail


def true_tail(t: float, freedom: int) -> float:
    """The same by a library, to 30 digits: the regularised incomplete beta function."""
    with mpmath.workdps(30):
        t, freedom = mpmath.mpf(t), mpmath.mpf(freedom)
        return float(mpmath.betainc(freedom / 2, 0.5, 0, freedom / (freedom + t**2), regularized=True) / 2)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 10, 19, 99])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, 2.5, 12.0])
def test_students_distribution_is_that_of_a_library(t: float, freedom: int) -> None:
    assert tail(t, freedom) == pytest.approx(true_tail(t, freedom), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("freedom", [1, 2, 5, 9, 30])
@pytest.mark.parametrize("probability", [0.6, 0.95, 0.975, 0.999])
def test_quantiles_are_those_of_a_library(probability: float, freedom: int) -> None:
    assert true_tail(quantile(probability, freedom), freedom) == pytest.approx(1 - probability, rel=1e-6)


@pytest.mark.parametrize("skew", [0.0, 0.1])
def test_the_interval_contains_the_true_mean_as_often_as_it_says(skew: float) -> None:
    """200 tournaments of ten matches and twelve bots; gains are normal, or skewed by rare large losses."""
    rng, held = random.Random(5), 0
    for _ in range(200):
        for _ in range(12):
            gains = [one - skew * (one**2 - 1) for one in (rng.gauss(0, 1) for _ in range(10))]
            found = estimate(gains)
            assert found.low is not None
            assert found.high is not None
            held += found.low <= 0 <= found.high
    assert 0.93 <= held / 2_400 <= 0.97


def test_better_is_sure_where_it_is_and_the_two_sides_of_a_pair_sum_to_one() -> None:
    better = compare([[1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [9, -9, 9, -9, 9]]).better
    assert better[1][0] == 1.0  # by one in each match
    assert better[0][1] == 0.0
    assert better[0][2] is not None
    assert better[2][0] is not None
    assert better[0][2] + better[2][0] == pytest.approx(1.0)
    assert [better[at][at] for at in range(3)] == [None] * 3


def test_equals_are_as_good_as_each_other() -> None:
    assert compare([[5, 1, 2, 4, 4]] * 2).better[0][1] == 0.5


@pytest.mark.parametrize("matches", [1, 2, 4])
def test_few_matches_say_nothing_of_who_is_better(matches: int) -> None:
    compared = compare([list(range(matches)), list(range(9, 9 + matches))])
    assert compared.better == [[None, None], [None, None]]


def test_a_single_match_has_no_interval_and_two_have_a_wide_one() -> None:
    assert estimate([3.0]) == Estimate(3.0, None, None)
    two = estimate([1.0, 2.0])
    assert two.low is not None
    assert two.low == pytest.approx(1.5 - 12.706 / 2, abs=1e-3)  # 12.706 deviations of the mean, with one degree


def test_p_values_are_corrected_for_their_number() -> None:
    # The example of Holm's procedure with four hypotheses: 4 x 0.005, 3 x 0.01, then never less than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.6]) == [1.0, 1.0]


def test_of_many_equal_bots_hardly_ever_one_is_called_better() -> None:
    rng, wrong = random.Random(11), 0
    for _ in range(200):
        better = compare([[rng.gauss(0, 1) for _ in range(10)] for _ in range(6)]).better
        wrong += any(certain is not None and certain >= 0.975 for row in better for certain in row)
    assert wrong <= 18  # 10 are due: the correction keeps one of 15 pairs from winning by chance in 95 % of cases


def test_ratings_follow_the_places_and_are_the_same_each_time() -> None:
    places = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [1, 2, 3]]
    first, second, third = rate(places)
    assert first.mu > second.mu > third.mu
    assert rate(places) == rate(places)
    assert first.sure == first.mu - 3 * first.sigma


def test_more_matches_make_a_rating_surer() -> None:
    assert rate([[1, 2]] * 20)[0].sigma < rate([[1, 2]])[0].sigma
