"""The callbacks of a strategy: what a trading session calls when something happens. Each does nothing by default."""

from __future__ import annotations

from typing import Any, Final

from bots.contract import Auction, Book, NewsItem, PhaseChange, Price, Trade
from bots.working_order import Fill, WorkingOrder

# Levels per side of the book that a strategy sees, on the exchange and in the simulated market.
BOOK_DEPTH: Final = 20


class Callbacks:
    """A strategy as its session sees it; one thread makes all calls, one at a time."""

    def join(self, session: Any) -> None:
        """Take the session; called once, before everything else."""

    def interval_s(self) -> float | None:
        """Return the time between two calls of on_timer [s]; 0 calls it as often as possible, None never."""
        return None

    def on_start(self) -> None:
        """Called when the exchange has answered, before the first order of this run."""

    def on_timer(self, now: float) -> None:
        """Called when another interval has passed; `now` is in seconds from the start."""

    def on_price(self, price: Price) -> None:
        """Called when the best prices of a security have changed; only the newest state is delivered."""

    def on_book(self, book: Book) -> None:
        """Called when the book of a security has changed; only the newest state is delivered."""

    def on_trade(self, trade: Trade) -> None:
        """Called for every trade in the market."""

    def on_phase(self, phase: PhaseChange) -> None:
        """Called at the start with the phase of each security, and when a security enters another phase."""

    def on_auction(self, auction: Auction) -> None:
        """Called when the indicative price or volume of an auction has changed; only the newest state is delivered."""

    def on_news(self, news: NewsItem) -> None:
        """Called for every item of news that the exchange publishes."""

    def on_order(self, order: WorkingOrder) -> None:
        """Called when one of the bot's orders is confirmed, replaced or closed, or when a change to it is refused."""

    def on_fill(self, fill: Fill) -> None:
        """Called when one of the bot's orders trades; if that fills the order, on_order follows."""

    def on_stop(self) -> None:
        """Called at the end: the last chance to cancel orders that should not stay in the market."""
