"""A tournament from the command line: its files, reproducibility, and bad bots that harm only themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pytest

from bots.league.play.configuration import content_of, parse
from bots.league.play.entrants import entrants
from bots.league.play.result import Match
from bots.league.play.simulated_match import play
from bots.league.proof import archive
from bots.league.proof.archive import Folder
from bots.league.scoring.metrics import figures
from bots.league.scoring.stylised_facts import describe
from bots.league.tournament import OWN
from bots.strategies import STRATEGIES

ROOT = Path(__file__).parents[3]
BAD = Path(__file__).with_name("bad_bots.py")
LEAGUE = """
name = "Small"
duration = "40s"
seeds = {seeds}
sample_every = 5
orders_a_second = 50
bots = [{bots}]
"""


def typed(
    *arguments: str | Path, folder: Path, columns: int = 200, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`python -m bots` in a folder that is not the repository's."""
    return subprocess.run(
        [sys.executable, "-m", "bots", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": str(columns)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def league_file(folder: Path, bots: Sequence[str], *, seeds: int = 1) -> Path:
    file = folder / "league.toml"
    file.write_text(LEAGUE.format(seeds=seeds, bots=", ".join(f'{{ strategy = "{bot}" }}' for bot in bots)))
    return file


def played(folder: Path, *arguments: str | Path) -> list[Match]:
    said = typed("tournament", *arguments, "--output", folder / "result", folder=folder)
    assert said.returncode == 0, said.stderr
    result = Folder(folder / "result")
    return [result.match(proof.seed) for proof in result.result().matches]


def test_the_included_tournament_has_entrants_and_a_house() -> None:
    league = parse(content_of(OWN), named=str(OWN))
    assert {bot.strategy for bot in league.everyone} <= set(STRATEGIES)
    assert {bot.strategy for bot in league.house} == {"retail"}
    assert sum(bot.count for bot in league.everyone) == 12
    assert (league.duration, len(league.seeds)) == (8 * 3600, 10)


def test_the_included_tournament_makes_sense_to_a_teacher() -> None:
    """Without scheduled events: informed bots win, market makers earn, and bots that pay for immediacy lose.

    The figures of twenty matches of eight hours are in docs/league.md; here the margins are wide.
    """
    content = content_of(OWN) | {"duration": "40m", "events": []}
    league = parse(content, named=str(OWN))
    calm = parse(content | {"bots": [bot for bot in content["bots"] if bot["strategy"] != "informed"]}, named=str(OWN))
    matches, without = ([play(of, seed, entrants(of)) for seed in (1, 2)] for of in (league, calm))
    means, means_without = gains_of(matches), gains_of(without)
    # In dollars about 900, 250 and -1,500.
    assert means["informed"] > 1.5 * means["quoting"] > 0 > -2 * means["quoting"] > means["noise"]
    assert means["Momentum"] < 0
    # Market makers lose to informed bots, and ask for a wider spread.
    assert means_without["quoting"] > 1.5 * means["quoting"]
    markets, calmer = ([describe(one, name) for one in of for name in one.securities] for of in (matches, without))
    assert all((market.volatility or 1) < 0.002 and market.two_sided > 0.95 for market in markets)
    assert fmean(one.spread_cents or 0 for one in markets) > fmean(one.spread_cents or 0 for one in calmer) + 0.3


def gains_of(matches: Sequence[Match]) -> dict[str, float]:
    """Return the mean gain of each group of bots [dollars]."""
    groups = {"Informed": "informed", "AvellanedaStoikov": "quoting", "MarketMaker": "quoting"}
    gains: dict[str, list[float]] = {}
    for match in matches:
        for bot in match.bots:
            group = "noise" if bot.house else groups.get(bot.strategy, bot.strategy)
            gains.setdefault(group, []).append(figures(match, bot).gain_cents / 100)
    return {group: fmean(of_group) for group, of_group in gains.items()}


def test_it_is_the_same_each_time_and_says_where_everything_is(tmp_path: Path) -> None:
    file = league_file(tmp_path, ["zero_intelligence", "random_walk", "retail"], seeds=2)
    said = [
        typed("tournament", file, "--output", name, "--processes", name, folder=tmp_path, PYTHONHASHSEED=name)
        for name in ("1", "2")
    ]
    assert [one.returncode for one in said] == [0, 0], said[0].stderr
    one, other = (Folder(tmp_path / name) for name in ("1", "2"))
    assert one.result() == other.result()
    for name in (archive.SCOREBOARD, archive.EVENTS, archive.REPORT, archive.RESULT):
        assert one.read(name) == other.read(name)
    assert [proof.seed for proof in one.result().matches] == [1, 2]
    assert f"{Path('1') / archive.REPORT}" in said[0].stdout
    assert one.result().scoreboard_hash in said[0].stdout
    assert "round 2 of 2" in said[0].stdout


def test_events_are_ordered_by_time(tmp_path: Path) -> None:
    league = league_file(tmp_path, ["zero_intelligence", "retail", f"{BAD}:Talks"])
    # A drawn secret would draw the first trade, too, which may come before the first note.
    (match,) = played(tmp_path, league, "--secret", "known")
    logged = [json.loads(line) for line in (tmp_path / "result" / archive.EVENTS).read_text().splitlines()]
    trades = [event for event in logged if event["event"] == "trade"]
    assert len(trades) == match.trades > 0
    assert {event["buyer"] for event in trades} <= {"zero_intelligence", "retail"}
    assert next(event["fields"]["at"] for event in logged if event["event"] == "note") == logged[0]["fields"]["at"]
    assert [event["bot"] for event in logged[-3:]] == ["zero_intelligence", "retail", "Talks"]
    times = [event["time_s"] for event in logged]
    assert times == sorted(times)


def test_output_of_bots_is_stored_next_to_their_match(tmp_path: Path) -> None:
    played(tmp_path, league_file(tmp_path, ["retail", f"{BAD}:Talks"]))
    assert "what do you know\n" * 3 in (tmp_path / "result" / "matches" / "1.out").read_text()


@pytest.mark.parametrize(
    ("bad", "kind", "shown"),
    [
        ("Raises", "raised", "ValueError: of all things"),
        ("Hangs", "hung", "in on_timer"),
        ("Floods", "flooded", "more than 50 requests in a second"),
        ("EndsTheProcess", "crashed", "it ended its process with status 7"),
    ],
)
def test_a_bad_bot_harms_only_itself(tmp_path: Path, bad: str, kind: str, shown: str) -> None:
    (match,) = played(tmp_path, league_file(tmp_path, [f"{BAD}:{bad}", f"{BAD}:Well", "zero_intelligence"]))
    failures = {bot.name: bot.failure for bot in match.bots}
    assert failures["Well"] is failures["zero_intelligence"] is None
    assert failures[bad] is not None
    assert failures[bad].kind == kind
    assert [bot.orders > 30 for bot in match.bots if bot.name == "Well"] == [True]
    report = (tmp_path / "result" / archive.REPORT).read_text()
    assert shown in report
    assert f"{bad} (1 of 1)" in report
    board = (tmp_path / "result" / archive.SCOREBOARD).read_text().splitlines()
    assert board[-1].startswith(f"3,{bad},")
    assert typed("verify", tmp_path / "result", folder=tmp_path).returncode == 0


def test_with_trust_a_bot_that_ends_the_process_of_its_match_is_left_out_of_it(tmp_path: Path) -> None:
    (match,) = played(tmp_path, league_file(tmp_path, [f"{BAD}:EndsTheProcess", "retail"]), "--trust")
    failure = match.bots[0].failure
    assert failure is not None
    assert failure.error == "it ended the process of its match with status 7"
    assert match.bots[1].orders > 0
    assert typed("verify", tmp_path / "result", "--trust", folder=tmp_path).returncode == 0


def test_strangers_play_the_same_match_on_any_number_of_cores(tmp_path: Path) -> None:
    file = league_file(tmp_path, ["zero_intelligence", "retail", f"{BAD}:Well"], seeds=2)
    for name in ("1", "2"):
        arguments = ("--output", name, "--processes", name, "--secret", "s")
        said = typed("tournament", file, *arguments, folder=tmp_path, PYTHONHASHSEED=name)
        assert said.returncode == 0, said.stderr
    one, other = (Folder(tmp_path / name).result() for name in ("1", "2"))
    assert one == other
    assert one.league["secret"] == "s"


def test_live_bots_of_strangers_need_trust(tmp_path: Path) -> None:
    said = typed("tournament", league_file(tmp_path, [f"{BAD}:Well"]), "--live", folder=tmp_path)
    assert said.returncode == 1
    assert "live bots run without a sandbox: --trust allows it for files that you trust" in said.stderr


def test_a_guest_is_seen_from_here_and_bots_from_their_file(tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "guest.py").write_text(BAD.read_text())
    (tmp_path / "else" / "own.py").write_text(BAD.read_text())
    file = league_file(tmp_path / "else", ["own.py:Well", "retail"])
    (match,) = played(tmp_path, file, "--with", "guest.py:Talks", "--duration", "20s", "--seeds", "1")
    assert [bot.name for bot in match.bots] == ["Well", "retail", "Talks"]
    assert match.duration_s == 20
    sources = Folder(tmp_path / "result").result().sources
    assert set(sources) == {"own.py", "guest.py"}
    (tmp_path / "guest.py").unlink()
    assert typed("verify", tmp_path / "result", folder=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("bots", "arguments", "fault"),
    [
        (["no_such"], (), "bots[1].strategy: there is no strategy no_such; choose one of"),
        (["retail"], ("--duration", "soon"), "--duration: 'soon' is not a duration"),
        (["retail"], ("--with", "missing.py:Bot"), "there is no file"),
        (["retail"], ("--output", "."), "exists already"),
    ],
)
def test_a_tournament_that_cannot_start_says_why(
    tmp_path: Path, bots: list[str], arguments: tuple[str, ...], fault: str
) -> None:
    said = typed("tournament", league_file(tmp_path, bots), *arguments, folder=tmp_path)
    assert said.returncode == 1
    assert fault in said.stderr
    assert "Traceback" not in said.stderr
