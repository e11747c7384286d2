"""A replayed log leads to the trades and the ledger of its match."""

from __future__ import annotations

import pytest

from bots.league.play.entrants import entrants
from bots.league.play.simulated_match import play
from bots.simulated.replay import InvalidLog, replay
from tests.bots.league.leagues import league


def test_a_log_leads_to_the_same_trades_and_ledger() -> None:
    received: list[bytes] = []
    of = league(securities=[{"id": "MSFT", "maker_fee": -1, "taker_fee": 3}])
    match = play(of, 1, entrants(of), log=received.append)
    lines = b"".join(received).splitlines()
    found = replay(lines, {"MSFT": (-100, 300)})
    assert found.trades > 10
    assert (found.commands, found.trades, found.fees_cents) == (match.commands, match.trades, match.fees_cents)
    assert (found.log_hash, found.trades_hash) == (match.log_hash, match.trades_hash)
    for bot in match.bots:
        assert bot.opening_cash_cents + found.cash_cents[bot.account] == bot.cash_cents
        assert bot.opening["MSFT"] + found.shares[bot.account, "MSFT"] == bot.shares["MSFT"]
    fewer = replay(lines[:-30], {"MSFT": (-100, 300)})
    assert fewer.log_hash != found.log_hash


def test_an_invalid_log_is_reported() -> None:
    with pytest.raises(InvalidLog, match="line 1 of the log is not a command"):
        replay([b"[]"], {})
