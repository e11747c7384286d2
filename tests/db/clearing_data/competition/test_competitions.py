"""A competition moves by compare and set: of organiser and referee, the one that comes second changes nothing."""

from __future__ import annotations

import threading
import time
from typing import get_args

import pytest

from db.clearing_data.clients import accounts
from db.clearing_data.clients.states import close
from db.clearing_data.competition import competitions, rounds
from db.clearing_data.competition.competitions import Competition, Team
from db.clearing_data.competition.rounds import AccountWorth
from db.connect import Database
from tasks.referee.rules import steps
from tasks.referee.rules.steps import Place, after
from tests.tasks.referee.rules.cases import case

S = 1_000_000
TRADING = Place("running", "trading", 1, 70 * S, 64 * S, 4 * S)


@pytest.fixture
def trading(clearing_data: Database) -> Competition:
    """Return a competition whose round is in continuous trading."""
    with clearing_data.transaction() as tx:
        number = competitions.create(tx, case(), competition_id="c1", seed="6f1c", securities=[], now_us=0)
        competitions.move(tx, number, before=competitions.by_number(tx, number).place, to=TRADING)
        return competitions.by_number(tx, number)


def organised(clearing_data: Database, found: Competition, to: Place | None) -> bool:
    """Move as a request of the organiser does, and return whether it did."""
    assert to is not None
    with clearing_data.transaction() as tx:
        locked = competitions.lock(tx, found.number)
        return competitions.move(tx, found.number, before=locked.place, to=to)


def test_an_extension_outlasts_the_move_of_a_referee_that_did_not_know_it(
    clearing_data: Database, trading: Competition
) -> None:
    end_of_trading = after(trading.case, trading.place, now_us=64 * S)
    longer = steps.extended(trading.place, 60 * S)
    assert organised(clearing_data, trading, longer)
    with clearing_data.transaction() as tx:
        assert not competitions.move(tx, trading.number, before=trading.place, to=end_of_trading)
        assert competitions.by_number(tx, trading.number).place == longer
    # The other order: the round is over, and the organiser sees that it is.
    with clearing_data.transaction() as tx:
        now = competitions.by_number(tx, trading.number)
        assert competitions.move(tx, trading.number, before=now.place, to=after(now.case, now.place, now_us=124 * S))
        assert steps.extended(competitions.by_number(tx, trading.number).place, 60 * S) is None


def test_a_stop_outlasts_every_move_of_the_referee(clearing_data: Database, trading: Competition) -> None:
    before = TRADING
    for step in sorted(set(get_args(steps.Step)) - {"over"}):
        place = TRADING._replace(step=step)
        with clearing_data.transaction() as tx:
            assert competitions.move(tx, trading.number, before=before, to=place)
        assert organised(clearing_data, trading, steps.stopped(place))
        with clearing_data.transaction() as tx:
            assert not competitions.move(tx, trading.number, before=place, to=TRADING._replace(step="settlement"))
            before = competitions.by_number(tx, trading.number).place
            assert before == Place("stopped", "ending", 1), step


def test_what_closed_accounts_received_of_an_endowment(clearing_data: Database, trading: Competition) -> None:
    with clearing_data.transaction() as tx:
        for number, client_id in enumerate(("c1.1", "c1.2", "c1.3"), start=1):
            accounts.open_account(tx, client_id, now_us=1)
            team = Team(client_id, number, client_id, False, None, {}, 0)
            competitions.add_team(tx, trading.number, team, folded=client_id)
        accounts.deposit_cash(tx, "c1.1", "c1:1:1:in:cash", amount_cents=5_00, now_us=1)
        accounts.deposit_cash(tx, "c1.2", "c1:1:2:in:cash", amount_cents=7_00, now_us=1)
        accounts.deposit_shares(tx, "c1.2", "c1:1:2:in:MSFT", security_id="MSFT", quantity=3, now_us=1)
        accounts.deposit_cash(tx, "c1.2", "c1:2:2:in:cash", amount_cents=9_00, now_us=1)
        assert rounds.received(tx, trading.number, "c1", 1) == {}
        for client_id in ("c1.2", "c1.3"):
            assert close(tx, client_id) == "closed"
        assert rounds.received(tx, trading.number, "c1", 1) == {
            "c1.2": AccountWorth(7_00, {"MSFT": 3}),
            "c1.3": AccountWorth(0, {}),
        }


def test_cash_and_shares_are_those_of_the_same_moment(clearing_data: Database, trading: Competition) -> None:
    """A team sells a share for a dollar and buys it back, again and again; its worth never changes."""
    entered = Team("c1.1", 1, "Birds", False, None, {}, 0)
    with clearing_data.transaction() as tx:
        accounts.open_account(tx, "c1.1", now_us=0)
        competitions.add_team(tx, trading.number, entered, folded="birds")
        tx.exec_driver_sql("UPDATE accounts SET balance_cents = 1000 WHERE client_id = 'c1.1'")
        tx.exec_driver_sql("INSERT INTO holdings (client_id, security_id, shares) VALUES ('c1.1', 'MSFT', 10)")
    ended = threading.Event()

    def trade() -> None:
        shares = 1
        while not ended.is_set():
            with clearing_data.transaction() as tx:
                tx.exec_driver_sql(
                    "UPDATE accounts SET balance_cents = balance_cents + %s WHERE client_id = 'c1.1'", (-100 * shares,)
                )
                tx.exec_driver_sql("UPDATE holdings SET shares = shares + %s WHERE client_id = 'c1.1'", (shares,))
            shares = -shares

    trader = threading.Thread(target=trade)
    trader.start()
    seen: list[AccountWorth] = []
    deadline_s = time.monotonic() + 60
    try:
        while len(seen) < 500 or len({one.cash_cents for one in seen}) < 2:
            assert time.monotonic() < deadline_s, "the team does not trade"
            with clearing_data.transaction() as tx:
                seen.append(rounds.worth(tx, trading.number)["c1.1"])
    finally:
        ended.set()
        trader.join()
    assert {cash_cents + 100 * shares["MSFT"] for cash_cents, shares in seen} == {2_000}
