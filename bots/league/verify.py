"""`python -m bots verify RESULT`: checks whether a result follows from its matches, and reports any difference.

It checks in four steps and stops at the first difference: the files against the hashes of the proof; scoreboard and
events against the matches; the logs, applied to the engine again, against the trades and final accounts; and finally
all matches, played again.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bots.league.play.configuration import ConfigurationError, League
from bots.league.play.entrants import Entrant, entrants
from bots.league.play.result import Match
from bots.league.proof import archive, events, live_proof
from bots.league.proof.archive import Folder, InvalidResult, Proof, Result, hash_of, league_of, proof_of
from bots.league.proof.differences import ResultMismatch, differences, require
from bots.league.reporting.progress import ProgressDisplay
from bots.league.rounds import MatchError, Rounds
from bots.league.scoring.standings import as_csv, scoreboard
from bots.options import count
from bots.simulated.replay import InvalidLog, ReplayResult, replay

# Differences that are printed; further ones are only counted.
_PRINTED = 12


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    shown = argparse.ArgumentParser(
        prog="python -m bots verify", description="Check whether the result of a tournament follows from its matches."
    )
    shown.add_argument("result", type=Path, metavar="RESULT", help="the folder of a tournament")
    shown.add_argument("--logs-only", action="store_true", help="replay the logs, but do not play the matches again")
    shown.add_argument("--trust", action="store_true", help="run the bots' files without a sandbox")
    shown.add_argument(
        "--processes",
        type=count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="matches at a time (default: %(default)s, the number of cores)",
    )
    return shown


def main(arguments: Sequence[str]) -> int:
    """Verify a result; return exit status 0 if it is right, 1 if it is wrong, 2 if it cannot be checked."""
    options = parser().parse_args(arguments)
    folder = Folder(options.result)
    try:
        for finding in _verify(folder, options):
            print(f"✓ {finding}", flush=True)
    except (ResultMismatch, InvalidResult) as fault:
        faults = fault.faults if isinstance(fault, ResultMismatch) else [str(fault)]
        for line in faults[:_PRINTED]:
            print(f"✗ {line}", file=sys.stderr)
        if len(faults) > _PRINTED:
            print(f"✗ and {len(faults) - _PRINTED} more", file=sys.stderr)
        print(f"{options.result} is refused", file=sys.stderr)
        return 1
    except (ConfigurationError, MatchError) as fault:
        print(f"python -m bots verify: the tournament cannot be played again: {fault}", file=sys.stderr)
        return 2
    return 0


def _verify(folder: Folder, options: argparse.Namespace) -> Iterator[str]:
    """Yield the findings step by step. Raises ResultMismatch, InvalidResult, ConfigurationError, MatchError."""
    proof = folder.result()
    league = league_of(proof)
    if [match.seed for match in proof.matches] != list(league.seeds)[: len(proof.matches)] or not proof.matches:
        raise ResultMismatch(["result.json: the matches do not have the seeds of the configuration"])
    matches = [folder.match(match.seed) for match in proof.matches]
    yield _files(folder, proof, matches)
    yield _computed(folder, matches)
    if proof.kind == "live":
        yield live_proof.tapes(folder, proof, matches)
        yield live_proof.ledgers(matches)
        yield live_proof.audit_of(proof)
        yield f"scoreboard {proof.scoreboard_hash}"
        return
    yield _logs(folder, league, proof, matches)
    if not options.logs_only:
        bots = entrants(league, folder.files(proof), trust=options.trust)
        yield _played_again(league, bots, matches, options.processes)
    yield f"scoreboard {proof.scoreboard_hash}"


def _files(folder: Folder, proof: Result, matches: Sequence[Match]) -> str:
    faults = [
        f"{name} has changed: its hash differs from the one in result.json"
        for name, recorded in (
            (archive.SCOREBOARD, proof.scoreboard_hash),
            (archive.EVENTS, proof.events_hash),
            (archive.REPORT, proof.report_hash),
            *((source.file, source.sha256) for source in proof.sources.values()),
        )
        if hash_of(folder.read(name)) != recorded
    ]
    for match, match_proof in zip(matches, proof.matches, strict=True):
        faults += [f"matches/{match_proof.seed}.json.gz: {fault}" for fault in _unlike(match_proof, proof_of(match))]
    require(faults)
    return f"{3 + len(proof.sources) + len(matches)} files have the hashes in result.json"


def _unlike(recorded: Proof, found: Proof) -> list[str]:
    names = [name for name in Proof.__struct_fields__ if getattr(recorded, name) != getattr(found, name)]
    return [f"{name} differs from result.json" for name in names]


def _computed(folder: Folder, matches: Sequence[Match]) -> str:
    table = as_csv(scoreboard(matches), matches[0].securities)
    recorded = folder.read(archive.SCOREBOARD).decode(errors="replace")
    faults = []
    if table != recorded:
        faults += [
            f"scoreboard.csv has {line!r}, but the matches lead to {right!r}"
            for line, right in zip(recorded.splitlines(), table.splitlines(), strict=False)
            if line != right
        ] or ["scoreboard.csv has a different number of rows than the matches lead to"]
    if folder.read(archive.EVENTS) != b"".join(line for match in matches for line in events.lines(match)):
        faults.append("events.jsonl differs from the events of the matches")
    require(faults)
    return "scoreboard and events follow from the matches"


def _logs(folder: Folder, league: League, proof: Result, matches: Sequence[Match]) -> str:
    """Replay the logs and compare trades and final accounts."""
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
    return f"{commands:,} commands of the logs lead to the same {trades:,} trades and the same ledger"


def _of_log(match: Match, found: ReplayResult) -> Iterator[str]:
    """Yield the differences between a match and the outcome of its log."""
    for name in ("log_hash", "commands", "trades", "trades_hash", "fees_cents"):
        one, other = getattr(match, name), getattr(found, name)
        if one != other:
            yield f"{name} is {one}, but the log leads to {other}"
    for bot in match.bots:
        cash_cents = bot.opening_cash_cents + found.cash_cents[bot.account] + bot.fund_cents
        if cash_cents != bot.cash_cents:
            yield f"{bot.name} has {bot.cash_cents} cents, but the log leads to {cash_cents}"
        for security_id, recorded in bot.shares.items():
            shares = bot.opening.get(security_id, 0) + found.shares[bot.account, security_id]
            if shares != recorded:
                yield f"{bot.name} has {recorded} {security_id}, but the log leads to {shares}"


def _played_again(league: League, bots: Sequence[Entrant], matches: Sequence[Match], processes: int) -> str:
    guests = {bot.account for bot in bots if bot.is_guest}
    crashed = {
        match.seed: {
            bot.account: bot.failure
            for bot in match.bots
            if bot.failure is not None and bot.failure.kind == "crashed" and bot.account not in guests
        }
        for match in matches
    }
    recorded = {match.seed: match for match in matches}
    faults: dict[int, list[str]] = {}
    with (
        tempfile.TemporaryDirectory() as place,
        ProgressDisplay("playing again", rounds=len(matches), duration_s=league.duration) as shown,
    ):
        again = Folder(Path(place) / "again")
        again.begin({})
        for match in Rounds(league, bots, again, processes, shown.update).play(recorded, out=crashed):
            if proof_of(match) != proof_of(recorded[match.seed]):
                faults[match.seed] = differences(recorded[match.seed], match)
    require([f"seed {seed}: {fault}" for seed in sorted(faults) for fault in faults[seed]])
    return f"{len(matches)} matches, played again, lead to the same commands, trades, accounts and samples"
