"""A tournament on the running exchange: bots over HTTP, faulty bots harm only themselves, and the audit passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bots.client import Client
from bots.league.play.result import BotResult, Match
from bots.league.proof import archive
from bots.league.proof.archive import Folder
from db.connect import Database
from tests.bots.league.test_tournament import BAD, typed
from tests.support.databases import renew_clearing_data, renew_market_data
from tests.support.exchange import Exchange, running_exchange

LEAGUE = f"""
name = "Live"
securities = ["MSFT", "AAPL"]
opening = {{ cash = "20000.00", shares = {{ MSFT = 300, AAPL = 50 }} }}
orders_a_second = 12
bots = [
    {{ strategy = "zero_intelligence", options = {{ every_s = 1.0 }}, count = 2 }},
    {{ strategy = "retail", options = {{ every_s = 0.5 }} }},
    {{ strategy = "informed", options = {{ every_s = 0.5 }} }},
    {{ strategy = "{BAD}:Raises" }},
    {{ strategy = "{BAD}:Hangs" }},
    {{ strategy = "{BAD}:FloodsAtOnce" }},
    {{ strategy = "{BAD}:IsKilled" }},
    {{ strategy = "{BAD}:IsCutOff" }},
]
events = [
    {{ kind = "large_seller", at = 4, security = "MSFT", quantity = 60, part = 20, every = 1 }},
    {{ kind = "news", at = 8, security = "MSFT", change = 0.05 }},
    {{ kind = "halt", at = 12, lasts = 3, security = "MSFT" }},
]
[live]
duration = "28s"
sample_every = 1
"""


@pytest.fixture(scope="module")
def exchange(_databases: tuple[Database, Database]) -> Iterator[Exchange]:
    """Run one exchange for all tests of this module."""
    renew_clearing_data(_databases[0])
    renew_market_data(_databases[1])
    with running_exchange(without=["referee"]) as running:
        yield running


@pytest.fixture
def played(exchange: Exchange, tmp_path: Path) -> tuple[Path, Match]:
    """Play a match to its end, and return it with the folder of its result."""
    file, result = tmp_path / "league.toml", tmp_path / "result"
    file.write_text(LEAGUE)
    keys = exchange.instance.directory / "keys.json"
    live = ("--live", "--trust", "--url", exchange.url, "--keys-file", keys)
    said = typed("tournament", file, *live, "--output", result, folder=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "own audit passes" in said.stdout
    return result, Folder(result).match(1)


def test_it_is_played_judged_and_proven(
    exchange: Exchange, played: tuple[Path, Match], capsys: pytest.CaptureFixture[str]
) -> None:
    result, match = played
    bots = {bot.name: bot for bot in match.bots}
    _well(match, bots)
    _out(bots, result)
    _left_clean(exchange)
    _proven(result)


def _well(match: Match, bots: dict[str, BotResult]) -> None:
    """Check that correct bots trade to the end, with their own accounts."""
    well = [bots[name] for name in ("zero_intelligence 1", "zero_intelligence 2", "retail", "informed")]
    assert [bot.failure for bot in well] == [None] * 4
    assert {(bot.opening_cash_cents, bot.opening["MSFT"], bot.opening["AAPL"]) for bot in match.bots} == {
        (2_000_000, 300, 50)
    }
    assert match.trades > 10
    assert all(bot.fills for bot in well[:3])
    assert max(fill.time_s for bot in well for fill in bot.fills) > 20
    assert [event.text for event in match.happened] == ["large seller of 60", "news +5.0 %", "halted for 3s"]
    assert bots["retail"].rejected["halted"] > 0
    assert sum(bot.shares["MSFT"] - 300 for bot in match.bots) in range(1, 61)  # sold by the large seller
    assert match.market["MSFT"][-1].volume == sum(
        fill.quantity for bot in well for fill in bot.fills if fill.side == "buy"
    )


def _out(bots: dict[str, BotResult], result: Path) -> None:
    """Check that faulty bots are out, with the reason in the report."""
    failures = {name: bot.failure for name, bot in bots.items() if bot.failure is not None}
    assert {name: failure.kind for name, failure in failures.items()} == {
        "Raises": "raised",
        "Hangs": "hung",
        "FloodsAtOnce": "flooded",
        "IsKilled": "lost",
        "IsCutOff": "lost",
    }
    report = (result / archive.REPORT).read_text()
    assert "ValueError: of all things" in report
    assert "a callback took more than" in report
    assert "its process has given no sign of life" in report
    assert bots["IsCutOff"].closed == {"cancelled": 1}


def _left_clean(exchange: Exchange) -> None:
    """Check that no order of the match stays open, and that its accounts cannot trade any more."""
    stranger = Client(exchange.url)
    assert [stranger.book(name).bids + stranger.book(name).asks for name in ("MSFT", "AAPL")] == [[], []]
    assert exchange.audit().passed


def _proven(result: Path) -> None:
    said = typed("verify", result, folder=result)
    assert said.returncode == 0, said.stderr
    assert "on the tape" in said.stdout
    assert "not proven here" in said.stdout
    events = result / archive.EVENTS
    events.write_bytes(events.read_bytes().replace(b"retail", b"RETAIL", 1))
    refused = typed("verify", result, folder=result)
    assert refused.returncode == 1
    assert "events.jsonl" in refused.stderr


def test_a_market_that_is_not_ours_is_refused(exchange: Exchange, tmp_path: Path) -> None:
    (tmp_path / "league.toml").write_text(LEAGUE.replace('"AAPL"]', '"AAPL", "NONE"]'))
    keys = exchange.instance.directory / "keys.json"
    live = ("--live", "--trust", "--url", exchange.url, "--keys-file", keys)
    said = typed("tournament", "league.toml", *live, folder=tmp_path)
    assert said.returncode == 1
    assert "NONE is not listed" in said.stderr
