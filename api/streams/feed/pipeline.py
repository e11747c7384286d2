"""The data of the channel `pipeline`: the depths of the queues, the rates of the stages, and their latencies.

Nothing is counted for it: RabbitMQ has the depths, the rates are how fast the heads of the stages' tables move, and
the latencies come from the latest reports. The management API of RabbitMQ has depths that are ten seconds old and
counts messages, each of up to a thousand orders; it would also need a user that sees more than the streams may.
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

# Rates are averages over this time or, where that is longer, as on a loaded machine, over the time since the last
# look. Two looks much further apart are not compared [s].
RATES_OVER_S = 5.0
MOST_APART_S = 30.0

# The number of past rates in a snapshot: three minutes, one a second.
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
    """Looks at the pipeline; where a source is away, its data is empty or None."""

    def __init__(self, clearing_data: Database, market_data: Database, *, flower: str) -> None:
        self._clearing_data = clearing_data
        self._market_data = market_data
        self._flower = flower
        self._connection: Connection | None = None
        self._looks: deque[tuple[float, dict[str, int]]] = deque()
        self._recent: deque[dict[str, Any]] = deque(maxlen=MOST_RECENT)

    def read(self) -> dict[str, Any]:
        """Read the current data. Raises Problem (503) when no source can be read."""
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
        """Return the member that only snapshots have: past rates, oldest first."""
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
        """Return the progress of each stage whose progress is in `clearing_data`."""
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
        """Return the rates [1/s] of the counts that an earlier look had as well."""
        now_s = time.monotonic()
        self._looks.append((now_s, counts))
        while len(self._looks) > 2 and now_s - self._looks[0][0] > RATES_OVER_S + 1.0:
            self._looks.popleft()
        if now_s - self._looks[0][0] > MOST_APART_S:
            self._looks.popleft()
        began_s, before = self._looks[0]
        if now_s == began_s:
            return {}
        # After a crash, Postgres counts from 0 again.
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
