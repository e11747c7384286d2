"""Reading league.toml: valid files, and the reports of invalid ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from bots.league.play.configuration import (
    Bot,
    ConfigurationError,
    Halt,
    LargeSeller,
    Latency,
    League,
    ListedSecurity,
    Live,
    News,
    Opening,
    read,
)
from bots.league.play.duration import seconds, written

RIGHT = """
name = "Small"
securities = ["MSFT", {id = "AAPL", price = 50.25, taker_fee = 3}]
duration = "1h30m"
seeds = 3

[[bots]]
strategy = "gauss"
count = 2
options = {every_s = 1.0}

[[events]]
kind = "news"
at = "10m"
security = "AAPL"
change = -0.05
"""


def written_to(folder: Path, text: str) -> Path:
    file = folder / "league.toml"
    file.write_text(text)
    return file


def test_a_whole_configuration(tmp_path: Path) -> None:
    league = read(written_to(tmp_path, RIGHT))
    assert (league.duration, league.seeds) == (5_400.0, (1, 2, 3))
    assert [str(security.price) for security in league.securities] == ["100.00", "50.25"]
    assert league.opening_shares() == {"MSFT": 1_000, "AAPL": 1_000}
    assert league.bots[0].options == {"every_s": 1.0}
    assert league.events[0].at == 600.0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("count = 2", "cuont = 2", "bots[1].cuont: there is no such setting"),
        ('duration = "1h30m"', 'duration = "soon"', "duration: 'soon' is not a duration; write 8h"),
        ("seeds = 3", "seeds = [4, 4]", "seeds must differ; listed more than once: 4"),
        ("seeds = 3", "seeds = 0", "seeds: must be a number from 1 to 10000"),
        ('at = "10m"', 'at = "2h"', "events[1].at is 7200 s, but the match ends at 5400 s"),
        (
            'security = "AAPL"',
            'security = "TSLA"',
            "events[1].security is TSLA, which is not among the securities",
        ),
        ('kind = "news"', 'kind = "gossip"', "events[1]"),
        ("change = -0.05", "", "events[1].change: Field required"),
        ("count = 2", 'securities = ["JPM"]', "gauss trades JPM, which is not among the securities MSFT, AAPL"),
        ("price = 50.25", "price = 50.255", "securities[2].price"),
        ("[[bots]]", "[[bots", "is not valid TOML"),
    ],
)
def test_a_fault_is_reported_with_its_location(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(written_to(tmp_path, RIGHT.replace(old, new)))
    assert said in str(raised.value)


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(written_to(tmp_path, RIGHT.replace("count = 2", "count = 0").replace("seeds = 3", "seeds = -1")))
    assert "bots[1].count" in str(raised.value)
    assert "seeds" in str(raised.value)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        read(tmp_path / "nothing.toml")


@pytest.mark.parametrize(("text", "duration_s"), [("8h", 28_800), ("1h30m", 5_400), ("1d 2s", 86_402), ("0.5s", 0.5)])
def test_durations(text: str, duration_s: float) -> None:
    assert seconds(text) == duration_s
    assert seconds(written(duration_s)) == duration_s


@pytest.mark.parametrize("text", ["", "h", "8 hours", "-1h", True])
def test_invalid_durations_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


@pytest.mark.parametrize("part", [League, ListedSecurity, Opening, Latency, Bot, News, Halt, LargeSeller, Live])
def test_every_setting_is_described(part: type[BaseModel]) -> None:
    document = (Path(__file__).parents[4] / "docs" / "league.md").read_text()
    names = {"bots": "[[bots]]", "house": "[[house]]", "events": "[[events]]", "live": "[live]"}
    for name in part.model_fields:
        assert f"`{names.get(name, name) if part is League else name}`" in document
