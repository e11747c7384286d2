"""The schedule of faults: which, to whom, for how long and after what pause. A seed makes the same one for ever.

The faults are a deck of cards, one for each thing that can happen to each part. It is shuffled, dealt to the end, and
shuffled anew, so that a run that is long enough has everything, and each seed has it in another order.
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
    "shut down at once",  # Postgres' immediate shutdown: no checkpoint, no farewell
    "kill a backend",  # of Postgres, which makes it throw all others out and recover
    "flush",  # Redis forgets everything, and its clients are thrown out
    "cut",  # all connections break
    "hang",  # no byte passes, and nobody is told
    "late confirms",  # RabbitMQ's confirms are held back
    "lost confirms",  # RabbitMQ's confirms vanish
    "lose data",  # RabbitMQ is stopped, its data are deleted, and it is started again
    "lost commits",  # Postgres commits, and the connection breaks before it can say so
]

# What does not happen unless it is asked for: what lay in the queues is gone then, and only named afterwards.
ON_REQUEST: tuple[Kind, ...] = ("lose data",)

# What the short form in the tests has: something of each main kind, in this order or another.
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

# The AMQP heartbeat of a chaos run [s]: short, so that what hangs for longer than two of them is cut off in minutes.
HEARTBEAT_S = 4

# How long a fault lasts: shortest and longest [s]. A confirm is waited for 4 s, and RabbitMQ gives up a silent
# client after two to three heartbeats, so these are on both sides of both.
_LASTS_S: dict[Kind, tuple[float, float]] = {
    "pause": (0.5, 14.0),
    "hang": (0.5, 7.0),
    "late confirms": (0.5, 6.0),
    "lost confirms": (0.5, 2.0),
    "lost commits": (0.5, 2.0),
}
# Of a paused process: how often it is paused for longer than RabbitMQ waits for it.
_LONG_PAUSES = 0.3
# How often a fault comes although those before it are not overcome yet.
_ON_TOP = 0.25
_LONGEST_GAP_S = 1.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that happens to a part of the exchange.

    number   counts from 1
    kind     what happens
    target   the process or the connection to which it happens
    lasts_s  how long; 0: an instant
    gap_s    pause before it
    on_top   whether it comes although the faults before it are not overcome
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
    """Everything that can happen.

    processes   the workers, the api and the streams
    lines       connections between two parts
    publishers  those of the lines over which messages are published
    databases   those of the lines that lead to Postgres
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
    """The cards of some kinds, as `kill,lose data`; of `all`; with None of those that need not be asked for.

    raises  ValueError  there is no such kind
    """
    wanted = {kind.strip() for kind in kinds.split(",")} if kinds else set(get_args(Kind)) - set(ON_REQUEST)
    if wanted == {"all"}:
        return list(cards)
    unknown = wanted - set(get_args(Kind))
    if unknown:
        raise ValueError(
            f"no kind of fault is called {', '.join(sorted(unknown))}; there are: {', '.join(get_args(Kind))}"
        )
    return [card for card in cards if card[0] in wanted]


def faults(seed: int, cards: Sequence[tuple[Kind, str]]) -> Iterator[Fault]:
    """The faults of a seed, without an end: all cards in some order, and all in another."""
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
