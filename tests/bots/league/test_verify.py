"""Verification accepts a correct result and names each difference of a changed one."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bots.league.play.result import Match, encoded
from bots.league.proof import archive
from bots.league.proof.archive import Folder, Result, league_of
from bots.league.reporting import report
from bots.league.scoring.standings import scoreboard
from bots.league.verify import main
from tests.bots.league.test_tournament import BAD, league_file, typed


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tournament of two matches."""
    folder = tmp_path_factory.mktemp("tournament")
    file = league_file(folder, ["zero_intelligence", "retail", f"{BAD}:Well"], seeds=2)
    assert typed("tournament", file, "--output", folder / "result", folder=folder).returncode == 0
    return folder / "result"


@pytest.fixture
def copy(result: Path, tmp_path: Path) -> Path:
    """Return a copy of the result that a test may change."""
    return shutil.copytree(result, tmp_path / "copy")


def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the differences that verification prints."""
    assert main([str(folder)]) == 1
    said = capsys.readouterr().err
    assert said.endswith(f"{folder} is refused\n")
    return said


def test_a_correct_result_passes(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(result)]) == 0
    said = capsys.readouterr().out
    assert "lead to the same" in said
    assert "2 matches, played again, lead to the same" in said
    assert Folder(result).result().scoreboard_hash in said
    assert main([str(result), "--logs-only"]) == 0
    assert "played again" not in capsys.readouterr().out


@pytest.mark.parametrize("name", [archive.SCOREBOARD, archive.EVENTS, archive.REPORT, "bots/1_bad_bots.py"])
def test_a_file_that_was_changed_is_named(copy: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (copy / name).read_bytes()
    (copy / name).write_bytes(text[:-2] + b"\n\n")
    assert f"{name} has changed: its hash differs from the one in result.json" in refused(copy, capsys)


@pytest.mark.parametrize("name", [archive.SCOREBOARD, archive.RESULT, "matches/2.json.gz", "matches/1.log.gz"])
def test_a_missing_or_broken_file_is_named(copy: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / name).write_bytes(b"nothing")
    assert name in refused(copy, capsys)
    (copy / name).unlink()
    assert name in refused(copy, capsys)


def changed(folder: Path, change: Callable[[Match], Match], **of_result: Any) -> None:
    """Change the first match of a result, and everything that is computed of it, with all hashes."""
    result = Folder(folder)
    proof = result.result()
    matches = [result.match(one.seed) for one in proof.matches]
    matches[0] = change(matches[0])
    (folder / "matches" / "1.json.gz").write_bytes(gzip.compress(encoded(matches[0])))
    board = scoreboard(matches)
    again = result.finish(league_of(proof), proof.sources, matches, board)
    page = report.page(league_of(proof), matches, board, matches_hash="", board_hash="")
    final = result.add_report(again, page)
    if of_result:
        _write(folder, msgspec.structs.replace(final, **of_result))


def _write(folder: Path, proof: Result) -> None:
    (folder / archive.RESULT).write_bytes(msgspec.json.encode(proof))


def richer(match: Match) -> Match:
    """Add a dollar to an account, and correct everything computed from it."""
    bots = [
        msgspec.structs.replace(bot, cash_cents=bot.cash_cents + 100 * (not at)) for at, bot in enumerate(match.bots)
    ]
    return msgspec.structs.replace(match, bots=bots)


def test_a_dollar_more_is_found_by_the_log(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed(copy, richer)
    assert "seed 1: zero_intelligence has" in refused(copy, capsys)


def test_changed_samples_are_found_by_playing_again(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def smoothed(match: Match) -> Match:
        bots = [msgspec.structs.replace(bot, samples=[bot.samples[0]] * len(bot.samples)) for bot in match.bots]
        return msgspec.structs.replace(match, bots=bots)

    changed(copy, smoothed)
    assert "seed 1: retail: the samples differ" in refused(copy, capsys)


def test_another_configuration_is_found_by_playing_again(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed(copy, lambda match: match)
    proof = Folder(copy).result()
    league = proof.league | {"latency": {"order_ms": 90.0, "feed_ms": 2.0, "jitter_ms": 1.0}}
    _write(copy, msgspec.structs.replace(proof, league=league))
    assert "seed 1: zero_intelligence: " in refused(copy, capsys)


def test_another_bot_under_the_same_name_is_found(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = copy / "bots" / "1_bad_bots.py"
    kept.write_text(kept.read_text().replace("1, 100)", "2, 100)"))
    proof = Folder(copy).result()
    sources = {
        name: msgspec.structs.replace(one, sha256=archive.hash_of(kept.read_bytes()))
        for name, one in proof.sources.items()
    }
    _write(copy, msgspec.structs.replace(proof, sources=sources))
    assert "seed 1: Well: " in refused(copy, capsys)


def test_a_bot_that_no_longer_loads_makes_verification_impossible(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = copy / "bots" / "1_bad_bots.py"
    kept.write_text("raise RuntimeError('not here')")
    proof = Folder(copy).result()
    sources = {
        name: msgspec.structs.replace(one, sha256=archive.hash_of(kept.read_bytes()))
        for name, one in proof.sources.items()
    }
    _write(copy, msgspec.structs.replace(proof, sources=sources))
    assert main([str(copy)]) == 2
    assert "not here" in capsys.readouterr().err
