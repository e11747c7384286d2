"""The curves behind the leaderboard."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from api.market.equity_curves import EquityCurves
from db.clearing_data.clients import accounts, equity_samples
from db.clearing_data.clients.equity_samples import EVERY_US, Sample
from db.connect import Database
from tests.api.conftest import Keys
from tests.support.streams import wait_until
from tests.support.web import Api, problem


def test_curves_have_a_value_for_each_time(api: Api, clearing_data: Database) -> None:
    # In the past, because the api itself takes samples of the present.
    first_us = time.time_ns() // 1_000 // EVERY_US * EVERY_US - 60 * EVERY_US
    with clearing_data.transaction() as tx:
        equity_samples.add(tx, Sample(first_us, {"SINGLE": (110_00, 100_000)}))
        equity_samples.add(tx, Sample(first_us + EVERY_US, {"SINGLE": (95_00, -50_000), "ALICE": (7_00, None)}))

    def history_of_all() -> dict[str, Any]:
        found: dict[str, Any] = api.ask("GET", "/leaderboard/history").json()
        return found

    # The api may remember for some seconds an answer from before.
    wait_until(lambda: history_of_all()["equity"].get("SINGLE", [])[:2] == [110, 95])
    history = history_of_all()
    assert history["times"] == sorted(history["times"])
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


def test_versus_holding_compares_with_the_deposits_alone(api: Api, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        accounts.open_account(tx, "EMPTY", now_us=1)
        accounts.deposit_cash(tx, "FLOOD", "a", amount_cents=10_000_00, now_us=1)
        accounts.withdraw_shares(tx, "FLOOD", "b", security_id="MSFT", quantity=500, now_us=1)
        accounts.deposit_shares(tx, "GAUSS", "c", security_id="AAPL", quantity=10, now_us=1)
        # FLOOD has earned 5 % of 20,000 in cash and 500 shares at 120; the price has risen for all.
        tx.execute(text("UPDATE last_prices SET price_cents = 12000 WHERE security_id = 'MSFT'"))
        tx.execute(text("UPDATE accounts SET balance_cents = balance_cents + 400000 WHERE client_id = 'FLOOD'"))
    answer = until(lambda: rows(api), lambda found: found["FLOOD"]["equity"] == 84_000)
    assert answer["FLOOD"]["versus_holding"] == 0.05
    assert answer["SINGLE"]["versus_holding"] == answer["GAUSS"]["versus_holding"] == 0
    assert answer["SINGLE"]["return"] > 0.18, "the price alone"
    assert answer["EMPTY"]["versus_holding"] is None


def rows(api: Api) -> dict[str, Any]:
    return {row["client_id"]: row for row in api.ask("GET", "/leaderboard").json()["data"]}


def until(read: Callable[[], dict[str, Any]], done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while not done(found := read()):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def test_the_curves_of_a_new_exchange_begin_after_its_first_auction(clearing_data: Database) -> None:
    curves = EquityCurves(clearing_data)
    at_us = 1_700_000_000_000_000

    def sampled() -> int:
        with clearing_data.transaction() as tx:
            return sum(one.sampled_us <= at_us + 9 * EVERY_US for one in equity_samples.since(tx, 0, most=10_000))

    def phase(name: str) -> None:
        with clearing_data.transaction() as tx:
            tx.execute(text("UPDATE securities SET phase = :phase WHERE security_id = 'MSFT'"), {"phase": name})

    phase("auction")
    with clearing_data.transaction() as tx:
        tx.execute(text("DELETE FROM equity_samples"))
    curves.sample(at_us)
    assert sampled() == 0
    phase("continuous")
    curves.sample(at_us + EVERY_US)
    assert sampled() == 1
    phase("auction")
    curves.sample(at_us + 2 * EVERY_US)
    EquityCurves(clearing_data).sample(at_us + 3 * EVERY_US)
    assert sampled() == 3, "a later auction makes no gap, also after a restart"


@pytest.mark.parametrize("seconds", ["59", "86401", "x", ""])
def test_an_invalid_period(shared_api: Api, seconds: str) -> None:
    answer = shared_api.ask("GET", f"/leaderboard/history?seconds={seconds}")
    assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (422, "?seconds")
