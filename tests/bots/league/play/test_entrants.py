"""Entrants have unique names and accounts; every fault is reported before the first match."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from bots.league.play.configuration import ConfigurationError
from bots.league.play.entrants import entrants
from bots.strategies import Gauss
from tests.bots.league.leagues import league


def test_each_has_a_name_and_an_account_of_its_own() -> None:
    found = entrants(
        league(
            {"strategy": "gauss", "count": 2},
            {"strategy": "gauss", "options": {"every_s": 2.5}},
            {"strategy": "retail", "name": "Gauß 1"},
            {"strategy": "retail", "name": "gau 1"},
        )
    )
    assert [one.name for one in found] == ["gauss 1", "gauss 2", "gauss 3", "Gauß 1", "gau 1"]
    assert [one.account for one in found] == ["GAUSS_1", "GAUSS_2", "GAUSS_3", "GAUSS_1_2", "GAU_1"]
    assert pickle.loads(pickle.dumps(found)) == found


def test_each_call_makes_a_new_strategy_with_its_options() -> None:
    (one,) = entrants(league({"strategy": "gauss", "options": {"every_s": 2.5}}))
    strategy = one.strategy()
    assert isinstance(strategy, Gauss)
    assert strategy.every_s == 2.5
    assert one.strategy() is not strategy


def test_latency_and_securities_default_to_the_tournaments() -> None:
    own, other = entrants(
        league(
            {"strategy": "gauss", "latency": {"order_ms": 7}, "securities": ["AAPL"]},
            {"strategy": "gauss"},
            securities=["MSFT", "AAPL"],
            latency={"order_ms": 3},
        )
    )
    assert (own.latency.order_ms, own.securities) == (7, ("AAPL",))
    assert (other.latency.order_ms, other.securities) == (3, ("MSFT", "AAPL"))


def test_all_faults_are_named_before_the_first_match(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0")
    wrong = league(
        {"strategy": "no_such"},
        {"strategy": "gauss", "options": {"evry_s": 1}},
        {"strategy": str(broken)},
        {"strategy": "momentum", "options": {"fast_s": 500.0}},
        {"strategy": "retail"},
    )
    with pytest.raises(ConfigurationError) as raised:
        entrants(wrong)
    said = str(raised.value)
    assert "bots[1].strategy: there is no strategy no_such; choose one of random_walk" in said
    assert "bots[2].options.evry_s: gauss has no such option; its options are every_s, mean" in said
    assert "broken.py, line 1: ZeroDivisionError: division by zero" in said
    assert "bots[4].options: ValueError: fast_s must be above 0 and below slow_s" in said
    assert "bots[5]" not in said


def test_short_limits_are_the_tournaments_or_a_bots_own() -> None:
    found = entrants(league({"strategy": "gauss"}, {"strategy": "gauss", "short_limit": 5}, short_limit=20))
    assert [one.short_limit for one in found] == [20, 5]
    assert [one.short_limit for one in entrants(league())] == [0] * 4
