"""A trace of an order through all stages arrives at an OTLP receiver."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bots.client.client import Client
from bots.contract import LimitOrder
from deploy.traces import trace_id_of
from tests.support.exchange import ROOT, Exchange

STAGES = ["api", "order_entry", "matching", "order_execution", "data_feed"]


class Receiver(ThreadingHTTPServer):
    """Collects spans that arrive over OTLP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Span] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            raise AssertionError("not asked for")
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, *_: object) -> None:
        """Keep the tests' output clean."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_the_trace_of_an_order_arrives(exchange: Exchange) -> None:
    seller, buyer = (Client(exchange.url, exchange.keys[name]) for name in ("SINGLE", "GAUSS"))
    keys_file = exchange.instance.directory / "keys.json"
    with receiver() as server:
        exporter = subprocess.Popen(
            [sys.executable, "-m", "deploy.traces", server.url, "--url", exchange.url, "--keys-file", str(keys_file),
             "--every", "1", "--orders", "2"],
            cwd=ROOT,
        )  # fmt: skip

        def exported() -> bool:
            if exporter.poll() is None:  # it exports only what settles after it has connected
                seller.place(LimitOrder(security_id="MSFT", side="sell", quantity=1, price="100.00"))
                buyer.place(LimitOrder(security_id="MSFT", side="buy", quantity=1, price="100.00"))
            return exporter.poll() is not None

        exchange.wait_until(exported, "two orders are exported")
        assert exporter.returncode == 0
        orders = [span for span in server.spans if span.name == "order"]
        assert len(orders) == 2
        for order in orders:
            about = {attribute.key: attribute.value for attribute in order.attributes}
            order_id = about["exchange.order_id"].int_value
            assert int.from_bytes(order.trace_id, "big") == trace_id_of("MSFT", order_id)
            parts = [span for span in server.spans if span.parent_span_id == order.span_id]
            assert list(dict.fromkeys(span.name.split()[0] for span in parts)) == STAGES
            starts = [span.start_time_unix_nano for span in parts]
            assert starts == sorted(starts)
        assert {link.span_id for span in server.spans if span.name.endswith("batch") for link in span.links}
    assert exchange.audit().passed
