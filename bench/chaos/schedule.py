"""The schedule of faults: their kinds, targets, durations and pauses. The same seed always gives the same schedule.

The faults are a deck of cards, one for each fault of each part. The deck is shuffled, dealt to the end, and shuffled
again, so a long run has every fault, and each seed has them in another order.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "kill",  # kill -9
    "pause",  # SIGSTOP, and SIGCONT later
    "restart",  # stopped as `make down` does, and started again
    "shut down at once",  # Postgres' immediate shutdown, without a checkpoint
    "kill a backend",  # of Postgres, which then ends all others and recovers
    "flush",  # Redis loses everything and disconnects its clients
    "cut",  # all connections break
    "hang",  # no byte passes, and no connection breaks
    "late confirms",  # RabbitMQ's confirms are held back
    "lost confirms",  # RabbitMQ's confirms vanish
    "lose data",  # RabbitMQ stops, loses its data, and starts again
    "lost commits",  # Postgres commits, and the connection breaks before its answer
]

# Faults on request only: they lose the contents of the queues, which the audit then only names.
ON_REQUEST: tuple[Kind, ...] = ("lose data",)

# The short run of the tests: some faults of each main kind, in shuffled order.
SHORT: tuple[tuple[Kind, str], ...] = (
    ("kill", "matching.0"),
    ("kill", "order_execution"),
    ("kill", "api"),
    ("pause", "data_feed"),
    ("kill", "rabbitmq"),
    ("kill", "redis"),
    ("shut down at once", "postgres"),
    ("cut", "order_entry-rabbitmq"),
    ("lost commits", "order_execution-postgres"),
    ("lost confirms", "api-rabbitmq"),
)

# The AMQP heartbeat of a chaos run [s]: short, so that RabbitMQ disconnects hanging clients within the run.
HEARTBEAT_S = 4

# The shortest and longest duration of a fault [s]. Publishers wait 4 s for a confirm, and RabbitMQ disconnects a silent
# client after two to three heartbeats; the durations are on both sides of both limits.
_LASTS_S: dict[Kind, tuple[float, float]] = {
    "pause": (0.5, 14.0),
    "hang": (0.5, 7.0),
    "late confirms": (0.5, 6.0),
    "lost confirms": (0.5, 2.0),
    "lost commits": (0.5, 2.0),
}
# The share of pauses that are longer than RabbitMQ waits.
_LONG_PAUSES = 0.3
# The share of faults that overlap with the recovery from earlier ones.
_ON_TOP = 0.25
_LONGEST_GAP_S = 1.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a part of the exchange.

    number   counts from 1
    target   the process or connection
    lasts_s  its duration; 0: an instant
    gap_s    the pause before it
    on_top   whether it overlaps with the recovery from earlier faults
    """

    number: int
    kind: Kind
    target: str
    lasts_s: float
    gap_s: float
    on_top: bool

    def __str__(self) -> str:
        lasting = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.kind}: {self.target}{lasting}"


def deck(
    processes: Sequence[str], lines: Sequence[str], publishers: Sequence[str], databases: Sequence[str]
) -> list[tuple[Kind, str]]:
    """Return all possible faults.

    processes   the workers, the api and the streams
    lines       connections between two parts
    publishers  lines that carry published messages
    databases   lines to Postgres
    """
    cards: list[tuple[Kind, str]] = []
    for name in processes:
        cards += [("kill", name), ("pause", name), ("restart", name)]
    cards += [("kill", "rabbitmq"), ("pause", "rabbitmq"), ("restart", "rabbitmq"), ("lose data", "rabbitmq")]
    cards += [("kill", "postgres"), ("shut down at once", "postgres"), ("kill a backend", "postgres")]
    cards += [("shut down at once", "postgres")]
    cards += [("kill", "redis"), ("pause", "redis"), ("flush", "redis")]
    for line in lines:
        cards += [("cut", line), ("hang", line)]
    for line in databases:
        cards.append(("lost commits", line))
    for line in publishers:
        cards += [("late confirms", line), ("lost confirms", line)]
    return cards


def chosen(cards: Sequence[tuple[Kind, str]], kinds: str | None) -> list[tuple[Kind, str]]:
    """Return the cards of some kinds, such as `kill,lose data`; of `all`; with None, all but ON_REQUEST.

    raises  ValueError  a kind is unknown
    """
    wanted = {kind.strip() for kind in kinds.split(",")} if kinds else set(get_args(Kind)) - set(ON_REQUEST)
    if wanted == {"all"}:
        return list(cards)
    unknown = wanted - set(get_args(Kind))
    if unknown:
        raise ValueError(
            f"unknown kinds of faults: {', '.join(sorted(unknown))}; choose from: {', '.join(get_args(Kind))}"
        )
    return [card for card in cards if card[0] in wanted]


def faults(seed: int, cards: Sequence[tuple[Kind, str]]) -> Iterator[Fault]:
    """Yield the faults of a seed without end: all cards in one order, then all in another."""
    rng = random.Random(f"chaos:{seed}")
    number = 0
    while True:
        for kind, target in rng.sample(cards, len(cards)):
            number += 1
            shortest, longest = _LASTS_S.get(kind, (0.0, 0.0))
            if kind == "pause" and rng.random() > _LONG_PAUSES:
                longest = HEARTBEAT_S
            yield Fault(
                number=number,
                kind=kind,
                target=target,
                lasts_s=round(rng.uniform(shortest, longest), 1),
                gap_s=round(rng.uniform(0, _LONGEST_GAP_S), 2),
                on_top=number > 1 and rng.random() < _ON_TOP,
            )
