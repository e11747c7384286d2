"""Publishes prices, books and trades to the bots that listen; each message is made once for all of them.

Prices and books are conflated: the feed publishes the newest state at a bounded rate, as the feeds of exchanges do.
This keeps two market makers that react to each other from trading endlessly between two ticks of other bots' clocks.
The first change after a quiet time is published immediately, and every trade is published.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from bots.callbacks import BOOK_DEPTH
from bots.contract import Auction, Book, Level, NewsItem, PhaseChange, Price, Trade
from bots.simulated.clock import Clock, timestamp
from bots.simulated.dollars import price_of
from bots.simulated.exchange import Exchange
from bots.simulated.seat import Seat
from bots.strategy import Channel
from tasks.messages import BookUpdate, PhaseChanged, TradeMade

Listeners = defaultdict[str, list[Seat]]  # by security


class Feed:
    """Publishes market data to the seats that subscribe to it."""

    def __init__(self, clock: Clock, exchange: Exchange, *, conflation_us: int) -> None:
        self._clock = clock
        self._exchange = exchange
        self._conflation_us = conflation_us
        self._next_us = 0
        self._is_due = False
        self._prices: Listeners = defaultdict(list)
        self._books: Listeners = defaultdict(list)
        self._trades: Listeners = defaultdict(list)
        self._phases: Listeners = defaultdict(list)
        self._auctions: Listeners = defaultdict(list)
        self._readers: list[Seat] = []  # of news
        self._last_phases: dict[str, PhaseChange] = {}
        self._news = 0
        self._best: dict[str, tuple[int | None, int | None, int | None]] = {}
        self._sequences: dict[str, int] = {}
        self._levels: dict[str, tuple[int, list[Level], list[Level]]] = {}

    def listen(self, seat: Seat, security_ids: Iterable[str]) -> None:
        """Subscribe a seat to its strategy's channels for these securities."""
        channels = seat.player.channels
        for security_id in security_ids:
            for channel, listeners in self._by_channel.items():
                if channel in channels:
                    listeners[security_id].append(seat)
        if "news" in channels:
            self._readers.append(seat)

    def leave(self, seat: Seat) -> None:
        """End all subscriptions of a seat."""
        for listeners in self._by_channel.values():
            for security_id in listeners:
                listeners[security_id] = [other for other in listeners[security_id] if other is not seat]
        self._readers = [other for other in self._readers if other is not seat]

    @property
    def _by_channel(self) -> dict[Channel, Listeners]:
        return {
            "price": self._prices,
            "book": self._books,
            "trades": self._trades,
            "phase": self._phases,
            "auction": self._auctions,
        }

    def greet(self, seat: Seat) -> None:
        """Send the last published state to a seat that has just started, as a stream begins with a snapshot."""
        for security_id in self._exchange.securities:
            if seat in self._prices.get(security_id, ()):
                seat.deliver(self._price(security_id))
            if seat in self._books.get(security_id, ()):
                seat.deliver(self._book(security_id))
            if seat in self._phases.get(security_id, ()):
                seat.deliver(self._last_phases.get(security_id) or _continuous(security_id))
            if seat in self._auctions.get(security_id, ()):
                seat.deliver(self._auction(security_id))

    def phase_changed(self, event: PhaseChanged) -> None:
        """Publish the phase of a security."""
        change = self._last_phases[event.security_id] = PhaseChange(
            security_id=event.security_id,
            phase=event.phase,
            phase_cause=event.cause,
            phase_ends_at=None if event.ends_us is None else timestamp(event.ends_us),
            timestamp=timestamp(event.changed_us),
        )
        for seat in self._phases.get(event.security_id, ()):
            seat.deliver(change)
        self.changed()

    def publish_news(self, headline: str, body: str | None, security_id: str | None, time_us: int) -> None:
        """Publish news to all bots that read them."""
        self._news += 1
        news = NewsItem(
            news_id=self._news, headline=headline, body=body, security_id=security_id, timestamp=timestamp(time_us)
        )
        for seat in self._readers:
            seat.deliver(news)

    def traded(self, trades: Iterable[TradeMade]) -> None:
        """Publish trades."""
        for trade in trades:
            if listeners := self._trades.get(trade.security_id):
                published = Trade(
                    trade_id=str(trade.event_id),
                    price=price_of(trade.price_cents),
                    quantity=trade.quantity,
                    aggressor_side=trade.aggressor_side,
                    sequence=trade.sequence,
                    security_id=trade.security_id,
                )
                for seat in listeners:
                    seat.deliver(published)

    def changed(self) -> None:
        """Publish changed prices, books and auctions as soon as conflation allows."""
        if not self._is_due and (self._prices or self._books or self._auctions):
            self._is_due = True
            self._clock.at(self._next_us, self._publish)

    def _publish(self) -> None:
        self._is_due = False
        updates = self._exchange.engine.book_updates()
        if updates:  # an order that changes nothing must not delay the next change
            self._next_us = self._clock.now_us + self._conflation_us
        for update in updates:
            best = (update.bid_cents, update.ask_cents, update.last_cents)
            if self._prices.get(update.security_id) and self._best.get(update.security_id) != best:
                self._best[update.security_id] = best
                self._publish_price(update)
            if self._books.get(update.security_id):
                self._publish_book(update)
        if self._auctions:
            for auction in self._exchange.engine.auction_updates():
                for seat in self._auctions.get(auction.security_id, ()):
                    seat.deliver(self._auction(auction.security_id))

    def _auction(self, security_id: str) -> Auction:
        indication = self._exchange.engine.indicative(security_id)
        phase = self._last_phases.get(security_id) or _continuous(security_id)
        return Auction(
            security_id=security_id,
            phase=phase.phase,
            price=None if indication.price_cents is None else price_of(indication.price_cents),
            volume=indication.volume,
            surplus=indication.surplus,
            surplus_side=indication.surplus_side,
            ends_at=phase.phase_ends_at,
        )

    def _publish_price(self, update: BookUpdate) -> None:
        security_id = update.security_id
        self._sequences[security_id] = self._sequences.get(security_id, 0) + 1
        price = self._price(security_id)
        for seat in self._prices[security_id]:
            seat.deliver(price)

    def _price(self, security_id: str) -> Price:
        bid_cents, ask_cents, last_cents = self._best.get(security_id, (None, None, None))
        return Price(
            security_id=security_id,
            bid=None if bid_cents is None else price_of(bid_cents),
            ask=None if ask_cents is None else price_of(ask_cents),
            last=None if last_cents is None else price_of(last_cents),
            sequence=self._sequences.get(security_id, 0),
        )

    def _publish_book(self, update: BookUpdate) -> None:
        bids, asks = (
            [Level(price_of(price_cents), quantity, orders) for price_cents, quantity, orders in side]
            for side in self._exchange.engine.best_levels(update.security_id, BOOK_DEPTH)
        )
        self._levels[update.security_id] = update.sequence, bids, asks
        for seat in self._books[update.security_id]:
            seat.deliver(self._book(update.security_id))

    def _book(self, security_id: str) -> Book:
        """Make a copy of the last published book; a bot that changes its lists harms no other."""
        sequence, bids, asks = self._levels.get(security_id, (0, [], []))
        return Book(security_id=security_id, sequence=sequence, bids=list(bids), asks=list(asks))


def _continuous(security_id: str) -> PhaseChange:
    return PhaseChange(security_id=security_id, phase="continuous")
