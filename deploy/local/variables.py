"""The variables of `make up`: numbers of processes, and addresses of existing services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bots import roster
from bots.roster import Crew, RosterError
from deploy.local.addresses import SERVICE_URLS
from deploy.local.failure import Failure
from deploy.market_file import DEFAULT, MarketFile
from deploy.processes import Process, bots, referee, scheduler, webs, workers

# The smallest, default and largest number of each kind of worker.
_COUNTS = {
    "ORDER_ENTRY_WORKERS": (1, 1, 32),
    "MATCHING_STANDBYS": (0, 0, 8),
    "ORDER_EXECUTION_WORKERS": (1, 1, 32),
    "DATA_FEED_WORKERS": (1, 1, 32),
    "API_WORKERS": (1, 1, 32),
    "STREAMS": (1, 1, 32),
}


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of one `make up`.

    counts  numbers of processes, by variable
    bots    the bots that trade
    given   addresses of services that exist already, by variable
    """

    counts: Mapping[str, int]
    bots: tuple[Crew, ...]
    given: Mapping[str, str]

    def processes(self, shards: int) -> list[tuple[str, Process]]:
        """Return all processes to run, each with a unique name, in order of start."""
        named = []
        for process in (*workers(shards), *webs(), *bots(self.bots), scheduler(), referee()):
            number = process.first + (self.counts[process.counts] if process.counts else 1)
            named += [(process.name if n == 1 else f"{process.name}-{n}", process) for n in range(1, number + 1)]
        return named


def from_environment(environment: Mapping[str, str], *, market: MarketFile = DEFAULT) -> Variables:
    """Read the variables.

    market  the market whose bots trade if BOTS is not set
    raises  Failure  one of them is invalid
    """
    return Variables(
        counts={name: _count(environment, name) for name in _COUNTS},
        bots=bots_of(environment.get("BOTS", ""), market),
        given={name: environment[name] for name in SERVICE_URLS if environment.get(name)},
    )


def _count(environment: Mapping[str, str], name: str) -> int:
    least, default, most = _COUNTS[name]
    text = environment.get(name, "").strip() or str(default)
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise Failure(f"wrong {name}: it must be a number from {least} to {most}")
    return int(text)


def bots_of(text: str, market: MarketFile) -> tuple[Crew, ...]:
    """Return the bots of a list like `flood, informed:2`: the market's own for an empty list, no bots for `none`.

    raises  Failure  the list is wrong
    """
    texts = roster.split(text)
    if [word.lower() for word in texts] == ["none"]:
        return ()
    try:
        return tuple(market.crews([roster.entry_of(entry) for entry in texts] if texts else None))
    except RosterError as fault:
        raise Failure(f"wrong BOTS: {fault}") from fault
