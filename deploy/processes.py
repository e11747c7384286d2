"""The one list of the processes of the exchange.

`make up` makes the supervisor's programs of it, and a test holds the services of docker-compose.yml against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bots.roster import Crew

# The bots of a market that names none: the six of the original.
BOTS = ("random_walk", "gauss", "uniform", "flood", "retail", "market_maker")

# The process that publishes news, with the admin's key.
NEWSROOM = "newsroom"

Kind = Literal["worker", "web", "bot", "scheduler", "referee"]


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the exchange, of which one or more run.

    name     also of its compose service; a Celery worker is named like its queue
    command  what comes after `python -m`
    counts   the variable that says how many of them run; None: one
    first    how many run beside those that the variable counts
    role     whose rights it has at RabbitMQ; None: it has no business there
    user     whose rights it has in Postgres; None: it has no business there
    needs    services and processes without which it has nothing to do; it waits for them by itself, too
    """

    name: str
    kind: Kind
    command: Sequence[str]
    counts: str | None = None
    first: int = 0
    role: str | None = None
    user: str | None = None
    needs: frozenset[str] = field(default_factory=frozenset)


_STORES = frozenset({"rabbitmq", "postgres", "migrate"})


def workers(shards: int) -> list[Process]:
    """Return the Celery workers: one queue each, and of the matching queues one for each shard; and the catch-up."""
    return [
        _worker("order_entry", counts="ORDER_ENTRY_WORKERS"),
        # The standbys of a shard come beside the worker that matches.
        *(_worker(f"matching.{shard}", counts="MATCHING_STANDBYS", first=1) for shard in range(shards)),
        _worker("order_execution", counts="ORDER_EXECUTION_WORKERS"),
        _worker("data_feed", counts="DATA_FEED_WORKERS", needs=frozenset({"redis"})),
        # No queue is its own: it looks after what order execution and the feed have not got.
        Process("catch_up", "worker", ("tasks.catch_up",), role="catch_up", user="catch_up", needs=_STORES),
    ]


def _worker(queue: str, *, counts: str, first: int = 0, needs: frozenset[str] = frozenset()) -> Process:
    command = ("celery_app", "worker", "-Q", queue)
    stage = queue.partition(".")[0]
    return Process(queue, "worker", command, counts, first, role=stage, user=stage, needs=_STORES | needs)


def webs() -> list[Process]:
    """What listens to HTTP."""
    return [
        Process("streams", "web", ("api.streams",), role="api", user="streams", needs=_STORES | {"redis"}),
        Process("api", "web", ("api",), role="api", user="api", needs=_STORES | {"streams"}),
        Process("flower", "web", ("deploy.flower",), role="flower", needs=frozenset({"rabbitmq", "migrate"})),
    ]


def scheduler() -> Process:
    """Celery beat, which rings for order entry and drops old days; last, so that the first auction has bots in it."""
    command = ("celery_app", "beat")
    return Process("scheduler", "scheduler", command, role="scheduler", user="scheduler", needs=_STORES | {"api"})


def referee() -> Process:
    """Leads competitions: a client of the api with the admin's key, besides its own tables."""
    return Process(
        "referee", "referee", ("tasks.referee",), user="referee", needs=frozenset({"postgres", "migrate", "api"})
    )


def bots(crews: Iterable[Crew]) -> list[Process]:
    """Return the bots: one process for each entry of the market's list; and the newsroom, if there are any."""
    made = [Process(crew.name, "bot", ("bots", "crew", *_crew(crew)), needs=frozenset({"api"})) for crew in crews]
    return [*made, Process(NEWSROOM, "bot", ("bots", "newsroom"), needs=frozenset({"api"}))] if made else []


def _crew(crew: Crew) -> Iterable[str]:
    yield crew.entry.text
    for seat in crew.seats:
        yield from ("--bot", f"{seat.account}={'+'.join(seat.securities)}")
