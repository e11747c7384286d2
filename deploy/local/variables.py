"""The variables of `make up`: numbers of processes, and addresses of existing services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploy.local.failure import Failure
from deploy.processes import BOTS, Process, bots, referee, scheduler, webs, workers

# The smallest, default and largest number of each kind of worker.
_COUNTS = {
    "ORDER_ENTRY_WORKERS": (1, 1, 32),
    "MATCHING_STANDBYS": (0, 0, 8),
    "ORDER_EXECUTION_WORKERS": (1, 1, 32),
    "DATA_FEED_WORKERS": (1, 1, 32),
}

# The variable of each address, and its service; `make up` starts Postgres unless both databases are set.
SERVICE_URLS = {
    "BROKER_URL": "RabbitMQ",
    "REDIS_URL": "Redis",
    "CLEARING_DATA_URL": "Postgres",
    "MARKET_DATA_URL": "Postgres",
}
DATABASE_URLS = frozenset({"CLEARING_DATA_URL", "MARKET_DATA_URL"})
# Flower's own variables: the address of RabbitMQ's management, and its users with passwords.
FLOWER_BROKER_API = "FLOWER_BROKER_API"
FLOWER_BASIC_AUTH = "FLOWER_BASIC_AUTH"

# For `deploy.migrate` only, which makes the users.
FOR_MIGRATE = ("BROKER_MANAGEMENT_URL", "BROKER_USERS", "DATABASE_USERS")

# Variables that contain passwords.
WITH_PASSWORDS = (*SERVICE_URLS, FLOWER_BROKER_API, FLOWER_BASIC_AUTH, *FOR_MIGRATE)


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of one `make up`.

    counts  numbers of processes, by variable
    bots    names of the bots that trade
    given   addresses of services that exist already, by variable
    """

    counts: Mapping[str, int]
    bots: tuple[str, ...]
    given: Mapping[str, str]

    def processes(self, shards: int) -> list[tuple[str, Process]]:
        """Return all processes to run, each with a unique name, in order of start."""
        named = []
        for process in (*workers(shards), *webs(), *bots(self.bots), scheduler(), referee()):
            number = process.first + (self.counts[process.counts] if process.counts else 1)
            named += [(process.name if n == 1 else f"{process.name}-{n}", process) for n in range(1, number + 1)]
        return named


def from_environment(environment: Mapping[str, str], *, bots: tuple[str, ...] = BOTS) -> Variables:
    """Read the variables.

    bots    the bots if BOTS is not set
    raises  Failure  one of them is invalid
    """
    return Variables(
        counts={name: _count(environment, name) for name in _COUNTS},
        bots=_bots(environment.get("BOTS", ""), bots),
        given={name: environment[name] for name in SERVICE_URLS if environment.get(name)},
    )


def _count(environment: Mapping[str, str], name: str) -> int:
    least, default, most = _COUNTS[name]
    text = environment.get(name, "").strip() or str(default)
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise Failure(f"wrong {name}: it must be a number from {least} to {most}")
    return int(text)


def _bots(text: str, otherwise: tuple[str, ...]) -> tuple[str, ...]:
    """The bots of a list like `flood,retail`; those of the market when it is empty, none of them for `none`."""
    names = tuple(dict.fromkeys(text.lower().replace(",", " ").split()))
    if not names:
        return otherwise
    if names == ("none",):
        return ()
    wrong = [name for name in names if name not in BOTS]
    if wrong:
        raise Failure(f"wrong BOTS: it must be none, or a list of: {', '.join(BOTS)}")
    return names
