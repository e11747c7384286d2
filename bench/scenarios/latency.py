"""The time from POST to the trade report on the WebSocket, at a calm rate.

One client rests an order and another takes it, in turn with a sale and a purchase. The second order counts, from the
moment it was due until `/stream/report` delivers its trade report. The databases give the times of settling and
storing.
"""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from decimal import Decimal
from threading import Barrier, Event, Thread
from urllib.parse import urlsplit

from sqlalchemy import text

from bench.load import usual
from bench.target.accounts import NAMES, TAKER
from bench.target.cpu import CpuMeter
from bench.target.exchange import Exchange
from bots.client import Client
from bots.contract import LimitOrder, Side
from db.connect import Database

SECURITY = "SHEL"
PRICE, TICK = Decimal("100.00"), Decimal("0.01")
MAKER = NAMES[0]
SENDERS = 8
# A report that takes longer counts as missing [s].
REPORT_TIMEOUT_S = 5.0
LISTEN_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Latency:
    """The result of a run. Times are of the taking orders [s]."""

    orders: int
    rate: float
    answered_s: list[float]  # from due until the answer to the POST
    reported_s: list[float]  # from due until the trade report on the WebSocket
    settled_s: list[float]  # from the api's time stamp until settled in clearing_data
    stored_s: list[float]  # from the api's time stamp until the settlement report was stored in market_data
    missing: int
    seconds: float
    cpu_s: dict[str, float]


@dataclass(slots=True)
class TimedOrder:
    """A taking order as its sender saw it [s on the monotonic clock]."""

    order_id: int
    due_s: float
    answered_s: float


def measure(exchange: Exchange, *, rate: float, seconds: float) -> Latency:
    """Send orders at a rate [1/s]; every second one trades at once. Raises usual.UnusualRun."""
    reported: dict[int, float] = {}
    _listen(exchange, reported)
    quotes = _quotes(exchange)
    meter = CpuMeter(exchange)
    started_s = time.perf_counter()
    pairs = int(rate * seconds / 2)
    sent: list[TimedOrder] = []
    start = Barrier(SENDERS)
    senders = [
        Thread(target=_send, args=(exchange, quotes, rate, range(number, pairs, SENDERS), start, sent))
        for number in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    ids = [order.order_id for order in sent]
    deadline_s = time.monotonic() + REPORT_TIMEOUT_S
    while not reported.keys() >= set(ids) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    took_s, cpu_s = time.perf_counter() - started_s, meter.used_s()
    missing = pairs - len(reported.keys() & set(ids))
    usual.require_reports(orders=pairs, missing=missing)
    taken = _times(exchange.clearing_data, "SELECT order_id, created_us FROM orders WHERE order_id = ANY(:ids)", ids)
    settled = _times(exchange.clearing_data, _SETTLED, ids)
    stored = _times(exchange.market_data, _STORED, ids)
    return Latency(
        orders=2 * pairs,
        rate=rate,
        answered_s=[order.answered_s - order.due_s for order in sent],
        reported_s=[reported[order.order_id] - order.due_s for order in sent if order.order_id in reported],
        settled_s=[(settled[order_id] - taken[order_id]) / 1e6 for order_id in settled],
        stored_s=[(stored[order_id] - taken[order_id]) / 1e6 for order_id in stored],
        missing=missing,
        seconds=took_s,
        cpu_s=cpu_s,
    )


_SETTLED = (
    "SELECT buy_order_id, settled_us FROM executions WHERE buy_order_id = ANY(:ids) "
    "UNION ALL SELECT sell_order_id, settled_us FROM executions WHERE sell_order_id = ANY(:ids)"
)
_STORED = "SELECT order_id, stored_us FROM reports WHERE order_id = ANY(:ids) AND event_type = 'settlement'"


def _times(database: Database, query: str, ids: list[int]) -> dict[int, int]:
    """Return the time of each order id [µs]."""
    with database.snapshot() as tx:
        return {row[0]: row[1] for row in tx.execute(text(query), {"ids": ids})}


def _listen(exchange: Exchange, reported: dict[int, float]) -> None:
    """Record the arrival of the taker's trade reports; return once the stream delivers reports."""
    client = Client(exchange.url, exchange.client_keys[TAKER])
    listening = Event()

    def listen() -> None:
        for report in client.reports():
            if report.event_type == "trade":
                reported.setdefault(report.order_id, time.perf_counter())
            listening.set()

    Thread(target=listen, daemon=True).start()
    for _ in range(LISTEN_ATTEMPTS):
        client.place(
            LimitOrder(security_id=SECURITY, side="buy", quantity=1, price=Decimal("0.01"), time_in_force="ioc")
        )
        if listening.wait(1):
            return
    raise TimeoutError("/stream/report delivers no reports; see the log of streams with `make logs`")


def _quotes(exchange: Exchange) -> dict[Side, Decimal]:
    """Return a price for each side at which an order rests: the best one, where the book has one."""
    best = Client(exchange.url).price(SECURITY)
    if best.bid is not None:
        return {"buy": best.bid, "sell": best.ask or best.bid + TICK}
    ask = best.ask or PRICE
    return {"buy": ask - TICK, "sell": ask}


def _send(
    exchange: Exchange, quotes: dict[Side, Decimal], rate: float, pairs: range, start: Barrier, sent: list[TimedOrder]
) -> None:
    """Send these pairs, each order when it is due."""
    address = urlsplit(exchange.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=REPORT_TIMEOUT_S)
    connection.connect()
    start.wait()
    start_s = time.perf_counter() + 0.05
    for pair in pairs:
        rests: Side = "buy" if pair % 2 else "sell"
        takes: Side = "sell" if pair % 2 else "buy"
        _wait_until(start_s + 2 * pair / rate)
        _post(connection, exchange.client_keys[MAKER], rests, quotes[rests], "gtc")
        due_s = start_s + (2 * pair + 1) / rate
        _wait_until(due_s)
        order_id = _post(connection, exchange.client_keys[TAKER], takes, quotes[rests], "ioc")
        sent.append(TimedOrder(order_id, due_s, time.perf_counter()))


def _wait_until(due_s: float) -> None:
    time.sleep(max(due_s - time.perf_counter(), 0))


def _post(connection: http.client.HTTPConnection, key: str, side: Side, price: Decimal, time_in_force: str) -> int:
    """Send an order for one share; return its id."""
    order = {"type": "limit", "security_id": SECURITY, "side": side, "quantity": 1, "price": str(price)}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    connection.request("POST", "/orders", json.dumps(order | {"time_in_force": time_in_force}), headers)
    answer = json.loads(connection.getresponse().read())
    order_id: int = answer["order_id"]
    return order_id
