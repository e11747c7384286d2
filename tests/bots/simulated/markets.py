"""Markets for tests, and strategies that follow a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bots.contract import Book, Price, Trade
from bots.simulated.configuration import Configuration, Latency, Opening
from bots.simulated.market import Market
from bots.strategy import Strategy
from bots.working_order import Fill, WorkingOrder

AT_ONCE = Latency(order_us=0, feed_us=0, jitter_us=0)
RICH = Opening(cash_cents=100_000_000, shares={"MSFT": 10_000, "AAPL": 10_000})

Act = Callable[[Strategy], object]


def market(**configuration: Any) -> Market:
    """A market of a minute."""
    return Market(Configuration(**{"duration_s": 60.0} | configuration))


@dataclass
class Scripted(Strategy):
    """Runs a script's steps at their times [s], on the second; records all events with their time."""

    script: Sequence[tuple[int, Act]] = ()
    heard: list[tuple[float, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._waiting = list(self.script)
        self._second = 0

    def interval_s(self) -> float:
        return 1.0

    def on_timer(self, now: float) -> None:
        self._second += 1
        while self._waiting and self._waiting[0][0] <= self._second:
            self._waiting.pop(0)[1](self)

    def on_order(self, order: WorkingOrder) -> None:
        self.heard.append((self.now, (order.status, order.reason)))

    def on_fill(self, fill: Fill) -> None:
        self.heard.append((self.now, fill))

    def received(self, form: type) -> list[Any]:
        return [what for _, what in self.heard if isinstance(what, form)]


@dataclass
class Listener(Scripted):
    """Subscribes to all channels."""

    def on_price(self, price: Price) -> None:
        self.heard.append((self.now, price))

    def on_book(self, book: Book) -> None:
        self.heard.append((self.now, book))

    def on_trade(self, trade: Trade) -> None:
        self.heard.append((self.now, trade))
