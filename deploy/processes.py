"""The only list of the processes of the exchange.

`make up` derives the supervisor's programs from it, and a test compares the services of docker-compose.yml with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bots.roster import Crew

# The bots of a market that does not name any: the six original ones.
BOTS = ("random_walk", "gauss", "uniform", "flood", "retail", "market_maker")

# The process that publishes news, with the admin's key.
NEWSROOM = "newsroom"

Kind = Literal["worker", "web", "bot", "scheduler", "referee"]


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the exchange, of which one or more run.

    name     also the name of its compose service; a Celery worker is named like its queue
    command  the words after `python -m`
    counts   the variable with the number of these processes; None: one process
    first    the number of processes in addition to those that the variable counts
    role     its user at RabbitMQ, with this role's rights; None: it does not use RabbitMQ
    user     its user in Postgres, with this user's rights; None: it does not use Postgres
    needs    services and processes without which it has nothing to do; the process itself also waits for them
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
        # The standbys of a shard run next to the worker that matches.
        *(_worker(f"matching.{shard}", counts="MATCHING_STANDBYS", first=1) for shard in range(shards)),
        _worker("order_execution", counts="ORDER_EXECUTION_WORKERS"),
        _worker("data_feed", counts="DATA_FEED_WORKERS", needs=frozenset({"redis"})),
        # It has no queue: it looks for events that order execution and the feed have not received.
        Process("catch_up", "worker", ("tasks.catch_up",), role="catch_up", user="catch_up", needs=_STORES),
    ]


def _worker(queue: str, *, counts: str, first: int = 0, needs: frozenset[str] = frozenset()) -> Process:
    command = ("celery_app", "worker", "-Q", queue)
    stage = queue.partition(".")[0]
    return Process(queue, "worker", command, counts, first, role=stage, user=stage, needs=_STORES | needs)


def webs() -> list[Process]:
    """Return the processes that listen to HTTP."""
    return [
        Process("streams", "web", ("api.streams",), "STREAMS", role="api", user="streams", needs=_STORES | {"redis"}),
        Process("api", "web", ("api",), "API_WORKERS", role="api", user="api", needs=_STORES | {"streams"}),
        Process("flower", "web", ("deploy.flower",), role="flower", needs=frozenset({"rabbitmq", "migrate"})),
    ]


def scheduler() -> Process:
    """Return Celery beat, which rings for order entry and drops old days; last, so that bots join the first auction."""
    command = ("celery_app", "beat")
    return Process("scheduler", "scheduler", command, role="scheduler", user="scheduler", needs=_STORES | {"api"})


def referee() -> Process:
    """Return the process that leads competitions: a client of the api with the admin's key, and tables of its own."""
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
