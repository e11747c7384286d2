"""The messages that the feed pushes: one for each batch, with the new rows as they are stored.

Reports are most of the rows, and most clients do not read theirs as they come: only those with a reader are pushed. The
streams convert any row into the form that clients read only if a client has subscribed to it. Prices are integer cents,
as everywhere inside the exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
from msgspec import Raw, Struct
from redis import Redis

from db.market_data.book_store import StoredChanges
from tasks.data_feed.rules.day import AuctionState, PhaseState
from tasks.data_feed.rules.rows import Book, BookChange, Level, Price, Report, Trade
from tasks.messages import Side

_encode = msgspec.json.Encoder().encode


def channel_of(redis: Redis) -> str:
    """Return the channel on which an exchange pushes: one Redis may serve several exchanges, one database each.

    The channel's name contains the database, as Redis delivers a message to the subscribers of all its databases.
    """
    database = redis.get_connection_kwargs().get("db", 0)
    return f"data_feed.{database}" if database else "data_feed"


class FeedUpdate(Struct, frozen=True, array_like=True):
    """News for the subscribers of a security or, with reports, of a client; `about` is its name.

    An update continues from `previous_sequence`, a snapshot from anything. `data` is JSON: a Price, a PhaseState, an
    AuctionState, a list of Trade or of Report, oldest first, or LevelRows.
    """

    about: str
    type: Literal["snapshot", "update"]
    previous_sequence: int
    sequence: int
    updated_us: int
    data: Raw


class LevelRows(Struct, frozen=True, array_like=True):
    """Levels of a book with their absolute quantities; 0 removes."""

    bids: list[Level]
    asks: list[Level]


class Push(Struct, frozen=True):
    """The message of a batch; `resynchronise` says that an earlier batch was stored and not pushed."""

    prices: list[FeedUpdate] = []
    books: list[FeedUpdate] = []
    trades: list[FeedUpdate] = []
    reports: list[FeedUpdate] = []
    phases: list[FeedUpdate] = []
    auctions: list[FeedUpdate] = []
    resynchronise: bool = False

    @property
    def is_news(self) -> bool:
        """Whether the message is not empty."""
        return any((self.prices, self.books, self.trades, self.reports, self.phases, self.auctions, self.resynchronise))


NO_CHANGES = StoredChanges([], [], [])


class News(NamedTuple):
    """The rows of a batch that were not stored before; `reports` is by client, each oldest first."""

    reports: Mapping[str, Sequence[Report]] = {}
    trades: Sequence[Trade] = ()
    books: StoredChanges = NO_CHANGES
    phases: Sequence[PhaseState] = ()
    auctions: Sequence[AuctionState] = ()

    @property
    def is_news(self) -> bool:
        """Whether there are any rows."""
        return any((self.reports, self.trades, self.phases, self.auctions)) or self.books != NO_CHANGES

    def push(self, has_reader: Callable[[str], bool]) -> Push:
        """Return the message of the batch.

        has_reader  whether a client's reports are read by a client of the streams
        """
        return Push(
            prices=[price_update(price) for price in self.books.prices],
            books=[level_update(change) for change in self.books.changes]
            + [book_snapshot(book) for book in self.books.books],
            trades=[trade_update(run) for run in _runs(self.trades)],
            reports=[report_update(reports) for client_id, reports in self.reports.items() if has_reader(client_id)],
            phases=[phase_update(phase) for phase in self.phases],
            auctions=[auction_update(auction) for auction in self.auctions],
        )


def price_update(price: Price) -> FeedUpdate:
    """Return the update for new best or last prices of a security."""
    return FeedUpdate(
        price.security_id, "update", price.sequence - 1, price.sequence, price.updated_us, Raw(_encode(price))
    )


def phase_update(phase: PhaseState) -> FeedUpdate:
    """Return the update for a new phase of a security."""
    return FeedUpdate(
        phase.security_id, "update", phase.sequence - 1, phase.sequence, phase.changed_us, Raw(_encode(phase))
    )


def auction_update(auction: AuctionState) -> FeedUpdate:
    """Return the update for a new indicative outcome of a security's auction."""
    before = auction.sequence - 1
    return FeedUpdate(
        auction.security_id, "update", before, auction.sequence, auction.updated_us, Raw(_encode(auction))
    )


def level_update(change: BookChange) -> FeedUpdate:
    """Return the changed levels of a book, or all of them if the change contains a snapshot."""
    sides: dict[Side, list[Level]] = {"buy": [], "sell": []}
    for (side, price_cents), (quantity, orders, _) in change.levels.items():
        if quantity or not change.snapshot:
            sides[side].append((price_cents, quantity, orders))
    return FeedUpdate(
        change.security_id,
        "snapshot" if change.snapshot else "update",
        change.previous_sequence,
        change.sequence,
        change.updated_us,
        Raw(_encode(LevelRows(sides["buy"], sides["sell"]))),
    )


def book_snapshot(book: Book) -> FeedUpdate:
    """Return the snapshot of a whole book."""
    return FeedUpdate(
        book.security_id, "snapshot", 0, book.sequence, book.updated_us, Raw(_encode(LevelRows(book.bids, book.asks)))
    )


def trade_update(trades: Sequence[Trade]) -> FeedUpdate:
    """Return the update for consecutive trades of one security, oldest first."""
    first, last = trades[0], trades[-1]
    return FeedUpdate(
        first.security_id, "update", first.sequence - 1, last.sequence, last.traded_us, Raw(_encode(trades))
    )


def report_update(reports: Sequence[Report]) -> FeedUpdate:
    """Return the update for consecutive reports of one client, oldest first."""
    first, last = reports[0], reports[-1]
    return FeedUpdate(
        first.client_id, "update", first.sequence - 1, last.sequence, last.stored_us, Raw(_encode(reports))
    )


def _runs(trades: Iterable[Trade]) -> list[list[Trade]]:
    """Split trades into runs of one security without a missing trade."""
    runs: list[list[Trade]] = []
    for trade in sorted(trades, key=lambda trade: (trade.security_id, trade.sequence)):
        last = runs[-1][-1] if runs else None
        if last and last.security_id == trade.security_id and last.sequence + 1 == trade.sequence:
            runs[-1].append(trade)
        else:
            runs.append([trade])
    return runs
