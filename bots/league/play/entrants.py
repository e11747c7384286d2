"""Who plays: the bots of a configuration one by one, each with a name and an account of its own."""

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

# As long as the exchange lets names of accounts be, less what a live match puts before them.
_LONGEST_ACCOUNT = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """One bot of a tournament; plain values, so that it can be sent to another process.

    name        how the report calls it
    target      its strategy, as bots.loading.strategy_of takes it from anywhere
    kind        its class, for people
    account     letters, digits and _, unique among the entrants
    securities  what it trades in, its own first
    """

    name: str
    target: str
    kind: str
    account: str
    options: Mapping[str, Any]
    latency: Latency
    securities: tuple[str, ...]

    def strategy(self) -> Strategy:
        """A new strategy with the options; raises what its making raises."""
        return strategy_of(self.target)(**self.options)


def files_of(league: League, folder: Path) -> dict[str, Path]:
    """Where the files of bots are that a tournament names, by the name that it uses, as seen from a folder."""
    places = [bot.strategy.partition(":")[0] for bot in league.bots]
    return {place: (folder / place).resolve() for place in places if place.endswith(".py")}


def entrants(league: League, files: Mapping[str, Path] | None = None) -> list[Entrant]:
    """The bots of a tournament, in the order of its configuration.

    files   where the files of bots are, by the names in the configuration; without them as seen from here
    raises  ConfigurationError  naming every strategy that is not there, and every option that it does not have
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
    """What keeps a bot from playing, each with the setting that it is about."""
    try:
        kind = strategy_of(target)
    except NoStrategy as fault:
        return [f"strategy: {fault}"]
    except Exception as fault:  # noqa: BLE001 - whatever a file raises, there is no bot to play with
        return [f"strategy: {bot.strategy} cannot be loaded: {type(fault).__name__}: {fault}"]
    known = [option.name for option in options_of(kind)]
    unknown = [name for name in bot.options if name not in known]
    if unknown:
        return [f"options.{name}: {bot.strategy} has {', '.join(known) or 'no options'}" for name in unknown]
    try:
        kind(**bot.options)
    except Exception as fault:  # noqa: BLE001 - as above
        return [f"options: {type(fault).__name__}: {fault}"]
    return []


def _title(strategy: str) -> str:
    """The class, or the file without its folders."""
    place, _, name = strategy.partition(":")
    return name or re.split(r"[/\\]", place)[-1].removesuffix(".py")


def _account(name: str, taken: Sequence[str]) -> str:
    """A name as an account may be called."""
    plain = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")[:_LONGEST_ACCOUNT] or "BOT"
    account, number = plain, 1
    while account in taken:
        number += 1
        account = f"{plain}_{number}"
    return account
