"""The JSON of the streams; its rows have the same form as in the responses of the api."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Raw, Struct

from api.wire.answers import encode
from api.wire.money import dollars
from api.wire.outgoing import time_of
from tasks.data_feed.rules.rows import Price

Kind = Literal["snapshot", "update"]


class Event(Struct, frozen=True):
    """A message to Socket.IO subscribers, named after its channel.

    An update continues from `previous_sequence`; a snapshot can follow anything, and has 0 there. The timestamp is
    that of the latest item in it, None when nothing has happened yet.
    """

    channel: str
    security_id: str | None
    type: Kind
    sequence: int
    previous_sequence: int
    timestamp: str | None
    data: Any


def content_of(event: Event) -> Raw:
    """Encode an event as JSON, once for any number of subscribers."""
    return Raw(encode(event))


def price_message(price: Price) -> bytes:
    """Encode a price with both sides as a message of /stream/price; `timestamp` is seconds since 1970, as text."""
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
