"""To the data feed: reports, books and auctions."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tasks.messages.events import (
    CancelRefused,
    OrderClosed,
    OrderReplaced,
    OrderTriggered,
    ReplaceRefused,
    SecurityEvent,
    TradeMade,
)
from tasks.messages.values import (
    ClientId,
    Covered,
    EventId,
    Level,
    Microseconds,
    OrderId,
    PriceCents,
    Quantity,
    Reason,
    SecurityId,
    Sequence,
    Side,
)


class BookUpdate(Struct, frozen=True, array_like=True):
    """The levels of a security's book that changed, as absolute (price, quantity, orders); quantity 0 removes.

    `sequence` counts the changes of the book; an update continues from `previous_sequence`. A snapshot contains every
    level and continues from anything. Bid, ask and last are those at `sequence`, each None if the book has none.
    """

    security_id: SecurityId
    previous_sequence: Sequence
    sequence: Sequence
    snapshot: bool
    bids: list[Level]
    asks: list[Level]
    bid_cents: PriceCents | None
    ask_cents: PriceCents | None
    last_cents: PriceCents | None
    updated_us: Microseconds


class AuctionUpdate(Struct, frozen=True, gc=False, array_like=True):
    """The outcome of a security's auction if it ended now; of several updates only the last counts.

    `volume` would trade at `price_cents`, and `surplus` is the quantity by which the larger side exceeds the other at
    this price [shares]. Without a price nothing would trade, as outside of auctions.
    """

    security_id: SecurityId
    price_cents: PriceCents | None
    volume: Annotated[int, Meta(ge=0)]
    surplus: Annotated[int, Meta(ge=0)]
    surplus_side: Side | None
    updated_us: Microseconds


class OrderReport(Struct, frozen=True, array_like=True):
    """Order entry's decision on a request.

    `event_id` is the request's number. Side, quantity and price are those of an order or of a replacement, and None
    where a request does not state them. A mass cancel concerns no single order, so `order_id` is its own number.
    """

    event_id: EventId
    request: Literal["order", "cancel", "replace", "mass_cancel"]
    status: Literal["confirmed", "denied"]
    order_id: OrderId
    client_id: ClientId
    security_id: str
    side: Side | None
    quantity: Quantity | None
    price_cents: PriceCents | None
    reason: Reason | None
    received_us: Microseconds
    reported_us: Microseconds


class TradeFailed(Struct, frozen=True, array_like=True):
    """A trade that cannot settle: neither leg is booked, the holds are released, and both clients get a report."""

    trade: TradeMade
    reason: Reason


class FeedBatch(Struct, frozen=True, array_like=True):
    """The reports of a stage to the data feed; each stage fills its own lists.

    `began_us` is when the batch that made it began. `asked_us` has, for each of `orders`, when the api sent the
    request. `covers` are the intervals of events that this message reports completely; for order entry, the first event
    of a command stands for its request. Messages from before these three fields do not have them.
    """

    stage: Literal["order_entry", "matching", "order_execution"]
    sent_us: Microseconds
    orders: list[OrderReport] = []
    trades: list[TradeMade] = []
    closed: list[OrderClosed] = []
    refused: list[CancelRefused] = []
    books: list[BookUpdate] = []
    settled: list[TradeMade] = []
    replaced: list[OrderReplaced] = []
    replaces_refused: list[ReplaceRefused] = []
    triggered: list[OrderTriggered] = []
    failed: list[TradeFailed] = []
    began_us: Microseconds | None = None
    asked_us: list[Microseconds | None] = []
    covers: list[Covered] = []
    securities: list[SecurityEvent] = []
    auctions: list[AuctionUpdate] = []
