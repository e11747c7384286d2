"""The route of the metrics, for Prometheus: from the data that the stages store, and from the queues.

The stages count nothing for it: the heads of logs and sequences give the volume, the latest reports the latency. So a
scrape costs a few milliseconds however much is stored, and all requests within a second share one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import structlog
from flask import Blueprint, Response
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from api.operations.api_metrics import ApiCollector, histograms
from api.operations.figures import BROKER_FAULTS, RECENT_S, QueueWatch, latencies_by_stage, quantile
from api.orders.intake.pending import PendingOrders
from api.request.databases import reading
from api.request.shared import SharedValue
from api.request.traffic import STAGE_BOUNDS_S, Histogram, Traffic
from api.wire.declaration import declared
from api.wire.problems import Problem
from celery_app.clock import now_us
from db.clearing_data import figures as clearing
from db.connect import Database
from db.market_data import figures as feed
from db.market_data.figures import Latency

log = structlog.get_logger()

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REMEMBER_S = 1.0
QUANTILES = (0.5, 0.9, 0.99)

Source = Literal["rabbitmq", "clearing_data", "market_data"]


def routes(
    *,
    clearing_data: Database,
    market_data: Database,
    pending: PendingOrders,
    queues: QueueWatch,
    traffic: Traffic,
    run_directory: Path,
) -> Blueprint:
    """Return the route."""
    blueprint = Blueprint("metrics", __name__)
    registry = CollectorRegistry()
    registry.register(_ExchangeCollector(clearing_data, market_data, pending, queues))
    registry.register(ApiCollector(traffic, run_directory))
    page = SharedValue(lambda: generate_latest(registry), remember_s=REMEMBER_S)

    @blueprint.get("/metrics")
    @declared("public", "Figures of the pipeline, for Prometheus", gives={200: str}, media_types=["text/plain"])
    def metrics() -> Response:
        return Response(page.get(), content_type=CONTENT_TYPE)

    return blueprint


class _ExchangeCollector(Collector):
    """Collects from the three sources; an unreachable source is reported as such and does not affect the others."""

    def __init__(
        self, clearing_data: Database, market_data: Database, pending: PendingOrders, queues: QueueWatch
    ) -> None:
        self._clearing_data = clearing_data
        self._market_data = market_data
        self._pending = pending
        self._watch = queues
        self._latencies: dict[str, Histogram] = {}
        self._counted_to_us = 0  # reports stored up to this time are in the histograms

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering the collector does not start a collection."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all current metrics."""
        up = GaugeMetricFamily("exchange_source_up", "1 where the figures could be read", labels=["source"])
        looks: Mapping[Source, Callable[[], Iterable[Metric]]] = {
            "rabbitmq": self._queues,
            "clearing_data": self._clearing,
            "market_data": self._feed,
        }
        for source, look in looks.items():
            try:
                found = list(look())
            except (Problem, *BROKER_FAULTS) as fault:
                log.warning("metrics_not_read", source=source, fault=str(fault)[:200])
                up.add_metric([source], 0)
            else:
                up.add_metric([source], 1)
                yield from found
        yield up
        yield GaugeMetricFamily(
            "exchange_orders_undecided",
            "orders that this api process answered 202 and that are overdue in the log",
            value=self._pending.overdue,
        )

    def _queues(self) -> Iterable[Metric]:
        states = self._watch.states()
        return [
            _gauge("queue_messages", "messages that are ready in a queue", "queue", {q.name: q.depth for q in states}),
            _gauge("queue_workers", "workers on a queue, standbys too", "queue", {q.name: q.consumers for q in states}),
        ]

    def _clearing(self) -> Iterable[Metric]:
        with reading(self._clearing_data) as tx:
            found = clearing.figures(tx)
            denied = clearing.denied(tx, since_us=now_us() - RECENT_S * 1_000_000)
        return [
            _counter("commands_sequenced", "commands in the order log", "shard", found.sequenced),
            _gauge(
                "commands_unpublished", "commands whose events may not be on the queues", "shard", found.unpublished
            ),
            _counter("trades_settled", "trades that are settled", "security_id", found.settled),
            _total("trades_failed", "trades that could not be settled, as an account was closed", found.failed),
            _gauge("shares_borrowed", "shares that clients owe DTCC", "security_id", found.borrowed),
            GaugeMetricFamily("exchange_clients_bought_in", "clients that are bought in", value=found.bought_in),
            GaugeMetricFamily(
                "exchange_default_fund_paid_cents", "what EXCHANGE has paid in these buy-ins", value=found.fund_cents
            ),
            _total("orders_registered", "orders that order entry has seen", found.inserted.get("orders", 0)),
            _total("requests_denied", "requests that order entry denied", found.inserted.get("denials", 0)),
            _gauge("requests_denied_last_minute", "requests that order entry denied in a minute", "reason", denied),
            _total("executions_cleared", "trades and closings cleared", found.inserted.get("executions", 0)),
            _total("ledger_entries", "rows of the ledger", found.inserted.get("ledger", 0)),
        ]

    def _feed(self) -> Iterable[Metric]:
        with reading(self._market_data) as tx:
            found = feed.figures(tx, since_us=now_us() - RECENT_S * 1_000_000)
        return [
            _counter("trades_stored", "trades that the data feed has stored", "security_id", found.traded),
            _total("reports_stored", "reports that the data feed has stored", found.reports),
            _latencies(found.latencies),
            self._counted(found.latencies),
        ]

    def _counted(self, latencies: Sequence[Latency]) -> Metric:
        """Count the latencies of reports that no look has counted yet; return the histograms."""
        new = [one for one in latencies if one.stored_us > self._counted_to_us]
        for stage, values in latencies_by_stage(new).items():
            histogram = self._latencies.setdefault(stage, Histogram(STAGE_BOUNDS_S))
            for value in values:
                histogram.add(value / 1e6)
        self._counted_to_us = max([self._counted_to_us, *(one.stored_us for one in new)])
        return histograms(
            "stage_seconds",
            "from the cause of a report to the stage's word, and of the data feed from there to being stored",
            "stage",
            self._latencies,
        )


def _latencies(latencies: Iterable[Latency]) -> Metric:
    """Return the latencies of the stages in the last minute, queues included."""
    metric = GaugeMetricFamily(
        "exchange_stage_latency_seconds",
        "from the cause of a report to the stage's word, and of the data feed from there to being stored",
        labels=["stage", "quantile"],
    )
    for stage, values in latencies_by_stage(latencies).items():
        for fraction in QUANTILES:
            metric.add_metric([stage, str(fraction)], quantile(values, fraction) / 1e6)
    return metric


def _counter(name: str, meaning: str, label: str, values: Mapping[Any, int]) -> Metric:
    metric = CounterMetricFamily(f"exchange_{name}", meaning, labels=[label])
    for key, value in values.items():
        metric.add_metric([str(key)], value)
    return metric


def _gauge(name: str, meaning: str, label: str, values: Mapping[Any, int]) -> Metric:
    metric = GaugeMetricFamily(f"exchange_{name}", meaning, labels=[label])
    for key, value in values.items():
        metric.add_metric([str(key)], value)
    return metric


def _total(name: str, meaning: str, value: int) -> Metric:
    return CounterMetricFamily(f"exchange_{name}", meaning, value=value)
