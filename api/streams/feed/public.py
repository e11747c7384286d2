"""The streams that are open to everyone: prices, books and trades of the listed securities.

No function here waits for anything, so a snapshot and the updates after it fit together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal, NamedTuple, get_args

import msgspec
from msgspec import Raw
from sqlalchemy import Connection

from api.streams.feed.forms import Event, Kind, content_of, price_message
from api.streams.feed.market import LATEST_TRADES, Market, Outcome
from api.streams.feed.pace import Pace
from api.streams.sockets.rooms import Rooms, room_of
from api.streams.sockets.subscriber import Subscriber
from api.streams.sockets.websocket import text_frame
from api.wire.outgoing import book_of, price_of, time_of, trade_of
from db.market_data import reads
from tasks.data_feed.outgoing import FeedUpdate, LevelRows, Push
from tasks.data_feed.rules.rows import Book, Level, Price, Trade

Channel = Literal["price", "book", "trades"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

# The time between two updates of a book; the second one carries all changes in between [s].
BOOK_EVERY_S = 0.1

_price_of = msgspec.json.Decoder(Price).decode
_levels_of = msgspec.json.Decoder(LevelRows).decode
_trades_of = msgspec.json.Decoder(list[Trade]).decode


class Stored(NamedTuple):
    """The data in Postgres of a security; trades newest first."""

    price: Price
    book: Book | None
    trades: list[Trade]


def read(tx: Connection) -> list[Stored]:
    """Read every security that has had an order."""
    return [
        Stored(price, reads.book(tx, price.security_id), reads.trades(tx, price.security_id, limit=LATEST_TRADES))
        for price in reads.prices(tx)
    ]


class PublicStreams:
    """The markets as their subscribers know them, and the subscribers to raw prices."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._markets: dict[str, Market] = {}
        self._snapshots: dict[tuple[Channel, str], Raw] = {}  # made once for all subscribers before the next change
        self._book_pace = Pace(every_s=BOOK_EVERY_S, publish=self._publish_book)
        self._subscribers: defaultdict[str | None, set[Subscriber]] = defaultdict(set)  # None: of every security

    # -- what is new -------------------------------------------------------------------------------------------------

    def publish(self, push: Push) -> bool:
        """Send what is new. Returns whether a change of a book is missing, so that Postgres has to be read."""
        for update in push.prices:
            self._move_price(_price_of(update.data), "update")
        gaps = [update for update in push.books if self._change_book(update) is Outcome.GAP]
        for update in push.trades:
            market = self._market(update.about)
            if new := market.add_trades(_trades_of(update.data)):
                self._send("trades", market, partial(_trades_event, market, "update", new[0].sequence - 1, new))
        return bool(gaps)

    def catch_up(self, stored: Iterable[Stored], *, repeat: bool) -> None:
        """Send what Postgres has: what is new or, with `repeat`, all of it."""
        for price, book, trades in stored:
            market = self._market(price.security_id)
            self._move_price(price, "snapshot", repeat=repeat)
            if book is not None and (repeat or market.lacks_levels or book.sequence > market.book_sequence):
                market.replace_book(book)
                self._send("book", market, partial(_snapshot, "book", market))
            if trades and (repeat or trades[0].sequence > market.trade_sequence):
                market.add_trades(trades[::-1])
                self._send("trades", market, partial(_snapshot, "trades", market))

    def _move_price(self, price: Price, kind: Kind, *, repeat: bool = False) -> None:
        market = self._market(price.security_id)
        before = market.price.sequence
        if market.move_price(price) is not Outcome.APPLIED and not repeat:
            return
        price = market.price
        self._send("price", market, partial(_price_event, market, kind, before))
        subscribers = self._subscribers[None] | self._subscribers[price.security_id]
        if subscribers and price.is_quotable:
            frame = _price_frame(price)
            for subscriber in subscribers:
                subscriber.offer(frame)

    def _change_book(self, update: FeedUpdate) -> Outcome:
        market = self._market(update.about)
        rows = _levels_of(update.data)
        if update.type == "snapshot":
            outcome = market.replace_book(
                Book(update.about, update.sequence, update.updated_us, bids=rows.bids, asks=rows.asks)
            )
            if outcome is Outcome.APPLIED:
                self._send("book", market, partial(_snapshot, "book", market))
            # An older whole book may contain levels that were stored late, so the one in Postgres is read.
            market.lacks_levels = market.lacks_levels or outcome is Outcome.OLD
            return Outcome.GAP if market.lacks_levels else outcome
        outcome = market.change_book(
            previous_sequence=update.previous_sequence,
            sequence=update.sequence,
            changed_us=update.updated_us,
            bids=rows.bids,
            asks=rows.asks,
        )
        if outcome is Outcome.APPLIED:
            self._book_pace.soon(update.about)
        return outcome

    def _publish_book(self, security_id: str) -> None:
        market = self._market(security_id)
        before = market.sent_sequence
        bids, asks = market.unsent_levels()
        if market.sent_sequence > before:  # otherwise a whole book was sent in between
            self._send("book", market, partial(_book_event, market, "update", before, bids, asks))

    def _send(self, channel: Channel, market: Market, event: Callable[[], Event]) -> None:
        self._snapshots.pop((channel, market.security_id), None)
        room = room_of(channel, market.security_id)
        if not self._rooms.is_empty(room):
            self._rooms.send(channel, content_of(event()), room)

    def _market(self, security_id: str) -> Market:
        if security_id not in self._markets:
            self._markets[security_id] = Market(security_id)
        return self._markets[security_id]

    # -- subscribers -------------------------------------------------------------------------------------------------

    def snapshot(self, channel: Channel, security_id: str) -> Raw:
        """Return what a subscriber of a channel begins with."""
        known = self._snapshots.get((channel, security_id))
        if known is None:
            known = content_of(_snapshot(channel, self._market(security_id)))
            self._snapshots[channel, security_id] = known
        return known

    @contextmanager
    def subscribed(self, subscriber: Subscriber, security_id: str | None) -> Iterator[None]:
        """Send the prices of one security or, with None, of all to a raw subscriber inside the block."""
        for market in self._markets.values():
            if security_id in {None, market.security_id} and market.price.is_quotable:
                subscriber.offer(_price_frame(market.price))
        self._subscribers[security_id].add(subscriber)
        try:
            yield
        finally:
            self._subscribers[security_id].discard(subscriber)

    def sequences(self) -> dict[Channel, dict[str, int]]:
        """Return the last sequence sent of each channel and security."""
        return {
            "price": {market.security_id: market.price.sequence for market in self._markets.values()},
            "book": {market.security_id: market.sent_sequence for market in self._markets.values()},
            "trades": {market.security_id: market.trade_sequence for market in self._markets.values()},
        }


def _snapshot(channel: Channel, market: Market) -> Event:
    match channel:
        case "price":
            return _price_event(market, "snapshot", 0)
        case "book":
            book = market.book()
            return _book_event(market, "snapshot", 0, book.bids, book.asks)
        case "trades":
            return _trades_event(market, "snapshot", 0, market.trades)


def _price_frame(price: Price) -> bytes:
    return text_frame(price_message(price))


def _price_event(market: Market, kind: Kind, previous_sequence: int) -> Event:
    price = market.price
    return Event(
        channel="price",
        security_id=market.security_id,
        type=kind,
        sequence=price.sequence,
        previous_sequence=previous_sequence if kind == "update" else 0,
        timestamp=_time_of(price.updated_us),
        data={name: value for name, value in price_of(price).items() if name in {"bid", "ask", "last"}},
    )


def _book_event(
    market: Market, kind: Kind, previous_sequence: int, bids: Iterable[Level], asks: Iterable[Level]
) -> Event:
    form = book_of(Book(market.security_id, market.sent_sequence, market.book_us, bids=list(bids), asks=list(asks)))
    return Event(
        channel="book",
        security_id=market.security_id,
        type=kind,
        sequence=market.sent_sequence,
        previous_sequence=previous_sequence if kind == "update" else 0,
        timestamp=_time_of(market.book_us),
        data={"bids": form["bids"], "asks": form["asks"]},
    )


def _trades_event(market: Market, kind: Kind, previous_sequence: int, trades: Collection[Trade]) -> Event:
    last = max(trades, key=lambda trade: trade.sequence, default=None)
    return Event(
        channel="trades",
        security_id=market.security_id,
        type=kind,
        sequence=last.sequence if last else 0,
        previous_sequence=previous_sequence,
        timestamp=_time_of(last.traded_us if last else 0),
        data=[trade_of(trade) for trade in trades],
    )


def _time_of(time_us: int) -> str | None:
    return time_of(time_us) if time_us else None
