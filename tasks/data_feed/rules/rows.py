"""Rows of `market_data` as values: the rules make and read them, and the queries store them.

Prices are integer cents, quantities integer shares, times integer microseconds since 1970 in UTC.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from tasks.messages import Side

EventType = Literal["order", "trade", "settlement"]
Level = tuple[int, int, int]  # price [cents], quantity, orders


class Report(Struct, array_like=True, gc=False):
    """A stage's report to a client, and a row of the view `reports`, with the columns in this order.

    The feed sets `sequence`, `stored_us` and `taken_us` when it stores the report. In the answer to a cancel or a
    replacement the side is None, and so are terms that the request does not name. Stamps that older stages did not set
    are None, and `asked_us` of reports that are not order entry's.
    """

    order_id: int
    report_id: int
    event_type: EventType
    confirmed: bool
    client_id: str
    security_id: str
    side: Side | None
    quantity: int | None
    price_cents: int | None
    reason: str | None
    event_us: int
    sent_us: int
    sequence: int = 0
    stored_us: int = 0
    began_us: int | None = None
    asked_us: int | None = None
    taken_us: int | None = None


class Trade(Struct, frozen=True, array_like=True, gc=False):
    """The public form of a trade, and a row of the view `trades`, with the columns in this order."""

    security_id: str
    sequence: int
    event_id: int
    price_cents: int
    quantity: int
    aggressor_side: Side | None
    traded_us: int


class Candle(Struct, frozen=True, array_like=True, gc=False):
    """The trades of a security within [start_s, start_s + interval_s), and a row of `candles`."""

    security_id: str
    interval_s: int
    start_s: int
    open_cents: int
    high_cents: int
    low_cents: int
    close_cents: int
    volume: int
    first_sequence: int
    last_sequence: int


class Price(Struct, frozen=True, array_like=True, gc=False):
    """Bid, ask and last of a security, each None if it has none, and a row of `prices`, with the columns in this order.

    `sequence` counts the changes of the three from 1.
    """

    security_id: str
    sequence: int
    bid_cents: int | None
    ask_cents: int | None
    last_cents: int | None
    updated_us: int

    @property
    def is_quotable(self) -> bool:
        """Whether it can be sent as a price update: both sides exist, and they do not cross."""
        return self.bid_cents is not None and self.ask_cents is not None and self.bid_cents < self.ask_cents


class BookChange(Struct, frozen=True):
    """The sum of updates of a security's book.

    levels     (side, price) -> (quantity, orders, sequence), each as of the last update that names it
    snapshot   the sequence of the last snapshot among the updates: other levels are gone; 0 without one
    last four  the values of the update `sequence`
    """

    security_id: str
    previous_sequence: int
    sequence: int
    snapshot: int
    levels: dict[tuple[Side, int], tuple[int, int, int]]
    bid_cents: int | None
    ask_cents: int | None
    last_cents: int | None
    updated_us: int


class Book(Struct, frozen=True):
    """The levels of a security's book, best first, as of the change `sequence`."""

    security_id: str
    sequence: int
    updated_us: int
    bids: list[Level]
    asks: list[Level]
