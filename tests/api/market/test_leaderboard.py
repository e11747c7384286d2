"""The curves behind the leaderboard."""

from __future__ import annotations

import time

import pytest

from db.clearing_data import equity_samples
from db.clearing_data.equity_samples import EVERY_US, Sample
from db.connect import Database
from tests.api.conftest import Keys
from tests.support.web import Api, problem


def test_curves_have_a_value_for_each_time(api: Api, clearing_data: Database) -> None:
    # In the past, because the api itself takes samples of the present.
    first_us = time.time_ns() // 1_000 // EVERY_US * EVERY_US - 60 * EVERY_US
    with clearing_data.transaction() as tx:
        equity_samples.add(tx, Sample(first_us, {"SINGLE": (110_00, 100_000)}))
        equity_samples.add(tx, Sample(first_us + EVERY_US, {"SINGLE": (95_00, -50_000), "ALICE": (7_00, None)}))
    history = api.ask("GET", "/leaderboard/history").json()
    assert history["times"] == sorted(history["times"])
    assert history["equity"]["SINGLE"][:2] == [110, 95]
    assert history["returns"]["SINGLE"][:2] == [0.1, -0.05]
    curves = (*history["equity"].values(), *history["returns"].values())
    assert {len(curve) for curve in curves} == {len(history["times"])}
    if len(history["times"]) == 2:
        assert history["equity"]["ALICE"] == [None, 7]
        assert history["returns"]["ALICE"] == [None, None]


def test_the_api_samples_by_itself(api: Api, keys: Keys) -> None:
    deadline = time.monotonic() + 60
    while not (history := api.ask("GET", "/leaderboard/history?seconds=60").json())["times"]:
        assert time.monotonic() < deadline, "nothing was sampled"
        time.sleep(0.2)
    assert history["equity"]["SINGLE"][-1] == 110_000
    assert history["returns"]["SINGLE"][-1] == 0
    assert "DTCC" not in history["equity"]


@pytest.mark.parametrize("seconds", ["59", "86401", "x", ""])
def test_an_invalid_period(shared_api: Api, seconds: str) -> None:
    answer = shared_api.ask("GET", f"/leaderboard/history?seconds={seconds}")
    assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (422, "?seconds")
