"""Reads the list of the bots that trade, such as `flood, informed(noise=0.5):2, gauss(security=AAPL)`.

An entry is the name of a strategy; in parentheses its options, as its command line names them, and `security`, the
securities that it trades, joined by `+`; and after a colon the number of bots. The bots of an entry without `security`
are dealt to the listed securities in turn. Every entry is one process, and every bot has an account of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bots.loading import options_of
from bots.strategies import STRATEGIES
from bots.strategy import Strategy

MOST_BOTS: Final = 100
SECURITY: Final = "security"

_ENTRY: Final = re.compile(r"([a-z_]+)(?:\((.*)\))?(?::(\d{1,4}))?", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}


class RosterError(Exception):
    """A list that is invalid; the message names the entry and its fault."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the list: `count` bots of one strategy.

    text        the entry as written, without its count
    securities  the securities that each bot trades; empty: dealt in turn
    """

    text: str
    strategy: str
    options: Mapping[str, Any]
    securities: tuple[str, ...] = ()
    count: int = 1

    def made(self) -> Strategy:
        """Make the strategy of one of the bots."""
        return STRATEGIES[self.strategy](**self.options)


@dataclass(frozen=True, slots=True)
class Seat:
    """One bot: its account, and the securities that it trades, its own first."""

    account: str
    securities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Crew:
    """The bots of an entry, which share a process of this name."""

    name: str
    entry: Entry
    seats: tuple[Seat, ...]


def split(text: str) -> list[str]:
    """Return the entries of a list, which commas or spaces separate outside of parentheses."""
    entries, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth <= 0 and (character == "," or character.isspace()):
            entries.append(text[start:place])
            start = place + 1
    return [entry.strip() for entry in (*entries, text[start:]) if entry.strip()]


def entry_of(text: str) -> Entry:
    """Read an entry.

    raises  RosterError
    """
    found = _ENTRY.fullmatch("".join(text.split()).lower() if "(" not in text else _lower_name(text))
    if found is None:
        raise RosterError(f"{text}: an entry is a strategy like flood, flood:2 or flood(rate=0.5, security=AAPL):2")
    name, options, count = found[1], found[2] or "", int(found[3] or 1)
    if name not in STRATEGIES:
        raise RosterError(f"there is no bot {name}; choose one of {', '.join(STRATEGIES)}")
    if not 1 <= count <= MOST_BOTS:
        raise RosterError(f"{text}: the number of bots must be from 1 to {MOST_BOTS}")
    given = dict(_options(text, options))
    securities = tuple(given.pop(SECURITY, "").upper().split("+")) if SECURITY in given else ()
    if not all(securities) or len(set(securities)) < len(securities):
        raise RosterError(f"{text}: security names one security, or several that differ, like AAPL+SHEL")
    entry = Entry(
        name + (f"({', '.join(f'{option}={value}' for option, value in given.items())})" if given else ""),
        name,
        _values(text, STRATEGIES[name], given),
        securities,
        count,
    )
    try:
        entry.made()
    except ValueError as fault:
        raise RosterError(f"{text}: {fault}") from None
    return entry


def crews(entries: Sequence[Entry], listed: Sequence[str]) -> list[Crew]:
    """Give the bots their accounts and securities.

    listed  the securities of the market
    raises  RosterError  an entry names a security that is not listed, or needs more securities than are listed
    """
    processes: Counter[str] = Counter()
    accounts: Counter[str] = Counter()
    made = []
    for entry in entries:
        kind = STRATEGIES[entry.strategy]
        unknown = [name for name in entry.securities if name not in listed]
        if unknown:
            raise RosterError(f"{entry.text}: {unknown[0]} is not listed; choose one of {', '.join(listed)}")
        if len(entry.securities or listed) < kind.trades:
            raise RosterError(f"{entry.text}: it trades {kind.trades} securities, joined by + like AAPL+SHEL")
        seats = []
        for number in range(entry.count):
            accounts[entry.strategy] += 1
            account = _numbered(entry.strategy.upper(), accounts[entry.strategy], "_")
            dealt = tuple(listed[(number + further) % len(listed)] for further in range(kind.trades))
            seats.append(Seat(account, entry.securities or dealt))
        processes[entry.strategy] += 1
        made.append(Crew(_numbered(entry.strategy, processes[entry.strategy], "-"), entry, tuple(seats)))
    return made


def _lower_name(text: str) -> str:
    name, parenthesis, rest = "".join(text.split()).partition("(")
    return name.lower() + parenthesis + rest


def _numbered(name: str, number: int, joint: str) -> str:
    return name if number == 1 else f"{name}{joint}{number}"


def _options(text: str, options: str) -> Iterator[tuple[str, str]]:
    seen = set()
    for option in filter(None, options.split(",")):
        name, equals, value = option.partition("=")
        if not equals or not value or name in seen:
            raise RosterError(f"{text}: options are NAME=VALUE, separated by commas, each once")
        seen.add(name)
        yield name.replace("-", "_"), value


def _values(text: str, kind: type[Strategy], given: Mapping[str, str]) -> dict[str, Any]:
    known = {option.name: option.default for option in options_of(kind)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise RosterError(f"{text}: there is no option {name}; choose one of {', '.join((*known, SECURITY))}")
        default = known[name]
        read: type[Any] = type(default)
        try:
            values[name] = _BOOLEANS[value] if isinstance(default, bool) else read(value)
        except (ValueError, KeyError):
            wanted = "true or false" if isinstance(default, bool) else _WORDS.get(type(default), "a text")
            raise RosterError(f"{text}: {name} must be {wanted}") from None
        if isinstance(values[name], float) and not _LEAST < values[name] < _MOST:
            raise RosterError(f"{text}: {name} must be a number")
    return values


_WORDS: Final[Mapping[type, str]] = {int: "a whole number", float: "a number"}
_LEAST, _MOST = -1e12, 1e12
