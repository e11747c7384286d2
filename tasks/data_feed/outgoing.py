"""What the feed pushes: one message a unit, with what is new of it, in rows as they are stored.

Whoever fans it out gives what somebody listens to the form that clients read; so what nobody listens to costs
next to nothing. Prices are integer cents here as everywhere inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct
from redis import Redis

from db.market_data.book_store import Stored
from tasks.data_feed.rules.day import AuctionState, PhaseState
from tasks.data_feed.rules.rows import Book, BookChange, Level, Price, Report, Trade
from tasks.messages import Side

_encode = msgspec.json.Encoder().encode


def channel_of(redis: Redis) -> str:
    """The channel on which an exchange pushes: one Redis may serve several, each a database of its own.

    Redis itself delivers a message to the subscribers of all its databases.
    """
    database = redis.get_connection_kwargs().get("db", 0)
    return f"data_feed.{database}" if database else "data_feed"


class Told(Struct, frozen=True, array_like=True):
    """Something for the subscribers of a security or, with reports, of a client: `about` is its name.

    An update goes on from `previous_sequence`, a snapshot from anything. `data` is JSON: a Price, a PhaseState, an
    AuctionState, a list of Trade or of Report, oldest first, or LevelRows.
    """

    about: str
    type: Literal["snapshot", "update"]
    previous_sequence: int
    sequence: int
    told_us: int
    data: Raw


class LevelRows(Struct, frozen=True, array_like=True):
    """Levels of a book with their absolute quantities; 0 removes."""

    bids: list[Level]
    asks: list[Level]


class Push(Struct, frozen=True):
    """The message of a unit; `resynchronise` says that something before it was stored and not pushed."""

    prices: list[Told] = []
    books: list[Told] = []
    trades: list[Told] = []
    reports: list[Told] = []
    phases: list[Told] = []
    auctions: list[Told] = []
    resynchronise: bool = False

    @property
    def is_news(self) -> bool:
        """Whether there is anything in it."""
        return any((self.prices, self.books, self.trades, self.reports, self.phases, self.auctions, self.resynchronise))


def push_of(
    reports: Mapping[str, Sequence[Report]],
    trades: Iterable[Trade],
    books: Stored,
    phases: Iterable[PhaseState] = (),
    auctions: Iterable[AuctionState] = (),
) -> Push:
    """The message of a unit, of what was stored and had not been before."""
    return Push(
        prices=[price_told(price) for price in books.prices],
        books=[change_told(change) for change in books.changes] + [book_told(book) for book in books.books],
        trades=[trades_told(run) for run in _runs(trades)],
        reports=[reports_told(of_client) for of_client in reports.values()],
        phases=[phase_told(phase) for phase in phases],
        auctions=[auction_told(auction) for auction in auctions],
    )


def price_told(price: Price) -> Told:
    """Other best or last prices of a security."""
    return Told(price.security_id, "update", price.sequence - 1, price.sequence, price.updated_us, Raw(_encode(price)))


def phase_told(phase: PhaseState) -> Told:
    """Another phase of a security."""
    return Told(phase.security_id, "update", phase.sequence - 1, phase.sequence, phase.changed_us, Raw(_encode(phase)))


def auction_told(auction: AuctionState) -> Told:
    """What the auction of a security would lead to from now on."""
    before = auction.sequence - 1
    return Told(auction.security_id, "update", before, auction.sequence, auction.updated_us, Raw(_encode(auction)))


def change_told(change: BookChange) -> Told:
    """The levels of a book that changed, or all of them where a snapshot is among what they add up to."""
    sides: dict[Side, list[Level]] = {"buy": [], "sell": []}
    for (side, price_cents), (quantity, orders, _) in change.levels.items():
        if quantity or not change.snapshot:
            sides[side].append((price_cents, quantity, orders))
    return Told(
        change.security_id,
        "snapshot" if change.snapshot else "update",
        change.previous_sequence,
        change.sequence,
        change.updated_us,
        Raw(_encode(LevelRows(sides["buy"], sides["sell"]))),
    )


def book_told(book: Book) -> Told:
    """A whole book."""
    return Told(
        book.security_id, "snapshot", 0, book.sequence, book.updated_us, Raw(_encode(LevelRows(book.bids, book.asks)))
    )


def trades_told(trades: Sequence[Trade]) -> Told:
    """Trades of one security that follow each other, oldest first."""
    first, last = trades[0], trades[-1]
    return Told(first.security_id, "update", first.sequence - 1, last.sequence, last.traded_us, Raw(_encode(trades)))


def reports_told(reports: Sequence[Report]) -> Told:
    """Reports of one client that follow each other, oldest first."""
    first, last = reports[0], reports[-1]
    return Told(first.client_id, "update", first.sequence - 1, last.sequence, last.stored_us, Raw(_encode(reports)))


def _runs(trades: Iterable[Trade]) -> list[list[Trade]]:
    """Trades split by security, and where one of a security is missing in between."""
    runs: list[list[Trade]] = []
    for trade in sorted(trades, key=lambda trade: (trade.security_id, trade.sequence)):
        last = runs[-1][-1] if runs else None
        if last and last.security_id == trade.security_id and last.sequence + 1 == trade.sequence:
            runs[-1].append(trade)
        else:
            runs.append([trade])
    return runs
