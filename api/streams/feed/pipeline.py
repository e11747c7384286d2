"""What the channel `pipeline` shows: how deep the queues are, what the stages get through, and how long they take.

Nothing is counted for it: depths are RabbitMQ's, rates are how fast the heads of what the stages store move, latencies
those of the latest reports. RabbitMQ's management has depths of ten seconds ago and counts messages, of which one
carries up to a thousand orders, and would need a user who sees more than the streams may.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from kombu import Connection

from api.operations import figures
from api.operations.figures import BROKER_FAULTS, QueueState
from api.request.databases import reading
from api.wire.outgoing import time_of
from api.wire.problems import Problem, unavailable
from celery_app.clock import now_us
from celery_app.topology import DATA_FEED, DEAD_LETTER, ORDER_ENTRY, ORDER_EXECUTION, matching_queue
from db.clearing_data import figures as clearing
from db.connect import Database
from db.market_data import figures as feed
from db.market_data.figures import FeedFigures

log = structlog.get_logger()

T = TypeVar("T")

# Rates are those of this time, or of that since the last look where that is longer, as on a loaded machine. Two looks
# much further apart are not compared [s].
RATES_OVER_S = 5.0
MOST_APART_S = 30.0

# The rates that a snapshot begins with: three minutes of them, one a second.
MOST_RECENT = 180

ORDERS = "orders"
TRADES = "trades"

NOTHING: dict[str, Any] = {
    "queues": [],
    "stages": [],
    "dead_letters": None,
    "orders_per_s": None,
    "trades_per_s": None,
    "flower": None,
    "recent": None,
}


class Pipeline:
    """Looks at the pipeline; what is away is left out, as nothing or None."""

    def __init__(self, clearing_data: Database, market_data: Database, *, flower: str) -> None:
        self._clearing_data = clearing_data
        self._market_data = market_data
        self._flower = flower
        self._connection: Connection | None = None
        self._looks: deque[tuple[float, dict[str, int]]] = deque()
        self._recent: deque[dict[str, Any]] = deque(maxlen=MOST_RECENT)

    def read(self) -> dict[str, Any]:
        """How things are now. Raises Problem (503) when nothing at all can be read."""
        queues = _or_none(self._queues)
        cleared = _or_none(self._cleared)
        fed = _or_none(self._fed)
        if queues is None and cleared is None and fed is None:
            raise unavailable("the pipeline")
        rates = self._rates((cleared or {}) | (_counts_of_feed(fed) if fed else {}))
        per_s = {"orders_per_s": rates.get(ORDERS), "trades_per_s": rates.get(TRADES)}
        self._recent.append({"timestamp": time_of(now_us()), **per_s})
        return {
            "queues": [
                {"name": q.name, "depth": q.depth, "rate_per_s": rates.get(q.name), "consumers": q.consumers}
                for q in queues or []
                if q.name != DEAD_LETTER
            ],
            "stages": [
                {
                    "stage": stage,
                    "p50_ms": figures.quantile(values, 0.5) / 1_000,
                    "p99_ms": figures.quantile(values, 0.99) / 1_000,
                }
                for stage, values in figures.latencies_by_stage(fed.latencies if fed else []).items()
            ],
            "dead_letters": next((q.depth for q in queues or [] if q.name == DEAD_LETTER), None),
            **per_s,
            "flower": self._flower,
            "recent": None,
        }

    def history(self) -> dict[str, Any]:
        """What snapshots have besides: the rates of the time before, oldest first."""
        return {"recent": list(self._recent)}

    def _queues(self) -> list[QueueState]:
        if self._connection is None:
            self._connection = figures.broker_connection()
        try:
            return figures.queue_states(self._connection)
        except BROKER_FAULTS:
            self._connection.collect(socket_timeout=0.1)
            self._connection = None
            raise

    def _cleared(self) -> dict[str, int]:
        """How far each stage has come that `clearing_data` tells of."""
        with reading(self._clearing_data) as tx:
            found = clearing.figures(tx)
        return {
            ORDERS: found.inserted.get("orders", 0),
            ORDER_ENTRY: sum(found.sequenced.values()) + found.inserted.get("denials", 0),
            ORDER_EXECUTION: found.inserted.get("executions", 0),
            **{matching_queue(shard): last - found.unpublished[shard] for shard, last in found.sequenced.items()},
        }

    def _fed(self) -> FeedFigures:
        with reading(self._market_data) as tx:
            return feed.figures(tx, since_us=now_us() - figures.RECENT_S * 1_000_000)

    def _rates(self, counts: dict[str, int]) -> dict[str, float]:
        """How much was counted a second, of what was counted before, too."""
        now_s = time.monotonic()
        self._looks.append((now_s, counts))
        while len(self._looks) > 2 and now_s - self._looks[0][0] > RATES_OVER_S + 1.0:
            self._looks.popleft()
        if now_s - self._looks[0][0] > MOST_APART_S:
            self._looks.popleft()
        began_s, before = self._looks[0]
        if now_s == began_s:
            return {}
        # Postgres begins again from 0 after a crash.
        return {
            name: round(max(count - before[name], 0) / (now_s - began_s), 1)
            for name, count in counts.items()
            if name in before
        }


def _counts_of_feed(found: FeedFigures) -> dict[str, int]:
    return {TRADES: sum(found.traded.values()), DATA_FEED: found.reports}


def _or_none(look: Callable[[], T]) -> T | None:
    try:
        return look()
    except (Problem, *BROKER_FAULTS) as fault:
        log.warning("pipeline_not_read", source=look.__name__.strip("_"), fault=str(fault)[:200])
        return None
