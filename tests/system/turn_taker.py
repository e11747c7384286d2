"""A bot that takes turns with others, so that the trades do not depend on the latency of messages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from bots.contract import Auction, NewsItem, PhaseChange, Price
from bots.strategy import SIDES, Strategy, option
from bots.working_order import WorkingOrder

# The best bid of this security says whose turn it is: a turn ends with a bid one cent above the previous one.
BATON = "AAPL"
TURN = 0.01
# What it sends in continuous trading, and in an auction.
TRADED = ("gtc", "gtc", "gtc", "ioc", "fok", "post_only", "iceberg", "market", "stop", "day", "auction")
COLLECTED = ("gtc", "gtc", "gtc", "iceberg", "stop", "day", "auction")


@dataclass
class TurnTaker(Strategy):
    """Trades at random, but only in its turn and after it has received all earlier events.

    It sends an order that cannot trade: the report of its end comes after those of all commands matched before.
    """

    place: int = option(0, "its number among the players, from 0")
    players: int = option(3, "how many take turns")
    turns: int = option(60, "turns that all of them take together")
    record: str = option("", "file for the phases, auctions and news that it hears of; none by default")

    def __post_init__(self) -> None:
        self._turn = -1
        self._asked: int | None = None
        self._plain: set[int] = set()

    def on_start(self) -> None:
        self._look()

    def on_price(self, price: Price) -> None:
        self._look()

    def on_phase(self, phase: PhaseChange) -> None:
        if phase.security_id == self.security.security_id:
            self._write(["phase", phase.phase, phase.phase_cause])

    def on_auction(self, auction: Auction) -> None:
        if auction.security_id == self.security.security_id:
            price = None if auction.price is None else int(auction.price * 100)
            self._write(["auction", price, auction.volume, auction.surplus, auction.surplus_side])

    def on_news(self, news: NewsItem) -> None:
        self._write(["news", news.headline, news.security_id])

    def _write(self, line: list[object]) -> None:
        if self.record:
            with Path(self.record).open("a") as file:
                file.write(json.dumps(line) + "\n")

    def _look(self) -> None:
        bid = self.price(BATON).bid
        turn = 0 if bid is None else round(float(bid) / TURN)
        if turn > self._turn and turn < self.turns and turn % self.players == self.place:
            self._turn = turn
            self._asked = self.buy(1, 0.01, time_in_force="ioc")

    def on_order(self, order: WorkingOrder) -> None:
        if order.order_id == self._asked and not order.is_open:
            self._play()
            self.buy(1, (self._turn + 1) * TURN, security_id=BATON)

    def _play(self) -> None:
        standing = [order_id for order_id in self.open_orders if order_id in self._plain]
        chance = self.rng.random()
        if standing and chance < 0.15:
            self.cancel(self.rng.choice(standing))
        elif standing and chance < 0.3:
            self.replace(self.rng.choice(standing), quantity=self.rng.randint(1, 12), price=self._limit())
        elif chance < 0.33:
            self.cancel_all(self.security.security_id)
        else:
            for _ in range(self.rng.randint(1, 3)):
                self._order()

    def _order(self) -> None:
        # Its shares and open orders decide, too: its knowledge of itself has to be the same.
        side = SIDES[(self.position() + len(self.open_orders) + self.rng.randint(0, 1)) % 2]
        quantity = self.rng.randint(1, 10)
        # Its knowledge of the phase decides as well.
        kind = self.rng.choice(COLLECTED if self.phase() == "auction" else TRADED)
        if kind == "market":
            self.order(side, quantity)
        elif kind == "stop":
            self.order(side, quantity, stop_price=101.0 if side == "buy" else 99.0)
        elif kind == "iceberg":
            self._plain.add(self.order(side, quantity + 1, self._limit(), display_quantity=1))
        elif kind in ("ioc", "fok", "day", "auction"):
            self.order(side, quantity, self._limit(), time_in_force=kind)
        else:
            self._plain.add(self.order(side, quantity, self._limit(), post_only=kind == "post_only"))

    def _limit(self) -> float:
        return self.rng.randint(9_800, 10_200) / 100
