"""A match in the simulated market is reproducible and includes its scheduled events."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bots.league.play.configuration import League
from bots.league.play.entrants import entrants
from bots.league.play.hidden_values import hidden_values
from bots.league.play.result import Match, decoded, encoded, hash_of
from bots.league.play.simulated_match import play
from bots.league.scoring.metrics import figures
from tests.bots.league.leagues import QUICK, league

ACTIVE = (
    {"strategy": "zero_intelligence", "options": QUICK, "count": 2},
    {"strategy": "random_walk", "options": QUICK},
    {"strategy": "informed", "options": QUICK},
)


def played(of: League, seed: int = 1) -> Match:
    return play(of, seed, entrants(of))


def test_a_seed_is_a_match() -> None:
    first = played(league())
    assert first.trades > 10
    assert hash_of(played(league())) == hash_of(first)
    assert hash_of(played(league(), seed=2)) != hash_of(first)
    assert decoded(encoded(first)) == first


def test_the_log_has_the_hash_of_the_match() -> None:
    logged: list[bytes] = []
    steps: list[float] = []
    of = league()
    match = play(of, 1, entrants(of), log=logged.append, progress=steps.append)
    log = b"".join(logged)
    assert hashlib.sha256(log).hexdigest() == match.log_hash
    assert log.count(b"\n") == match.commands
    assert steps == sorted(steps)
    assert 0 < steps[0] < steps[-1] < 60
    assert match == played(of)


def test_accounts_start_with_the_opening_and_gains_sum_to_zero() -> None:
    of = league(opening={"cash": "2500.50", "shares": {"MSFT": 40}}, securities=["MSFT", "AAPL"])
    match = played(of)
    assert {bot.opening_cash_cents for bot in match.bots} == {250_050}
    assert [bot.opening for bot in match.bots] == [{"MSFT": 40}] * 4
    assert sum(figures(match, bot).gain_cents for bot in match.bots) == 0
    assert {len(bot.samples) for bot in match.bots} == {13}
    assert [len(match.market[name]) for name in match.securities] == [13, 13]


def test_fees_are_paid() -> None:
    match = played(league(securities=[{"id": "MSFT", "maker_fee": -1, "taker_fee": "3"}]))
    assert match.fees_cents > 0
    assert sum(figures(match, bot).gain_cents for bot in match.bots) == -match.fees_cents
    assert sum(fill.fee_cents for bot in match.bots for fill in bot.fills) == match.fees_cents


def test_a_halt_denies_orders_while_it_lasts() -> None:
    halted = played(league(events=[{"kind": "halt", "at": 20, "lasts": 20, "security": "MSFT"}]))
    assert [(event.time_s, event.text) for event in halted.happened] == [(20.0, "halted for 20s")]
    times = [fill.time_s for bot in halted.bots for fill in bot.fills]
    assert not [time for time in times if 20 < time < 40]
    assert [time for time in times if time < 20]
    assert [time for time in times if time > 40]
    assert any(bot.rejected.get("halted") for bot in halted.bots)


def test_a_large_seller_sells_what_it_has() -> None:
    seller = {"kind": "large_seller", "at": 30, "security": "MSFT", "quantity": 300, "part": 50, "every": 2}
    match = played(league(events=[seller]))
    calm = played(league())
    bought = sum(bot.shares["MSFT"] - bot.opening["MSFT"] for bot in match.bots)
    assert sum(bot.shares["MSFT"] - bot.opening["MSFT"] for bot in calm.bots) == 0
    assert 50 <= bought <= 300


def test_news_moves_what_the_informed_know() -> None:
    news = [
        {"kind": "news", "at": 20, "security": "MSFT", "change": 0.1},
        {"kind": "news", "at": 40, "security": "MSFT", "change": -0.5},
    ]
    calm, moved = (hidden_values(league(events=events), 1)["MSFT"] for events in ([], news))
    assert moved.value(19) == calm.value(19)
    assert moved.value(20) == calm.value(20) * 1.1
    assert abs(moved.value(40) - (calm.value(40) + 0.1 * calm.value(20)) * 0.5) < 1e-9
    assert hidden_values(league(), 2)["MSFT"].value(50) != calm.value(50)
    still = hidden_values(league(securities=[{"id": "MSFT", "price": 40, "volatility": 0}]), 1)["MSFT"]
    assert (still.value(1), still.value(59)) == (40, 40)
    informed = {"strategy": "informed", "options": QUICK}
    match = played(league({"strategy": "random_walk", "options": QUICK, "count": 3}, informed, events=news))
    buys = [fill.side for fill in match.bots[3].fills if 21 < fill.time_s < 40]
    sells = [fill.side for fill in match.bots[3].fills if fill.time_s > 41]
    assert buys.count("buy") > buys.count("sell")
    assert sells.count("sell") > sells.count("buy")


def test_bots_trade_in_their_securities() -> None:
    of = league(
        {"strategy": "zero_intelligence", "options": QUICK, "count": 2},
        {"strategy": "zero_intelligence", "options": QUICK, "count": 2, "securities": ["AAPL"]},
        securities=["MSFT", {"id": "AAPL", "price": 20}],
    )
    match = played(of)
    traded = [{fill.security_id for fill in bot.fills} for bot in match.bots]
    assert traded == [{"MSFT"}, {"MSFT"}, {"AAPL"}, {"AAPL"}]
    assert match.opening == {"MSFT": 10_000, "AAPL": 2_000}


def test_a_bot_with_a_short_limit_owes_shares_and_the_gains_still_sum_to_zero() -> None:
    file = Path(__file__).parents[1] / "short_bot.py"
    short = {"strategy": f"{file}:SellsShort", "short_limit": 50, "name": "short"}
    of = league(*ACTIVE, short, opening={"shares": 100, "cash": "50000"}, duration="2m")
    trusted = play(of, 1, entrants(of, trust=True))
    seller = trusted.bots[-1]
    assert -50 <= seller.shares["MSFT"] < -20
    assert min(sample.shares[0] for sample in seller.samples) == seller.shares["MSFT"]
    assert {note.fields["borrowed"] for note in seller.notes} > {"0"}
    assert sum(figures(trusted, bot).gain_cents for bot in trusted.bots) == 0
    sandboxed = play(of, 1, entrants(of))
    assert encoded(sandboxed) == encoded(trusted)
    without = league(*ACTIVE, short | {"short_limit": 0}, opening={"shares": 100, "cash": "50000"}, duration="2m")
    assert play(without, 1, entrants(without, trust=True)).bots[-1].shares["MSFT"] >= 0
