"""Lists the bots of a configuration, each with its own name and account."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bots.league.play.configuration import Bot, ConfigurationError, Latency, League
from bots.league.play.names import LONGEST, distinct_names, own_name
from bots.league.sandbox import bubblewrap
from bots.league.sandbox.guest_player import LOADING_S, GuestPlayer
from bots.league.sandbox.guest_process import GuestFailed
from bots.league.sandbox.room import Room
from bots.loading import NoStrategy, options_of, strategy_of
from bots.strategies import STRATEGIES
from bots.strategies.informed import Informed
from bots.strategy import Strategy

# The exchange's longest account name, less the prefix of a live match.
_LONGEST_ACCOUNT = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """One bot of a tournament, as plain values that can be sent to another process.

    name        its name in the report
    target      its strategy, in the form that bots.loading.strategy_of takes in any folder
    kind        name of its class
    account     letters, digits and _, unique among the entrants
    securities  what it may trade, its own first
    file        its own file, if it plays in a sandbox, where `target` names the file's place
    is_guest    whether it plays in a process of its own
    short_limit how many shares of each security it may owe
    informed    whether it observes the hidden value of its first security
    house       whether it is part of the market and not of the competition
    """

    name: str
    target: str
    kind: str
    account: str
    options: Mapping[str, Any]
    latency: Latency
    securities: tuple[str, ...]
    file: Path | None = None
    is_guest: bool = False
    short_limit: int = 0
    informed: bool = False
    house: bool = False

    def strategy(self) -> Strategy:
        """Make a new strategy with the options. Raises any exception of its constructor."""
        return strategy_of(self.target)(**self.options)


def files_of(league: League, folder: Path) -> dict[str, Path]:
    """Return the paths of the bot files that a tournament names, relative to a folder, by the name in the file."""
    places = [bot.strategy.partition(":")[0] for bot in league.everyone]
    return {place: (folder / place).resolve() for place in places if place.endswith(".py")}


@dataclass(frozen=True, slots=True)
class _Found:
    """A strategy of the configuration: where it is, its class, its own name, and what stands against it."""

    target: str
    kind: str
    name: str
    file: Path | None
    faults: Sequence[str]


def entrants(
    league: League, files: Mapping[str, Path] | None = None, *, trust: bool = False, isolate: bool = False
) -> list[Entrant]:
    """Return the bots of a tournament in the order of its configuration.

    files    paths of bot files by the names in the configuration; default: relative to the current folder
    trust    whether to run files without a sandbox
    isolate  whether the exchange's own strategies get processes of their own as well
    raises   ConfigurationError  listing every strategy that does not exist and every invalid option
    """
    files = files_of(league, Path()) if files is None else files
    if isolate:
        _require_sandbox()
    found = [_found(bot, files, trust=trust) for bot in league.everyone]
    faults = [f"  {_place(at, league)}.{fault}" for at, one in enumerate(found) for fault in one.faults]
    if faults:
        raise ConfigurationError("\n".join(["the tournament cannot begin:", *faults]))
    every = tuple(security.id for security in league.securities)
    called = distinct_names(
        [
            (bot.name or one.name or _title(bot.strategy), bot.name is None and one.file is not None)
            for bot, one in zip(league.everyone, found, strict=True)
        ]
    )
    wanted = Counter[str]()
    for name, bot in zip(called, league.everyone, strict=True):
        wanted[name] += bot.count
    listed: list[Entrant] = []
    numbers = Counter[str]()
    for at, (name, bot, one) in enumerate(zip(called, league.everyone, found, strict=True)):
        for _ in range(bot.count):
            numbers[name] += 1
            own = f"{name} {numbers[name]}" if wanted[name] > 1 else name
            listed.append(
                Entrant(
                    name=own,
                    target=one.target,
                    kind=one.kind,
                    account=_account(own, [entrant.account for entrant in listed]),
                    options=bot.options,
                    latency=bot.latency or league.latency,
                    securities=bot.securities or every,
                    file=one.file,
                    is_guest=one.file is not None or isolate,
                    short_limit=league.short_limit if bot.short_limit is None else bot.short_limit,
                    informed=bot.strategy == Informed.name if bot.informed is None else bot.informed,
                    house=at >= len(league.bots),
                )
            )
    return listed


def _place(at: int, league: League) -> str:
    """Return where a bot is in the configuration, counted from 1."""
    entered = len(league.bots)
    return f"bots[{at + 1}]" if at < entered else f"house[{at - entered + 1}]"


def _require_sandbox() -> None:
    try:
        bubblewrap.require()
    except bubblewrap.NoSandbox as fault:
        raise ConfigurationError(str(fault)) from None


def has_strangers(league: League) -> bool:
    """Return whether a tournament has bots that do not come with the exchange."""
    return any(bot.strategy not in STRATEGIES for bot in league.everyone)


def _found(bot: Bot, files: Mapping[str, Path], *, trust: bool) -> _Found:
    place, colon, name = bot.strategy.partition(":")
    if bot.strategy in STRATEGIES or trust or not (place in files or colon):
        target = f"{files[place]}{colon}{name}" if place in files else bot.strategy
        return _trusted(bot, target)
    if place not in files:
        return _Found("", "", "", None, [f"strategy: {bot.strategy} is a module; give a file, or --trust"])
    file = files[place]
    if not file.is_file():
        return _Found("", "", "", None, [f"strategy: there is no file {file}"])
    return _looked_at(bot, file, f"{bubblewrap.FOLDER / file.name}{colon}{name}")


def _looked_at(bot: Bot, file: Path, target: str) -> _Found:
    """Load a stranger's file where it can do no harm, and return what is in it."""
    _require_sandbox()
    player = GuestPlayer(target, file, bot.options, room=Room(), patience_s=LOADING_S, printed=len)
    try:
        loaded = player.loaded()
    except GuestFailed as fault:
        return _Found("", "", "", None, [f"strategy: {bot.strategy} cannot be loaded: {fault}"])
    finally:
        player.end()
    faults = loaded.faults
    if loaded.kind and (unknown := [name for name in bot.options if name not in loaded.options]):
        faults = _unknown_options(bot, unknown, loaded.options)
    # The stranger chose the class and its name as well.
    kind = loaded.kind if loaded.kind.isidentifier() else "Strategy"
    return _Found(target, kind[:LONGEST], own_name(loaded.name), file, faults)


def _trusted(bot: Bot, target: str) -> _Found:
    """Load a strategy in this process, and return what it is."""
    try:
        kind = strategy_of(target)
    except NoStrategy as fault:
        return _Found("", "", "", None, [f"strategy: {fault}"])
    except Exception as fault:  # noqa: BLE001 - a bot's file may raise anything
        said = f"strategy: {bot.strategy} cannot be loaded: {type(fault).__name__}: {fault}"
        return _Found("", "", "", None, [said])
    known = [option.name for option in options_of(kind)]
    faults: list[str] = []
    if unknown := [name for name in bot.options if name not in known]:
        faults = _unknown_options(bot, unknown, known)
    else:
        try:
            kind(**bot.options)
        except Exception as fault:  # noqa: BLE001 - as above
            faults = [f"options: {type(fault).__name__}: {fault}"]
    return _Found(target, kind.__name__, kind.name, None, faults)


def _unknown_options(bot: Bot, unknown: Sequence[str], known: Sequence[str]) -> list[str]:
    allowed = f"its options are {', '.join(known)}" if known else "it has no options"
    return [f"options.{name}: {bot.strategy} has no such option; {allowed}" for name in unknown]


def _title(strategy: str) -> str:
    """Return the class, or the file without its folders and suffix."""
    place, _, name = strategy.partition(":")
    return name or re.split(r"[/\\]", place)[-1].removesuffix(".py")


def _account(name: str, taken: Sequence[str]) -> str:
    """Make a valid, unused account name from a bot's name."""
    plain = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")[:_LONGEST_ACCOUNT] or "BOT"
    account, number = plain, 1
    while account in taken:
        number += 1
        account = f"{plain}_{number}"
    return account
