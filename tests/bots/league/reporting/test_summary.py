"""The summary of a tournament claims no more than the figures show."""

from __future__ import annotations

from bots.league.reporting.facts import Fact
from bots.league.reporting.summary import headline, manner, sentences
from bots.league.scoring.standings import Scoreboard, scoreboard
from tests.bots.league.matches import bot, failure, fill, match

PRICES = [100_00] * 4


def board(seeds: int, *, failing: bool = False) -> Scoreboard:
    matches = []
    for seed in range(1, seeds + 1):
        good = bot(
            "good", [(100_000, 10)] * 3 + [(100_500 + seed, 10)], fills=[fill(1, "buy", 2, 100_00, is_maker=True)]
        )
        close = bot("close", [(100_000, 10)] * 3 + [(100_500 + (seed * 7) % 5, 10)], fills=[fill(2, "sell", 2, 100_00)])
        bad = bot("bad", [(100_000, 10)] * 3 + [(99_000, 10)], failure=failure("no") if failing else None)
        matches.append(match([good, close, bad], PRICES, seed=seed))
    return scoreboard(matches)


def test_the_summary_names_sure_winners_and_orders_that_may_be_chance() -> None:
    said = sentences(board(5), {})
    assert "Surely better than doing nothing: good, close." in said
    assert "Surely worse: bad." in said
    assert "bad came last and lost $10.00 per match compared with holding." in said
    assert "No bot was disqualified." in said


def test_a_single_match_gives_no_certainty() -> None:
    said = " ".join(sentences(board(1), {}))
    assert "urely" not in said
    assert "chance" not in said


def test_a_few_matches_are_an_impression() -> None:
    said = [headline(board(4)), *sentences(board(4), {})]
    assert "urely" not in " ".join(said)
    assert "4 matches are too few to say which bots gain or lose; at least 5 are needed." in said
    assert "there are too few matches to say which is better" in said[0]


def test_disqualified_bots_are_named() -> None:
    assert "Disqualified, with the reason below: bad (2 of 2)." in sentences(board(2, failing=True), {})


def test_the_market_is_compared_with_real_ones() -> None:
    facts = [
        Fact("Heavy tails", "", "", "like a market"),
        Fact("Volatility clusters", "", "", "not like one"),
        Fact("Tails fall as a power", "", "", "too little to say"),
    ]
    said = sentences(board(2), {"MSFT": facts, "AAPL": facts[2:]})
    assert "MSFT has 1 of the 2 tested properties of real markets; it lacks: volatility clusters." in said
    assert "AAPL traded too little for a comparison with real markets." in said


def test_how_a_bot_trades() -> None:
    assert {one.name: manner(one) for one in board(2).standings} == {
        "good": "1 trade, waits in the book",
        "close": "1 trade, takes from the book",
        "bad": "did not trade",
    }
