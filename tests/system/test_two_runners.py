"""The same class, script and seed trade identically on the exchange and in the simulated market."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from bots.client import Client
from bots.simulated.configuration import Configuration, Latency, Listing, Opening
from bots.simulated.market import Market
from tests.support.exchange import ROOT, Exchange
from tests.system.turn_taker import BATON, TurnTaker

PLAYERS = ("ANN", "BOB", "CAT")
SECURITY = "MSFT"
TURNS = 90
SEED = 11
CASH = Decimal(100_000)
# The initial assets of every account.
SHARES = 1_000
OPENING_CASH = Decimal(10_000)

# side, shares, price in cents; the order is the account's first, second, ... of those that have traded
Deal = tuple[int, str, int, int]


@dataclass
class Course:
    """The results of a script, without values that depend on the clock."""

    prints: list[tuple[int, int, str]]
    deals: dict[str, list[Deal]]
    cash_cents: dict[str, int]
    shares: dict[str, int]
    open_orders: dict[str, int]


def test_one_seed_and_script_trade_the_same_live_and_simulated(exchange: Exchange, tmp_path: Path) -> None:
    expected = simulated(Latency(order_us=0, feed_us=0, jitter_us=0))
    assert len(expected.prints) > TURNS // 3
    assert simulated(Latency(order_us=40_000, feed_us=90_000, jitter_us=30_000)) == expected
    assert simulated(Latency(), seed=SEED + 1) != expected
    keys = opened(exchange)
    with bots(exchange, keys, tmp_path) as running:
        stranger = Client(exchange.url)
        exchange.wait_until(
            lambda: stranger.price(BATON).bid == Decimal(TURNS) / 100 or any(bot.poll() is not None for bot in running),
            "all turns are over",
        )
        assert [bot.poll() for bot in running] == [None] * len(PLAYERS), logs(tmp_path)
    audit = exchange.audit()
    assert audit.passed, audit
    assert live(exchange, keys) == expected, logs(tmp_path)


def simulated(latency: Latency, *, seed: int = SEED) -> Course:
    market = Market(
        Configuration(
            seed=seed,
            duration_s=600.0,
            listings=(Listing(security_id=SECURITY), Listing(security_id=BATON)),
        )
    )
    opening = Opening(cash_cents=int(CASH * 100), shares={SECURITY: SHARES})
    for place, name in enumerate(PLAYERS):
        market.seat(name, TurnTaker(place, len(PLAYERS), TURNS), opening=opening, latency=latency)
    outcome = market.play()
    assert [bot.failure for bot in outcome.bots.values()] == [None] * len(PLAYERS)
    return Course(
        prints=[(one.price_cents, one.quantity, one.aggressor_side) for one in outcome.prints],
        deals={
            name: numbered((fill.order_id, fill.side, fill.quantity, fill.price_cents) for fill in bot.fills)
            for name, bot in outcome.bots.items()
        },
        cash_cents={name: bot.cash_cents for name, bot in outcome.bots.items()},
        shares={name: bot.shares[SECURITY] for name, bot in outcome.bots.items()},
        open_orders={name: bot.open_orders for name, bot in outcome.bots.items()},
    )


def opened(exchange: Exchange) -> dict[str, str]:
    """Open accounts with the same assets as the simulated ones, and return their keys."""
    admin = Client(exchange.url, exchange.keys["admin"])
    keys = {}
    for name in PLAYERS:
        keys[name] = admin.open_account(name).api_key
        admin.deposit_cash(name, CASH - OPENING_CASH, transfer_id=f"cash:{name}")
    return keys


@contextmanager
def bots(exchange: Exchange, keys: dict[str, str], folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    running = []
    target = str(Path(__file__).with_name("turn_taker.py"))
    try:
        for place, name in enumerate(PLAYERS):
            command = [sys.executable, "-m", "bots", "run", target, "--client-id", name, "--key", keys[name]]
            command += ["--url", exchange.url, "--seed", str(SEED), "--security", f"{SECURITY},{BATON}"]
            command += ["--place", str(place), "--players", str(len(PLAYERS)), "--turns", str(TURNS)]
            with (folder / name).open("wb") as log:
                running.append(subprocess.Popen(command, stderr=log, cwd=ROOT))
        yield running
    finally:
        for bot in running:
            bot.kill()
            bot.wait()


def live(exchange: Exchange, keys: dict[str, str]) -> Course:
    clients = {name: Client(exchange.url, key) for name, key in keys.items()}
    accounts = {name: client.account(name) for name, client in clients.items()}
    prints = [*clients[PLAYERS[0]].past_trades(SECURITY)][::-1]
    return Course(
        prints=[(int(one.price * 100), one.quantity, one.aggressor_side) for one in prints],
        deals={
            name: numbered(
                (fill.order_id, fill.side, fill.quantity, int(fill.price * 100)) for fill in client.fills(SECURITY)
            )
            for name, client in clients.items()
        },
        cash_cents={name: int(account.balance * 100) for name, account in accounts.items()},
        shares={
            name: next(one.shares for one in account.holdings if one.security_id == SECURITY)
            for name, account in accounts.items()
        },
        open_orders={name: len(client.open_orders()) for name, client in clients.items()},
    )


def numbered(deals: Iterator[tuple[int, str, int, int]]) -> list[Deal]:
    """Return deals sorted, with each order's number among those of its account."""
    made = list(deals)
    number = {order_id: place for place, order_id in enumerate(sorted({deal[0] for deal in made}), 1)}
    return sorted((number[order_id], *rest) for order_id, *rest in made)


def logs(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in PLAYERS}
