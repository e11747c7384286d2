"""The list of the bots that trade: names, options, securities and counts, and one sentence for every mistake."""

from __future__ import annotations

import pytest

from bots.roster import RosterError, crews, entry_of, split
from bots.strategies import STRATEGIES, Informed

LISTED = ["MSFT", "AAPL", "TSLA"]


def test_a_list_is_split_outside_of_parentheses() -> None:
    assert split(" flood, informed(noise=0.5, security=AAPL):2 gauss,,") == [
        "flood",
        "informed(noise=0.5, security=AAPL):2",
        "gauss",
    ]


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_is_a_bot(name: str) -> None:
    (crew,) = crews([entry_of(name.upper())], LISTED)
    assert crew.name == name
    assert [seat.account for seat in crew.seats] == [name.upper()]
    assert len(crew.seats[0].securities) == STRATEGIES[name].trades


def test_options_have_the_type_of_their_default() -> None:
    entry = entry_of("informed( noise = 0.5,quantity=7, every-s=2, security=tsla+aapl ):3")
    assert (entry.options, entry.securities, entry.count) == (
        {"noise": 0.5, "quantity": 7, "every_s": 2.0},
        ("TSLA", "AAPL"),
        3,
    )
    assert entry.made() == Informed(noise=0.5, quantity=7, every_s=2.0)
    assert entry_of(entry.text).options == entry.options


def test_bots_are_dealt_to_the_securities_in_turn() -> None:
    seats = [seat for crew in crews([entry_of("flood:4"), entry_of("flood"), entry_of("pairs:2")], LISTED)
             for seat in crew.seats]  # fmt: skip
    assert [(seat.account, *seat.securities) for seat in seats] == [
        ("FLOOD", "MSFT"),
        ("FLOOD_2", "AAPL"),
        ("FLOOD_3", "TSLA"),
        ("FLOOD_4", "MSFT"),
        ("FLOOD_5", "MSFT"),
        ("PAIRS", "MSFT", "AAPL"),
        ("PAIRS_2", "AAPL", "TSLA"),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("flod", "there is no bot flod; choose one of random_walk, gauss"),
        ("flood:0", "flood:0: the number of bots must be from 1 to 100"),
        ("flood:101", "the number of bots must be from 1 to 100"),
        ("flood:x", "flood:x: an entry is a strategy like flood"),
        ("flood(rate=1", "an entry is a strategy like flood"),
        ("flood)rate=1(", "an entry is a strategy like flood"),
        ("flood(rate)", "flood(rate): options are NAME=VALUE"),
        ("flood(rate=1, rate=2)", "each once"),
        ("flood(speed=1)", "there is no option speed; choose one of rate, quantity, limit"),
        ("flood(rate=fast)", "rate must be a number"),
        ("flood(rate=nan)", "rate must be a number"),
        ("flood(rate=1e999)", "rate must be a number"),
        ("flood(quantity=1.5)", "quantity must be a whole number"),
        ("flood(rate=-1)", "flood(rate=-1): rate must not be negative"),
        ("flood(security=)", "options are NAME=VALUE"),
        ("flood(security=MSFT+)", "security names one security"),
        ("pairs(security=MSFT+MSFT)", "several that differ"),
    ],
)
def test_a_wrong_entry_is_explained_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(RosterError) as refused:
        entry_of(text)
    assert sentence in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gauss(security=IBM)", "gauss: IBM is not listed; choose one of MSFT, AAPL, TSLA"),
        ("pairs(security=MSFT)", "pairs: it trades 2 securities, joined by + like AAPL+SHEL"),
    ],
)
def test_an_entry_that_does_not_fit_the_market_is_explained(text: str, sentence: str) -> None:
    with pytest.raises(RosterError, match=sentence.replace("+", r"\+")):
        crews([entry_of(text)], LISTED)
