"""Lists the bots of a configuration, each with its own name and account."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bots.league.play.configuration import Bot, ConfigurationError, Latency, League
from bots.loading import NoStrategy, options_of, strategy_of
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
    """

    name: str
    target: str
    kind: str
    account: str
    options: Mapping[str, Any]
    latency: Latency
    securities: tuple[str, ...]

    def strategy(self) -> Strategy:
        """Make a new strategy with the options. Raises any exception of its constructor."""
        return strategy_of(self.target)(**self.options)


def files_of(league: League, folder: Path) -> dict[str, Path]:
    """Return the paths of the bot files that a tournament names, relative to a folder, by the name in the file."""
    places = [bot.strategy.partition(":")[0] for bot in league.bots]
    return {place: (folder / place).resolve() for place in places if place.endswith(".py")}


def entrants(league: League, files: Mapping[str, Path] | None = None) -> list[Entrant]:
    """Return the bots of a tournament in the order of its configuration.

    files   paths of bot files by the names in the configuration; default: relative to the current folder
    raises  ConfigurationError  listing every strategy that does not exist and every invalid option
    """
    files = files_of(league, Path()) if files is None else files
    targets = [_located(bot.strategy, files) for bot in league.bots]
    faults: list[str] = []
    for at, (bot, target) in enumerate(zip(league.bots, targets, strict=True), start=1):
        faults += [f"  bots[{at}].{fault}" for fault in _faults(bot, target)]
    if faults:
        raise ConfigurationError("\n".join(["the tournament cannot begin:", *faults]))
    every = tuple(security.id for security in league.securities)
    called = [
        bot.name or strategy_of(target).name or _title(bot.strategy)
        for bot, target in zip(league.bots, targets, strict=True)
    ]
    wanted = Counter[str]()
    for name, bot in zip(called, league.bots, strict=True):
        wanted[name] += bot.count
    found: list[Entrant] = []
    numbers = Counter[str]()
    for name, bot, target in zip(called, league.bots, targets, strict=True):
        for _ in range(bot.count):
            numbers[name] += 1
            own = f"{name} {numbers[name]}" if wanted[name] > 1 else name
            found.append(
                Entrant(
                    name=own,
                    target=target,
                    kind=strategy_of(target).__name__,
                    account=_account(own, [entrant.account for entrant in found]),
                    options=bot.options,
                    latency=bot.latency or league.latency,
                    securities=bot.securities or every,
                )
            )
    return found


def _located(strategy: str, files: Mapping[str, Path]) -> str:
    place, colon, name = strategy.partition(":")
    return f"{files[place]}{colon}{name}" if place in files else strategy


def _faults(bot: Bot, target: str) -> list[str]:
    """Return the faults of a bot's settings, each with its setting."""
    try:
        kind = strategy_of(target)
    except NoStrategy as fault:
        return [f"strategy: {fault}"]
    except Exception as fault:  # noqa: BLE001 - a bot's file may raise anything
        return [f"strategy: {bot.strategy} cannot be loaded: {type(fault).__name__}: {fault}"]
    known = [option.name for option in options_of(kind)]
    unknown = [name for name in bot.options if name not in known]
    if unknown:
        allowed = f"its options are {', '.join(known)}" if known else "it has no options"
        return [f"options.{name}: {bot.strategy} has no such option; {allowed}" for name in unknown]
    try:
        kind(**bot.options)
    except Exception as fault:  # noqa: BLE001 - as above
        return [f"options: {type(fault).__name__}: {fault}"]
    return []


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
