"""Export the lives of orders as OpenTelemetry traces: python -m deploy.traces http://collector:4318 --every 10

The stages do nothing for it: their reports carry the times already. This program reads the admin's stream of reports,
asks the api for the life of every n-th order that was settled, and sends it over OTLP to any collector that accepts
HTTP. An order is one trace, whose id follows from the security and the order id (`trace_id_of`), so exporting an order
twice does not make two traces. The batch in which a stage handled the order is a span in a trace of its own, with a
link to each order in it; the order's span links back.

It needs the extra `traces`: .venv/bin/pip install --require-hashes -r deploy/observability/requirements.txt
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

from bots.client.stream import PlainConversation, Refusal, messages
from bots.live.access import ADMIN_ENTRY, CannotTrade, add_keys_file, add_url, key_of

RESOURCE = Resource.create({"service.name": "stock-exchange"})
# The number of orders whose spans are sent at once: large enough for the orders of a batch to meet.
ORDERS_AT_ONCE = 20
TIMEOUT_S = 10.0

Life = dict[str, Any]
# A batch of a stage: the stage, the beginning and the end of its work [ns].
Batch = tuple[str, int, int]


def trace_id_of(security_id: str, order_id: int) -> int:
    """Return the id of an order's trace; in hexadecimal, the first 32 digits of SHA-256 of `SECURITY/ORDER`."""
    return _number(f"{security_id}/{order_id}", 16)


@dataclass
class Spans:
    """The spans of some orders, and of the batches that they shared."""

    orders: list[ReadableSpan] = field(default_factory=list)
    _batches: dict[Batch, list[SpanContext]] = field(default_factory=dict)

    def add(self, life: Life) -> None:
        """Add the life of an order, as `GET /orders/{security_id}/{order_id}/life` serves it."""
        name = f"{life['security_id']}/{life['order_id']}"
        trace_id = trace_id_of(life["security_id"], life["order_id"])
        started_ns = _nanoseconds(life["started_at"])
        whole = _context(trace_id, name)
        about = {"exchange.security_id": life["security_id"], "exchange.order_id": life["order_id"]}
        ends_ns = started_ns + _ns(life["total_ms"])
        self.orders.append(_span("order", whole, None, started_ns, ends_ns, about))
        for position, part in enumerate(life["spans"]):
            context = _context(trace_id, f"{name}/{position}")
            begins_ns, ends_ns = (started_ns + _ns(part[end]) for end in ("start_ms", "end_ms"))
            links = []
            if part["part"] == "work" and part["stage"] != "api":
                batch = (part["stage"], begins_ns, ends_ns)
                self._batches.setdefault(batch, []).append(context)
                links = [Link(_batch_context(batch))]
            title = f"{part['stage']} {part['part']}"
            self.orders.append(
                _span(title, context, whole, begins_ns, ends_ns, about | {"exchange.what": part["what"]}, links)
            )

    def batches(self) -> list[ReadableSpan]:
        """Return a span for each batch, linked to the spans of its orders."""
        return [
            _span(f"{batch[0]} batch", _batch_context(batch), None, *batch[1:], {}, [Link(order) for order in orders])
            for batch, orders in self._batches.items()
        ]


def _span(
    name: str,
    context: SpanContext,
    parent: SpanContext | None,
    start_ns: int,
    end_ns: int,
    attributes: dict[str, Any],
    links: Sequence[Link] = (),
) -> ReadableSpan:
    return ReadableSpan(
        name=name, context=context, parent=parent, resource=RESOURCE, attributes=attributes, links=links,
        kind=SpanKind.INTERNAL, start_time=start_ns, end_time=end_ns,
    )  # fmt: skip


def _batch_context(batch: Batch) -> SpanContext:
    name = "/".join(map(str, batch))
    return _context(_number(name, 16), name)


def _context(trace_id: int, name: str) -> SpanContext:
    return SpanContext(trace_id, _number(name, 8), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _number(name: str, size: int) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:size], "big")


def _nanoseconds(time: str) -> int:
    moment = datetime.fromisoformat(time)
    return (int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond) * 1_000


def _ns(milliseconds: float) -> int:
    return round(milliseconds * 1_000) * 1_000


def settled_orders(url: str, key: str) -> Iterator[tuple[str, int]]:
    """Yield the security and the id of every order of which a trade settles, for ever; an order may come again."""
    address = "ws" + url.removeprefix("http") + "/stream/report"
    for text in messages(address, key=key, conversation=PlainConversation):
        report = json.loads(text)
        if report.get("event_type") == "settlement" and report["status"] == "confirmed":
            yield report["security_id"], report["order_id"]


def export(url: str, key: str, orders: Iterable[tuple[str, int]], exporter: SpanExporter) -> int:
    """Send the traces of orders, and return the number of orders. Raises ConnectionError when the collector refuses."""
    spans, sent = Spans(), 0
    with requests.Session() as session:
        session.headers["X-API-Key"] = key
        for security_id, order_id in orders:
            answer = session.get(f"{url}/orders/{security_id}/{order_id}/life", timeout=TIMEOUT_S)
            answer.raise_for_status()
            spans.add(answer.json())
            sent += 1
    if sent and exporter.export([*spans.orders, *spans.batches()]) is not SpanExportResult.SUCCESS:
        raise ConnectionError("the collector did not accept the spans")
    return sent


def main() -> int:
    """Follow the exchange until it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m deploy.traces", description="export orders' lives as traces")
    parser.add_argument("collector", help="address of an OTLP receiver over HTTP, such as http://127.0.0.1:4318")
    add_url(parser)
    add_keys_file(parser, keys="the admin's key")
    parser.add_argument("--every", type=int, default=10, help="export every n-th settled order (default: %(default)s)")
    parser.add_argument("--orders", type=int, help="stop after this many orders")
    arguments = parser.parse_args()
    try:
        key = key_of(arguments.keys_file, ADMIN_ENTRY)
    except CannotTrade as fault:
        print(f"python -m deploy.traces: {fault}", file=sys.stderr)
        return 2
    exporter = OTLPSpanExporter(f"{arguments.collector.rstrip('/')}/v1/traces", timeout=TIMEOUT_S)
    chosen = islice(settled_orders(arguments.url, key), 0, None, max(1, arguments.every))
    sent = 0
    try:
        while arguments.orders is None or sent < arguments.orders:
            wanted = ORDERS_AT_ONCE if arguments.orders is None else min(ORDERS_AT_ONCE, arguments.orders - sent)
            sent += export(arguments.url, key, islice(chosen, wanted), exporter)
            print(f"{sent} orders exported", flush=True)
    except Refusal as refusal:
        print(f"the exchange refuses the stream of reports: {refusal.body.decode(errors='replace')}", file=sys.stderr)
        return 1
    except (requests.RequestException, ConnectionError) as fault:
        print(f"stopped after {sent} orders: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{sent} orders exported")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
