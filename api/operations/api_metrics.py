"""The metrics that the api counts itself, and what `streams` and the workers count in files of the run directory."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from api.http import stream_figures
from api.request.traffic import Histogram, Traffic
from api.wire.version import VERSION
from celery_app import liveness
from celery_app.clock import now_us

# Older figures of `streams` are those of a process that is gone [us].
MOST_AGE_US = 10_000_000


class ApiCollector(Collector):
    """Collects what this process has counted since its start, and the figures of `streams`."""

    def __init__(self, traffic: Traffic, run_directory: Path) -> None:
        self._traffic = traffic
        self._run_directory = run_directory

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering the collector does not start a collection."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all current metrics."""
        yield InfoMetricFamily(
            "exchange_build", "version of the exchange", {"version": VERSION, "python": platform.python_version()}
        )
        requests = CounterMetricFamily(
            "exchange_http_requests", "requests answered", labels=["route", "method", "status"]
        )
        for (route, method, status), number in sorted(self._traffic.requests.items()):
            requests.add_metric([route, method, str(status)], number)
        yield requests
        refused = CounterMetricFamily(
            "exchange_refused", "refused requests, and refused elements of arrays", labels=["code"]
        )
        for code, number in sorted(self._traffic.refused.items()):
            refused.add_metric([code], number)
        yield refused
        yield histograms(
            "http_request_seconds", "from the whole request to its response", "route", self._traffic.seconds
        )
        yield from self._streams()
        yield from self._redeliveries()

    def _redeliveries(self) -> Iterator[Metric]:
        redelivered = liveness.redelivered(self._run_directory)
        if not redelivered:
            return
        metric = CounterMetricFamily(
            "exchange_redelivered_messages", "messages that RabbitMQ delivered once more", labels=["queue"]
        )
        for queue, number in sorted(redelivered.items()):
            metric.add_metric([queue], number)
        yield metric

    def _streams(self) -> Iterator[Metric]:
        figures = stream_figures.read_all(self._run_directory, since_us=now_us() - MOST_AGE_US)
        if figures is None:
            return
        clients = GaugeMetricFamily("exchange_stream_clients", "clients of streams", labels=["key"])
        clients.add_metric(["given"], figures.clients - figures.anonymous_clients)
        clients.add_metric(["none"], figures.anonymous_clients)
        yield clients
        yield CounterMetricFamily(
            "exchange_stream_clients_cut_off", "clients cut off because they did not read", value=figures.cut_off
        )


def histograms(name: str, meaning: str, label: str, of_each: Mapping[str, Histogram]) -> Metric:
    """Return the histograms of each value of a label as one metric."""
    metric = HistogramMetricFamily(f"exchange_{name}", meaning, labels=[label])
    for value, histogram in sorted(of_each.items()):
        metric.add_metric([value], histogram.buckets(), histogram.sum_s)
    return metric
