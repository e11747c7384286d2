"""The time of each read of the api with millions of stored reports and trades.

A few connections send requests to a real api at a steady rate, and a request's time counts from the moment it was due.
The routes take turns, each time for another client, another order, or another page of the past.
"""

from __future__ import annotations

import http.client
import itertools
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import quantiles
from urllib.parse import urlsplit

from sqlalchemy import text

from bench.load.flow import SECURITIES
from bench.scenarios.report import Section
from bench.target.accounts import NAMES
from bench.target.exchange import Exchange
from bench.target.filling import FIRST_ORDER_ID, REPORTS_OF_A_TRADE, fill

CONNECTIONS = 4
REQUESTS_A_SECOND = 100.0
TIMEOUT_S = 30.0
# Time for the caches of Postgres and the api to fill, before requests count [s].
WARM_UP_S = 3.0
TARGET_MS = 30.0


@dataclass(frozen=True, slots=True)
class Market:
    """The stored market, from which requests choose."""

    trades: int

    @property
    def trades_of_a_security(self) -> int:
        """Trades of each security, which is also the number of each client on one side."""
        return self.trades // len(SECURITIES)

    @property
    def reports_of_a_client(self) -> int:
        """Reports of each client."""
        return self.trades * REPORTS_OF_A_TRADE // len(NAMES)

    def order(self, chance: random.Random) -> tuple[str, str, int]:
        """Return client, security and id of a random order that traded; see `bench.target.filling`."""
        trade, is_sale = chance.randrange(self.trades), chance.random() < 0.5
        client = NAMES[(trade + 5 * is_sale) % len(NAMES)]
        return client, SECURITIES[trade // 10 % len(SECURITIES)], FIRST_ORDER_ID + 2 * trade + is_sale


# Chooses a request: its path, and the client that sends it; None: no key.
Ask = Callable[[random.Random, Market], tuple[str, str | None]]


def _of_security(path: str) -> Ask:
    return lambda chance, _: (path.format(chance.choice(SECURITIES)), None)


def _of_client(path: str) -> Ask:
    return lambda chance, _: (path, chance.choice(NAMES))


def _of_order(path: str) -> Ask:
    def ask(chance: random.Random, market: Market) -> tuple[str, str]:
        client, security_id, order_id = market.order(chance)
        return path.format(security_id=security_id, order_id=order_id), client

    return ask


def _deep(path: str, most: Callable[[Market], int], *, first: int = 1) -> Ask:
    """Choose a random page of the past: of a security if the path names one, else of a client."""

    def ask(chance: random.Random, market: Market) -> tuple[str, str | None]:
        public = "{}" in path
        cursor = first + chance.randrange(most(market))
        return f"{path.format(chance.choice(SECURITIES))}cursor={cursor}", None if public else chance.choice(NAMES)

    return ask


ROUTES: Mapping[str, Ask] = {
    "GET /price": _of_security("/price/{}"),
    "GET /book, 10 levels": _of_security("/book/{}"),
    "GET /book, 200 levels": _of_security("/book/{}?depth=200"),
    "GET /trades, newest 100": _of_security("/trades/{}"),
    "GET /trades, 100 long ago": _deep("/trades/{}?", lambda market: market.trades_of_a_security),
    "GET /trades, 1,000 long ago": _deep("/trades/{}?limit=1000&", lambda market: market.trades_of_a_security),
    "GET /candles, 100 of 1 s": _of_security("/candles/{}?interval=1s"),
    "GET /candles, 100 of 1 m": _of_security("/candles/{}?interval=1m"),
    "GET /candles, 1,000 of 1 m": _of_security("/candles/{}?interval=1m&limit=1000"),
    "GET /candles, 100 of 1 h": _of_security("/candles/{}?interval=1h"),
    "GET /status of any order": _of_order("/status/{security_id}/{order_id}"),
    "GET /report of any order": _of_order("/report/{security_id}/{order_id}"),
    "GET /reports, newest 100": _of_client("/reports"),
    "GET /reports, 100 long ago": _deep("/reports?", lambda market: market.reports_of_a_client),
    "GET /reports, 1,000 long ago": _deep("/reports?limit=1000&", lambda market: market.reports_of_a_client),
    "GET /orders/… any order": _of_order("/orders/{security_id}/{order_id}"),
    "GET /orders/by-client-id": _of_order("/orders/by-client-id/order-{order_id}"),
    "GET /orders, newest 100": _of_client("/orders"),
    "GET /orders, open": _of_client("/orders?status=open"),
    "GET /orders, closed, of a security": _of_client("/orders?status=closed&security_id=SHEL"),
    "GET /orders, 100 long ago": _deep("/orders?", lambda market: 2 * market.trades, first=FIRST_ORDER_ID),
    "GET /fills, newest 100": _of_client("/fills"),
    "GET /fills, of a security": _of_client("/fills?security_id=SHEL"),
    "GET /fills, 100 long ago": _deep("/fills?", lambda market: 2 * market.trades),
    "GET /leaderboard": _of_security("/leaderboard"),
    "GET /life of any order": _of_order("/orders/{security_id}/{order_id}/life"),
}


def measure(exchange: Exchange, *, trades: int, seconds: float, seed: int) -> Section:
    """Fill the databases of an exchange and read them through its api. The caller has stopped its stages."""
    trades -= trades % 50
    began_s = time.monotonic()
    fill(exchange.clearing_data, exchange.market_data, trades=trades)
    filled_s = time.monotonic() - began_s
    with exchange.market_data.snapshot() as tx:
        stored = {table: tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in _COUNTED}
        size = tx.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    times_s: defaultdict[str, list[float]] = defaultdict(list)
    faults: list[str] = []
    start_s = time.monotonic() + WARM_UP_S
    readers = [
        threading.Thread(
            target=_read,
            args=(exchange, Market(trades), random.Random(f"{seed}/{n}"), start_s, seconds, times_s, faults),
        )
        for n in range(CONNECTIONS)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return _section(times_s, faults, stored, size, filled_s)


_COUNTED = ("reports", "trades", "candles", "prices")


def _read(
    exchange: Exchange,
    market: Market,
    chance: random.Random,
    start_s: float,
    seconds: float,
    times_s: defaultdict[str, list[float]],
    faults: list[str],
) -> None:
    """Send requests over one connection, each when it is due, taking the routes in turn from a random one on."""
    address = urlsplit(exchange.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_S)
    routes = list(ROUTES.items())
    chance.shuffle(routes)
    due_s = time.monotonic() + chance.random() * CONNECTIONS / REQUESTS_A_SECOND
    for name, ask in itertools.cycle(routes):
        if due_s >= start_s + seconds:
            break
        path, client = ask(chance, market)
        headers = {"Authorization": f"Bearer {exchange.client_keys[client]}"} if client else {}
        time.sleep(max(due_s - time.monotonic(), 0.0))
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            faults.append(f"{path}: {answer.status} {body[:100]!r}")
        elif due_s >= start_s:
            times_s[name].append(time.monotonic() - due_s)
        due_s += CONNECTIONS / REQUESTS_A_SECOND


def _section(
    times_s: Mapping[str, list[float]], faults: list[str], stored: dict[str, int], size: int, filled_s: float
) -> Section:
    rows = [
        ("stored", ", ".join(f"{count:,} {table}" for table, count in stored.items())),
        ("market_data", f"{size / 1e9:.1f} GB, filled with clearing_data in {filled_s:.0f} s"),
        (
            "load",
            f"{REQUESTS_A_SECOND:.0f} requests/s over {CONNECTIONS} connections, "
            f"{sum(map(len, times_s.values())):,} by turns",
        ),
        ("refused", f"{len(faults):,}, as {faults[0][:80]}" if faults else "none"),
    ]
    figures: dict[str, object] = {"stored": stored, "market_data_bytes": size, "faults": len(faults)}
    of_routes = {}
    for name in ROUTES:
        if len(times_s.get(name, ())) < 2:
            continue
        percentiles = quantiles(times_s[name], n=100, method="inclusive")
        p50, p99, longest = 1e3 * percentiles[49], 1e3 * percentiles[98], 1e3 * max(times_s[name])
        of_routes[name] = {"p50_ms": round(p50, 2), "p99_ms": round(p99, 2), "max_ms": round(longest, 2)}
        missed = f", above {TARGET_MS:.0f}" if p99 > TARGET_MS else ""
        rows.append((name, f"p50 {p50:5.1f} ms · p99 {p99:5.1f} ms{missed} · longest {longest:5.1f} ms"))
    return Section("reads", rows, figures | {"routes": of_routes})
