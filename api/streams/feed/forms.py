"""The JSON of the streams; the rows in it have the form that the api gives them, too."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Raw, Struct

from api.wire.answers import encode
from api.wire.money import dollars
from api.wire.outgoing import time_of
from tasks.data_feed.rules.rows import Price

Kind = Literal["snapshot", "update"]


class Event(Struct, frozen=True):
    """What a Socket.IO subscriber gets, named after its channel.

    An update goes on from `previous_sequence`; a snapshot goes on from anything, and has 0 there. The time is that of
    the last thing in it, None when nothing has happened yet.
    """

    channel: str
    security_id: str | None
    type: Kind
    sequence: int
    previous_sequence: int
    timestamp: str | None
    data: Any


def content_of(event: Event) -> Raw:
    """Return an event as JSON, encoded once for any number of subscribers."""
    return Raw(encode(event))


def price_message(price: Price) -> bytes:
    """Return a message of /stream/price: a price with both sides; its timestamp is in seconds since 1970, as text."""
    assert price.bid_cents is not None, "only prices with both sides are sent"
    assert price.ask_cents is not None, "only prices with both sides are sent"
    return encode(
        {
            "security_id": price.security_id,
            "bid": dollars(price.bid_cents),
            "ask": dollars(price.ask_cents),
            "timestamp": str(price.updated_us // 1_000_000),
            "time": time_of(price.updated_us),
            "sequence": price.sequence,
        }
    )
