"""`python -m bots verify RESULT`: whether a result is what comes of what was played, and if not, what differs.

It looks from the outside in, and stops where something differs: the files against the hashes of the proof; scoreboard
and events against the matches from which they are computed; the logs, applied to the engine again, against the trades
and the ledger of the matches; and last, all is played again.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bots.league.play.configuration import ConfigurationError, League
from bots.league.play.entrants import entrants
from bots.league.play.result import Match
from bots.league.proof import archive, events, live_proof
from bots.league.proof.archive import Folder, InvalidResult, Proof, Result, hash_of, league_of, proof_of
from bots.league.proof.differences import ResultMismatch, differences, require
from bots.league.reporting.progress import ProgressDisplay
from bots.league.rounds import MatchError, Rounds
from bots.league.scoring.standings import as_csv, scoreboard
from bots.simulated.replay import InvalidLog, ReplayResult, replay

# Differences that are named; the rest is counted.
_NAMED = 12


def parser() -> argparse.ArgumentParser:
    """The command line."""
    shown = argparse.ArgumentParser(
        prog="python -m bots verify", description="See whether the result of a tournament is what comes of it."
    )
    shown.add_argument("result", type=Path, metavar="RESULT", help="the folder of a tournament")
    shown.add_argument("--logs-only", action="store_true", help="apply the logs again, but do not play again")
    shown.add_argument(
        "--processes",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="matches at a time (default: %(default)s, the cores)",
    )
    return shown


def main(arguments: Sequence[str]) -> int:
    """Verify a result; the exit status: 0 when it is true, 1 when it is not, 2 when it cannot be said."""
    options = parser().parse_args(arguments)
    folder = Folder(options.result)
    try:
        for said in _verified(folder, logs_only=options.logs_only, processes=max(options.processes, 1)):
            print(f"✓ {said}", flush=True)
    except (ResultMismatch, InvalidResult) as fault:
        faults = fault.faults if isinstance(fault, ResultMismatch) else [str(fault)]
        for line in faults[:_NAMED]:
            print(f"✗ {line}", file=sys.stderr)
        if len(faults) > _NAMED:
            print(f"✗ and {len(faults) - _NAMED} more", file=sys.stderr)
        print(f"{options.result} is refused", file=sys.stderr)
        return 1
    except (ConfigurationError, MatchError) as fault:
        print(f"python -m bots verify: it cannot be played again: {fault}", file=sys.stderr)
        return 2
    return 0


def _verified(folder: Folder, *, logs_only: bool, processes: int) -> Iterator[str]:
    """What is found true, step by step. Raises ResultMismatch, InvalidResult, ConfigurationError, MatchError."""
    proof = folder.result()
    league = league_of(proof)
    if [match.seed for match in proof.matches] != list(league.seeds)[: len(proof.matches)] or not proof.matches:
        raise ResultMismatch(["result.json: the matches are not those of the seeds"])
    matches = [folder.match(match.seed) for match in proof.matches]
    yield _files(folder, proof, matches)
    yield _computed(folder, matches)
    if proof.kind == "live":
        yield live_proof.tapes(folder, proof, matches)
        yield live_proof.ledgers(matches)
        yield live_proof.said_of(proof)
        yield f"scoreboard {proof.scoreboard_hash}"
        return
    yield _logs(folder, league, proof, matches)
    if not logs_only:
        yield _played_again(folder, league, proof, matches, processes)
    yield f"scoreboard {proof.scoreboard_hash}"


def _files(folder: Folder, proof: Result, matches: Sequence[Match]) -> str:
    faults = [
        f"{name} is not the one that was written: its hash is another than in result.json"
        for name, told in (
            (archive.SCOREBOARD, proof.scoreboard_hash),
            (archive.EVENTS, proof.events_hash),
            (archive.REPORT, proof.report_hash),
            *((source.file, source.sha256) for source in proof.sources.values()),
        )
        if hash_of(folder.read(name)) != told
    ]
    for match, told in zip(matches, proof.matches, strict=True):
        faults += [f"matches/{told.seed}.json.gz: {fault}" for fault in _unlike(told, proof_of(match))]
    require(faults)
    return f"{3 + len(proof.sources) + len(matches)} files are as result.json says"


def _unlike(told: Proof, found: Proof) -> list[str]:
    names = [name for name in Proof.__struct_fields__ if getattr(told, name) != getattr(found, name)]
    return [f"{name} differs from result.json" for name in names]


def _computed(folder: Folder, matches: Sequence[Match]) -> str:
    table = as_csv(scoreboard(matches), matches[0].securities)
    told = folder.read(archive.SCOREBOARD).decode(errors="replace")
    faults = []
    if table != told:
        faults += [
            f"scoreboard.csv has {line!r}, and of the matches comes {right!r}"
            for line, right in zip(told.splitlines(), table.splitlines(), strict=False)
            if line != right
        ] or ["scoreboard.csv has other rows than come of the matches"]
    if folder.read(archive.EVENTS) != b"".join(line for match in matches for line in events.lines(match)):
        faults.append("events.jsonl differs from what comes of the matches")
    require(faults)
    return "scoreboard and events are what comes of the matches"


def _logs(folder: Folder, league: League, proof: Result, matches: Sequence[Match]) -> str:
    """The logs lead to the trades and to the ledger."""
    fees = {one.id: (round(one.maker_fee * 100), round(one.taker_fee * 100)) for one in league.securities}
    faults: list[str] = []
    for match in matches:
        at = f"seed {match.seed}"
        try:
            found = replay(folder.read_lines(match.seed, "log"), fees)
        except InvalidLog as fault:
            faults.append(f"{at}: {fault}")
            continue
        faults += [f"{at}: {fault}" for fault in _of_log(match, found)]
    require(faults)
    commands, trades = (sum(getattr(one, name) for one in proof.matches) for name in ("commands", "trades"))
    return f"{commands:,} commands of the logs lead to the same {trades:,} trades, and to the same ledger"


def _of_log(match: Match, found: ReplayResult) -> Iterator[str]:
    """What a match is told to be, and its log does not lead to."""
    for name in ("log_hash", "commands", "trades", "trades_hash", "fees_cents"):
        one, other = getattr(match, name), getattr(found, name)
        if one != other:
            yield f"{name} is {one}, and of its log comes {other}"
    for bot in match.bots:
        cash_cents = bot.opening_cash_cents + found.cash_cents[bot.account]
        if cash_cents != bot.cash_cents:
            yield f"{bot.name} has {bot.cash_cents} cents, and of the log come {cash_cents}"
        for security_id, told in bot.shares.items():
            shares = bot.opening.get(security_id, 0) + found.shares[bot.account, security_id]
            if shares != told:
                yield f"{bot.name} has {told} {security_id}, and of the log come {shares}"


def _played_again(folder: Folder, league: League, proof: Result, matches: Sequence[Match], processes: int) -> str:
    bots = entrants(league, folder.files(proof))
    crashed = {
        match.seed: {
            bot.account: bot.failure for bot in match.bots if bot.failure is not None and bot.failure.kind == "crashed"
        }
        for match in matches
    }
    told = {match.seed: match for match in matches}
    faults: dict[int, list[str]] = {}
    with (
        tempfile.TemporaryDirectory() as place,
        ProgressDisplay("playing again", rounds=len(matches), duration_s=league.duration) as shown,
    ):
        again = Folder(Path(place) / "again")
        again.begin({})
        for match in Rounds(league, bots, again, processes, shown.update).play(told, out=crashed):
            if proof_of(match) != proof_of(told[match.seed]):
                faults[match.seed] = differences(told[match.seed], match)
    require([f"seed {seed}: {fault}" for seed in sorted(faults) for fault in faults[seed]])
    return f"{len(matches)} matches, played again, come to the same commands, trades, accounts and samples"
