"""The file of the market: what it says, and that every fault in it is named with its place before anything starts."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from celery_app.settings import Settings
from deploy import market_file, migrate
from deploy.processes import BOTS
from tasks.shared.rules.market import Day, Endowment, Listing, Market

ROOT = Path(__file__).parents[2]


def read(tmp_path: Path, text: str) -> market_file.MarketFile:
    file = tmp_path / "my.toml"
    file.write_text(text)
    return market_file.read(file)


def test_the_default_is_five_securities_with_a_band() -> None:
    found = market_file.read(ROOT / "deploy/exchange.toml")
    assert found.day is None
    crews = {crew.name: crew for crew in found.crews()}
    assert list(crews)[: len(BOTS)] == list(BOTS)
    makers = crews["avellaneda_stoikov"].seats
    assert [seat.securities for seat in makers] == [("MSFT",), ("AAPL",), ("TSLA",), ("JPM",), ("SHEL",)]
    names = ("MSFT", "AAPL", "TSLA", "JPM", "SHEL")
    assert found.market() == Market(
        securities=tuple(Listing(name, band_ppm=100_000) for name in names),
        endowment=Endowment(1_000_000, {"MSFT": 1_000}),
        first_auction_us=8_000_000,
    )


def test_everything_can_be_said(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        first_auction = 3
        bots = ["flood"]
        endowment = { cash = 12.34, shares = { "A.B" = 1 } }
        [[securities]]
        id = "A.B"
        reference_price = 50.05
        tick = 0.05
        min_price = 0.10
        max_price = 99.95
        issued = 7
        maker_fee = -0.25
        taker_fee = 0.5
        band = 0.05
        [day]
        opening_auction = "1m"
        continuous = "6h30m"
        closing_auction = "90s"
        closed = "1d1s"
        """,
    )
    assert found.market() == Market(
        securities=(Listing("A.B", 5_005, 5, 10, 9_995, 7, -25, 50, 50_000),),
        endowment=Endowment(1_234, {"A.B": 1}),
        day=Day(60_000_000, 23_400_000_000, 90_000_000, 86_401_000_000),
        first_auction_us=3_000_000,
    )
    assert [entry.text for entry in found.bots] == ["flood"]


def test_a_tick_is_the_lowest_price_where_none_is_given() -> None:
    found = market_file.parse({"securities": [{"id": "A", "reference_price": 50, "tick": Decimal("0.05")}]}, named="f")
    assert found.market().securities[0].min_price_cents == 5


SECURITY = {"id": "A", "reference_price": 50}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({}, "securities: Field required"),
        ({"securities": []}, "as a whole: there are no securities"),
        ({"securities": [SECURITY, SECURITY]}, "as a whole: security A is listed twice"),
        ({"securities": [SECURITY | {"id": "abc"}]}, "securities[1].id: "),
        ({"securities": [SECURITY | {"id": "A\n"}]}, "securities[1].id: "),
        ({"securities": [SECURITY | {"colour": 1}]}, "securities[1].colour: there is no such setting"),
        ({"securities": [SECURITY, {"id": "B"}]}, "securities[2].reference_price: Field required"),
        ({"securities": [SECURITY | {"reference_price": Decimal("0.001")}]}, "securities[1].reference_price: "),
        (
            {"securities": [SECURITY | {"tick": Decimal("0.03")}]},
            "securities[1]: reference_price 50 must be a multiple",
        ),
        ({"securities": [SECURITY | {"max_price": 49}]}, "securities[1]: reference_price 50 is not from min_price"),
        ({"securities": [SECURITY | {"band": 1}]}, "securities[1].band: "),
        ({"securities": [SECURITY | {"issued": 10**12, "max_price": 10**5}]}, "securities[1]: issued times max_price"),
        ({"securities": [SECURITY | {"maker_fee": -1}]}, "securities[1]: maker_fee and taker_fee together"),
        ({"securities": [SECURITY], "endowment": {"shares": {"B": 1}}}, "endowment.shares names B, which is not among"),
        ({"securities": [SECURITY], "endowment": {"cash": -1}}, "endowment.cash: "),
        (
            {"securities": [SECURITY | {"issued": 69}], "endowment": {"shares": {"A": 10}}, "bots": []},
            "as a whole: issued of A must be at least 70, for the accounts with which",
        ),
        (
            {"securities": [SECURITY], "bots": ["flood", "bot"]},
            "bots[2]: there is no bot bot; choose one of random",
        ),
        ({"securities": [SECURITY], "bots": [1]}, "bots[1]: a bot is a text like flood"),
        ({"securities": [SECURITY], "bots": ["gauss(mean=x)"]}, "bots[1]: gauss(mean=x): mean must be a number"),
        (
            {"securities": [SECURITY], "bots": ["gauss(security=B)"]},
            "bots[1]: gauss: B is not listed; choose one of A",
        ),
        ({"securities": [SECURITY], "bots": ["pairs"]}, "bots[1]: pairs: it trades 2 securities"),
        ({"securities": [SECURITY], "hidden_values": {"volatility": 1}}, "hidden_values.volatility: "),
        ({"securities": [SECURITY], "bots_endowment": {"cash": -1}}, "bots_endowment.cash: "),
        ({"securities": [SECURITY], "day": {"continuous": "1 hour"}}, "day.continuous: a duration is a text like"),
        ({"securities": [SECURITY], "day": {"continuous": ""}}, "day.continuous: a duration is a text like"),
        ({"securities": [SECURITY], "day": {"closed": 5}}, "day: continuous must last at least a second"),
        ({"securities": [SECURITY], "first_auction": True}, "first_auction: a duration is a text like"),
    ],
)
def test_a_fault_is_named_with_its_place(content: dict[str, object], fault: str) -> None:
    with pytest.raises(market_file.MarketFileError, match=r"^f does not describe a market:\n") as found:
        market_file.parse(content, named="f")
    assert fault in str(found.value)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(market_file.MarketFileError) as found:
        market_file.parse({"securities": [{"id": "a"}], "day": {"closed": -1}, "else": 1}, named="f")
    assert len(str(found.value).splitlines()) == 5


@pytest.mark.parametrize(("text", "fault"), [("a = ", "is not valid TOML"), (None, "does not exist")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None, fault: str) -> None:
    file = tmp_path / "my.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(market_file.MarketFileError, match=f"my.toml {fault}"):
        market_file.read(file)


def test_nothing_is_made_ready_with_a_wrong_file(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("securities = []")
    with pytest.raises(migrate.NotPrepared, match="there are no securities"):
        migrate.prepare(Settings().model_copy(update={"market": file, "run_directory": tmp_path}))
    assert not (tmp_path / "keys.json").exists()


def test_make_up_refuses_a_wrong_file_before_it_starts_anything(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[[securities]]\nid = 'A'\nreference_price = 0\n")
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local.commands.up"],
        cwd=ROOT,
        env=os.environ | {"MARKET": str(file)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "securities[1].reference_price: " in done.stderr
    assert "✓" not in done.stdout
