"""The same class, script and seed trade identically on the exchange and in the simulated market.

The script includes a trading day: auctions, a halt, a close and news, which the bots hear of in the same order.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from bots.client import Client
from bots.contract import LimitOrder
from bots.simulated.configuration import Configuration, Latency, Listing, Opening
from bots.simulated.market import Market
from tests.support.exchange import ROOT, Exchange
from tests.system.turn_taker import BATON, TURN, TurnTaker

PLAYERS = ("ANN", "BOB", "CAT")
SECURITY = "MSFT"
TURNS = 90
SEED = 11
CASH = Decimal(100_000)
# The initial assets of every account.
SHARES = 1_000
OPENING_CASH = Decimal(10_000)

# The place of the operator among those that take turns, and what it does in some of its turns: news, or a phase and,
# for an auction that ends by itself, its length [s].
OPERATOR = len(PLAYERS)
DAY: dict[int, list[tuple[str, str, float | None]]] = {
    11: [("news", "the day begins", None), ("phase", "auction", None)],
    31: [("phase", "continuous", None)],
    47: [("phase", "halted", None), ("phase", "continuous", None), ("news", "trading goes on", None)],
    55: [("phase", "auction", None)],
    75: [("phase", "closed", None), ("phase", "auction", 1.0), ("news", "the last hour", None)],
}
STEP_S = 2.0
NO_TRADE = ["auction", None, 0, 0, None]

Lines = list[list[Any]]

# side, shares, price in cents; the order is the account's first, second, ... of those that have traded
Deal = tuple[int, str, int, int]


@dataclass
class Course:
    """The results of a script, without values that depend on the clock."""

    prints: list[tuple[int, int, str | None]]
    deals: dict[str, list[Deal]]
    cash_cents: dict[str, int]
    shares: dict[str, int]
    open_orders: dict[str, int]
    heard: dict[str, Lines]


@dataclass
class Operator(TurnTaker):
    """Does what the day says when it is its turn; every step takes its time."""

    market: Market | None = None

    def interval_s(self) -> float:
        return STEP_S

    def on_start(self) -> None:
        self._steps: list[tuple[str, str, float | None]] = []
        self._has_turn = False

    def _look(self) -> None:
        turn = round(float(self.price(BATON).bid or 0) / TURN)
        if turn > self._turn and turn % self.players == self.place:
            self._turn, self._has_turn = turn, True
            self._steps = list(DAY.get(turn, ()))

    def on_timer(self, now: float) -> None:
        assert self.market is not None
        if self._steps:
            what, text, seconds = self._steps.pop(0)
            if what == "news":
                self.market.publish_news(text, security_id=SECURITY)
            else:
                self.market.set_phase(SECURITY, text, seconds=seconds)
        elif self._has_turn:
            self._has_turn = False
            self.buy(1, (self._turn + 1) * TURN, security_id=BATON)


def test_one_seed_and_script_trade_the_same_live_and_simulated(exchange: Exchange, tmp_path: Path) -> None:
    expected = simulated(Latency(order_us=0, feed_us=0, jitter_us=0), tmp_path / "at_once")
    assert len(expected.prints) > TURNS // 3
    assert sum(side is None for *_, side in expected.prints) > 3
    assert simulated(Latency(order_us=40_000, feed_us=90_000, jitter_us=30_000), tmp_path / "slow") == expected
    assert simulated(Latency(), tmp_path / "other", seed=SEED + 1) != expected
    keys = opened(exchange)
    with bots(exchange, keys, tmp_path) as running:
        stranger = Client(exchange.url)
        operate(exchange, keys["DAN"], lambda: heard(tmp_path), expected.heard)
        exchange.wait_until(
            lambda: stranger.price(BATON).bid == Decimal(TURNS) / 100 or any(bot.poll() is not None for bot in running),
            "all turns are over",
        )
        assert [bot.poll() for bot in running] == [None] * len(PLAYERS), logs(tmp_path)
    audit = exchange.audit()
    assert audit.passed, audit
    assert live(exchange, keys, heard(tmp_path)) == expected, logs(tmp_path)


def simulated(latency: Latency, folder: Path, *, seed: int = SEED) -> Course:
    folder.mkdir()
    market = Market(
        Configuration(
            seed=seed,
            duration_s=600.0,
            listings=(Listing(security_id=SECURITY), Listing(security_id=BATON)),
        )
    )
    opening = Opening(cash_cents=int(CASH * 100), shares={SECURITY: SHARES})
    for place, name in enumerate(PLAYERS):
        player = TurnTaker(place, OPERATOR + 1, TURNS, record=str(folder / f"{name}.heard"))
        market.seat(name, player, opening=opening, latency=latency)
    operator = Operator(OPERATOR, OPERATOR + 1, TURNS, market=market)
    market.seat("DAN", operator, opening=opening, latency=latency)
    outcome = market.play()
    assert [bot.failure for bot in outcome.bots.values()] == [None] * (OPERATOR + 1)
    players = {name: bot for name, bot in outcome.bots.items() if name != "DAN"}
    return Course(
        prints=[(one.price_cents, one.quantity, one.aggressor_side) for one in outcome.prints],
        deals={
            name: numbered((fill.order_id, fill.side, fill.quantity, fill.price_cents) for fill in bot.fills)
            for name, bot in players.items()
        },
        cash_cents={name: bot.cash_cents for name, bot in players.items()},
        shares={name: bot.shares[SECURITY] for name, bot in players.items()},
        open_orders={name: bot.open_orders for name, bot in players.items()},
        heard=heard(folder),
    )


def opened(exchange: Exchange) -> dict[str, str]:
    """Open accounts with the same assets as the simulated ones, and return their keys."""
    admin = Client(exchange.url, exchange.keys["admin"])
    keys = {}
    for name in (*PLAYERS, "DAN"):
        keys[name] = admin.open_account(name).api_key
        admin.deposit_cash(name, CASH - OPENING_CASH, transfer_id=f"cash:{name}")
    return keys


@contextmanager
def bots(exchange: Exchange, keys: dict[str, str], folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    running = []
    target = str(Path(__file__).with_name("turn_taker.py"))
    try:
        for place, name in enumerate(PLAYERS):
            (folder / f"{name}.heard").touch()
            command = [sys.executable, "-m", "bots", "run", target, "--client-id", name, "--key", keys[name]]
            command += ["--url", exchange.url, "--seed", str(SEED), "--security", f"{SECURITY},{BATON}"]
            command += ["--place", str(place), "--players", str(OPERATOR + 1), "--turns", str(TURNS)]
            command += ["--record", str(folder / f"{name}.heard")]
            with (folder / name).open("wb") as log:
                running.append(subprocess.Popen(command, stderr=log, cwd=ROOT))
        yield running
    finally:
        for bot in running:
            bot.kill()
            bot.wait()


def operate(
    exchange: Exchange, key: str, heard_by_now: Callable[[], dict[str, Lines]], expected: dict[str, Lines]
) -> None:
    """Do what the day says, each step when all bots have heard what precedes it in the simulated market."""
    admin, dan = Client(exchange.url, exchange.keys["admin"]), Client(exchange.url, key)
    steps = 0

    def have_heard(count: int) -> bool:
        return all(lines[:-1][:count] == expected[name][:count] for name, lines in heard_by_now().items())

    def know_the_auction(count: int) -> bool:
        return all(lines[-1][-1] == expected[name][count][-1] for name, lines in heard_by_now().items())

    for turn in range(OPERATOR, TURNS, OPERATOR + 1):
        exchange.wait_until(lambda turn=turn: dan.price(BATON).bid == Decimal(turn) / 100, f"turn {turn}")
        for what, text, seconds in DAY.get(turn, ()):
            exchange.wait_until(lambda count=steps: know_the_auction(count), f"turn {turn}: the indication")
            if what == "news":
                admin.post("/news", {"headline": text, "security_id": SECURITY}, dict)
            else:
                change = {"phase": text} | ({} if seconds is None else {"seconds": seconds})
                admin.ask("PATCH", f"/securities/{SECURITY}", dict, content=change)
            steps += 1 if seconds is None else 2  # the exchange ends such a phase itself
            exchange.wait_until(lambda count=steps: have_heard(count), f"turn {turn}: all have heard {text}")
        dan.place(LimitOrder(security_id=BATON, side="buy", quantity=1, price=Decimal(turn + 1) / 100))


def heard(folder: Path) -> dict[str, Lines]:
    """Return what each bot has heard of the day since the first news, with the last indication by then."""
    return {name: _of_the_day((folder / f"{name}.heard").read_text().splitlines()) for name in PLAYERS}


def _of_the_day(lines: list[str]) -> Lines:
    found: Lines = []
    auction, begun = NO_TRADE, False
    for line in map(json.loads, lines):
        begun = begun or line[0] == "news"
        if line[0] == "auction":
            auction = line
        elif begun:
            found.append([*line, auction])
    return [*found, ["now", auction]]


def live(exchange: Exchange, keys: dict[str, str], heard: dict[str, Lines]) -> Course:
    clients = {name: Client(exchange.url, keys[name]) for name in PLAYERS}
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
        heard=heard,
    )


def numbered(deals: Iterator[tuple[int, str, int, int]]) -> list[Deal]:
    """Return deals sorted, with each order's number among those of its account."""
    made = list(deals)
    number = {order_id: place for place, order_id in enumerate(sorted({deal[0] for deal in made}), 1)}
    return sorted((number[order_id], *rest) for order_id, *rest in made)


def logs(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in PLAYERS}
