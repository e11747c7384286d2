"""`python -m bots tournament [league.toml]`: lets bots play and writes a report, a scoreboard and a proof."""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bots.errors import ExchangeError
from bots.league.play import live_match
from bots.league.play.configuration import ConfigurationError, League, content_of, parse
from bots.league.play.duration import seconds, written
from bots.league.play.entrants import Entrant, entrants, files_of, has_strangers
from bots.league.play.live_exchange import LiveExchange
from bots.league.play.result import Match
from bots.league.proof import archive
from bots.league.proof.archive import Folder, Result
from bots.league.reporting import report
from bots.league.reporting.progress import ProgressDisplay
from bots.league.reporting.saying import dollars
from bots.league.reporting.summary import headline
from bots.league.rounds import MatchError, Rounds
from bots.league.scoring.standings import Scoreboard, scoreboard
from bots.live.access import ADMIN_ENTRY, CannotTrade, add_keys_file, add_url, key_of
from bots.options import count

# The tournament of the twelve bots that come with the exchange.
OWN = Path(__file__).with_name("league.toml")
RESULTS = Path("tournaments")


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    shown = argparse.ArgumentParser(
        prog="python -m bots tournament",
        description="Let bots play against each other and write a report. docs/league.md describes league.toml.",
    )
    shown.add_argument(
        "file", nargs="?", type=Path, metavar="league.toml", help="the tournament (default: the included one)"
    )
    shown.add_argument("--live", action="store_true", help="play on the running exchange, where an hour takes an hour")
    shown.add_argument(
        "--with",
        action="append",
        default=[],
        dest="guests",
        metavar="FILE.py:CLASS",
        help="add a bot; may be repeated",
    )
    shown.add_argument("--seeds", type=int, metavar="N", help="play the seeds 1 to N instead of the file's")
    shown.add_argument("--duration", metavar="1h30m", help="duration of a match instead of the file's")
    shown.add_argument(
        "--processes",
        type=count,
        metavar="N",
        default=os.cpu_count() or 1,
        help="simulated matches at a time (default: %(default)s, the number of cores)",
    )
    shown.add_argument(
        "--trust",
        action="store_true",
        help="run files of bots without a sandbox, faster and with all that you may do yourself",
    )
    shown.add_argument(
        "--isolate", action="store_true", help="give the exchange's own strategies processes of their own, too"
    )
    shown.add_argument(
        "--secret",
        metavar="TEXT",
        help="text from which, with the seeds, all chance follows (default: the file's, or drawn if strangers play)",
    )
    add_url(shown, of="the exchange for --live")
    add_keys_file(shown, keys="the admin's key")
    shown.add_argument("--output", type=Path, metavar="FOLDER", help=f"a new folder (default: {RESULTS}/NAME-TIME)")
    return shown


def main(arguments: Sequence[str]) -> int:
    """Play a tournament and return the exit status.

    0 if it was played, even if bots were disqualified; 1 if it was not, or if the exchange fails its own audit after a
    live tournament; 130 if the user stopped it.
    """
    options = parser().parse_args(arguments)
    try:
        league, files = _configured(options)
        bots = entrants(league, files, trust=options.trust, isolate=options.isolate)
        folder = _folder(options, league)
        sources = folder.begin(files)
        matches, exchange = _played(league, bots, folder, options)
    except (ConfigurationError, MatchError, ExchangeError, TimeoutError) as fault:
        print(f"python -m bots tournament: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; a tournament has a result only if it is played to its end", file=sys.stderr)
        return 130
    board = scoreboard(matches)
    proof = folder.finish(league, sources, matches, board, exchange=exchange)
    page = report.page(
        league,
        matches,
        board,
        matches_hash=archive.matches_hash(proof.matches),
        board_hash=proof.scoreboard_hash,
    )
    _print_result(folder, folder.add_report(proof, page), board)
    return 0 if exchange is None or exchange["audit"]["passed"] else 1


def _configured(options: argparse.Namespace) -> tuple[League, dict[str, Path]]:
    """Return the tournament and the paths of the bots' files. Raises ConfigurationError."""
    file: Path = options.file or OWN
    content = content_of(file)
    if options.seeds is not None:
        content["seeds"] = options.seeds
    if options.secret is not None:
        content["secret"] = options.secret
    if options.duration is not None:
        _shorten(content, options.duration, live=options.live)
    bots = content.get("bots")
    if isinstance(bots, list):
        bots += [{"strategy": guest} for guest in options.guests]
    league = parse(content, named=str(file))
    if has_strangers(league) and not options.trust:
        if options.live:
            raise ConfigurationError("live bots run without a sandbox: --trust allows it for files that you trust")
        league = _with_secret(league)
    here = {guest.partition(":")[0] for guest in options.guests}
    found = files_of(league, file.parent)
    return league, {place: Path(place).resolve() if place in here else path for place, path in found.items()}


def _with_secret(league: League) -> League:
    """Draw a secret if the tournament has none: from the seeds alone a bot could compute the hidden values."""
    if not league.secret:
        league = league.model_copy(update={"secret": secrets.token_hex(16)})
    known = hashlib.sha256(league.secret.encode()).hexdigest()
    print(f"secret  SHA-256 {known}; {archive.RESULT} will have the secret, which repeats the tournament with --secret")
    return league


def _shorten(content: dict[str, Any], duration: str, *, live: bool) -> None:
    """Set another duration and drop the events after it."""
    try:
        end_s = seconds(duration)
    except ValueError as fault:
        raise ConfigurationError(f"--duration: {fault}") from None
    if live:
        content.setdefault("live", {})["duration"] = end_s
        return
    content["duration"] = end_s
    events = content.get("events")
    if isinstance(events, list):
        kept = [event for event in events if not isinstance(event, dict) or _at_s(event) < end_s]
        if len(kept) < len(events):
            print(f"{len(events) - len(kept)} of {len(events)} scheduled events come after the end and are left out")
        content["events"] = kept


def _at_s(event: dict[str, Any]) -> float:
    try:
        return seconds(event.get("at"))
    except ValueError:
        return 0.0  # kept, so that the check of the configuration reports it


def _folder(options: argparse.Namespace, league: League) -> Folder:
    """Choose a new folder for the result. Raises ConfigurationError."""
    path: Path | None = options.output
    if path is None:
        name = "".join(letter if letter.isalnum() else "-" for letter in league.name.lower()).strip("-")
        path = RESULTS / f"{name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    if path.exists():
        raise ConfigurationError(f"--output: {path} exists already; a result needs a new folder")
    return Folder(path)


def _played(
    league: League, bots: Sequence[Entrant], folder: Folder, options: argparse.Namespace
) -> tuple[list[Match], dict[str, Any] | None]:
    """Play the matches; return them in the order of their seeds, and the audit if they were live.

    raises  MatchError, ConfigurationError, ExchangeError, TimeoutError, KeyboardInterrupt
    """
    if options.live:
        return _played_live(league, bots, folder, options)
    rounds = len(league.seeds)
    print(
        f"{league.name}: {len(bots)} bots, {rounds} matches of {written(league.duration)}, "
        f"{options.processes} at a time"
    )
    with ProgressDisplay("playing", rounds=rounds, duration_s=league.duration) as shown:
        played = Rounds(league, bots, folder, options.processes, shown.update).play(league.seeds)
        matches = {match.seed: match for match in played}
    return [matches[seed] for seed in league.seeds], None


def _played_live(
    league: League, bots: Sequence[Entrant], folder: Folder, options: argparse.Namespace
) -> tuple[list[Match], dict[str, Any]]:
    """Play the matches on the running exchange, one after the other, and audit it afterwards."""
    exchange = LiveExchange(options.url, _admin_key(options.keys_file))
    seeds = league.seeds[: league.live.rounds]
    left_out = sum(event.at >= league.live.duration for event in league.events)
    print(
        f"{league.name}, live on {options.url}: {len(bots)} bots, {len(seeds)} of {written(league.live.duration)}"
        + (f"; {left_out} scheduled events come after the end and are left out" if left_out else "")
    )
    matches = []
    with ProgressDisplay("playing live", rounds=len(seeds), duration_s=league.live.duration) as shown:
        for seed in seeds:
            with folder.lines_of(seed, "tape") as tape:
                match = live_match.play(
                    league,
                    seed,
                    bots,
                    exchange,
                    (folder.path / "bots" / str(seed)).absolute(),
                    tape=tape,
                    progress=partial(shown.update, seed),
                )
            folder.keep(match)
            shown.update(seed, league.live.duration)
            matches.append(folder.match(seed))
    audit = exchange.audit()
    print(f"the exchange's own audit {'passes' if audit['passed'] else 'FAILS'}")
    return matches, {"url": options.url, "audit": audit}


def _admin_key(file: Path) -> str:
    try:
        return key_of(file, ADMIN_ENTRY)
    except CannotTrade as fault:
        raise ConfigurationError(
            f"--keys-file: a live tournament opens accounts and needs the admin's key; {fault}"
        ) from None


def _print_result(folder: Folder, proof: Result, board: Scoreboard) -> None:
    table = Table(title=headline(board), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in ("#", "bot", "gain", "95 % interval", "rating", "won"):
        table.add_column(column, justify="left" if column == "bot" else "right")
    for bot in board.standings:
        low, high = bot.gain_cents.low, bot.gain_cents.high
        table.add_row(
            str(bot.place),
            f"{bot.name} (disqualified in {bot.disqualified})" if bot.disqualified else bot.name,
            dollars(bot.gain_cents.mean, sign=True),
            "" if low is None else f"{dollars(low)} to {dollars(high)}",
            f"{bot.rating.mu:.1f}",
            str(bot.wins),
        )
    Console().print(table)
    print(f"\nmatches     {archive.matches_hash(proof.matches)}")
    print(f"scoreboard  {proof.scoreboard_hash}")
    print(f"\nreport  {folder.path / archive.REPORT}")
    print(f"proof   python -m bots verify {folder.path}")
