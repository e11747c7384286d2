"""Describe the streams in an AsyncAPI 3.0 document: raw WebSockets, and the channels of Socket.IO.

Rows have the same shapes in messages as in responses; pydantic generates the schemas, as for /openapi.json.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, TypeAdapter

from api.wire.answers_schema.common import Answer, Count, Dollars, Milliseconds, Time
from api.wire.answers_schema.market import Candle, Level, Standing, Trade
from api.wire.answers_schema.orders import Report
from api.wire.security_answers import AuctionState, News, PhaseOf

VERSION = "3.0.0"

_REFERENCE = "#/components/schemas/{model}"
_DESCRIPTION = (
    "Streams of the exchange: two raw WebSockets with one JSON object per message, and the channels of Socket.IO. A "
    "message continues from `previous_sequence`; a client that misses a message subscribes again and gets a snapshot."
)

Data = TypeVar("Data")


# -- raw WebSockets --------------------------------------------------------------------------------------------------


class PriceMessage(Answer):
    """The best prices of both sides; `timestamp` is in seconds since 1970, as text, and `time` is in RFC 3339."""

    security_id: str
    bid: Dollars
    ask: Dollars
    timestamp: Annotated[str, Field(pattern=r"^[0-9]+$")]
    time: Time
    sequence: Count


# -- Socket.IO -------------------------------------------------------------------------------------------------------


class Subscription(Answer):
    """A channel to subscribe to or to leave; without a security, the channel of all securities."""

    channel: Literal[
        "price", "book", "trades", "candles", "auction", "phase", "report", "leaderboard", "pipeline", "news"
    ]
    security_id: str | None = None


class ChannelEvent(Answer, Generic[Data]):
    """An event, named after its channel; the previous sequence of a snapshot is 0."""

    channel: str
    security_id: str | None
    type: Literal["snapshot", "update"]
    sequence: Count
    previous_sequence: Count
    timestamp: Time | None
    data: Data


class Quote(Answer):
    """Best and last prices; null where there is no price."""

    bid: Dollars | None
    ask: Dollars | None
    last: Dollars | None


class Levels(Answer):
    """Levels of the book, with absolute quantities; 0 removes the level."""

    bids: list[Level]
    asks: list[Level]


class CandleOf(Candle):
    """A candle and its interval."""

    interval: Literal["1s", "1m", "5m", "1h"]


class Queue(Answer):
    """A queue: its ready messages, its consumers, and the rate of the stage behind it."""

    name: str
    depth: Count
    rate_per_s: float | None
    consumers: Count


class StageLatency(Answer):
    """The latency of a stage over the last minute, its queue included."""

    stage: str
    p50_ms: Milliseconds
    p99_ms: Milliseconds


class RecentRates(Answer):
    """The rates at a time."""

    timestamp: Time
    orders_per_s: float | None
    trades_per_s: float | None


class PipelineState(Answer):
    """The state of the pipeline; null stands for an unknown value."""

    queues: list[Queue]
    stages: list[StageLatency]
    dead_letters: Count | None
    orders_per_s: float | None
    trades_per_s: float | None
    flower: str | None
    recent: list[RecentRates] | None  # of the minutes before, in snapshots only


class Heartbeat(Answer):
    """The last sequence of every channel; by security where each security has its own."""

    timestamp: Time
    sequences: dict[str, Count | dict[str, Count]]


_RAW: dict[str, tuple[Any, str, str]] = {
    "price": (
        PriceMessage,
        "/stream/price",
        "Prices of all securities, or of one (`?security_id=`). It needs no key.",
    ),
    "report": (
        Report,
        "/stream/report",
        "Reports of the key's client (header or `?api_key=`). With `?cancel_on_disconnect=true` the end of the "
        "connection cancels all open orders of the client.",
    ),
}
_CHANNELS: dict[str, tuple[Any, str]] = {
    "price": (ChannelEvent[Quote], "Every change of a price."),
    "book": (ChannelEvent[Levels], "The levels that changed, at most ten updates per second and security."),
    "trades": (ChannelEvent[list[Trade]], "Every trade, oldest first."),
    "candles": (
        ChannelEvent[list[CandleOf]],
        "The candles that changed, at most four updates per second and security.",
    ),
    "auction": (ChannelEvent[AuctionState], "The outcome of a security's auction if it ended now, after every change."),
    "phase": (ChannelEvent[PhaseOf], "Every change of a security's phase."),
    "news": (ChannelEvent[list[News]], "News, oldest first."),
    "report": (ChannelEvent[list[Report]], "Every report of the key's client, oldest first."),
    "leaderboard": (ChannelEvent[list[Standing]], "The leaderboard, at most once a second, after a change."),
    "pipeline": (ChannelEvent[PipelineState], "The state of the pipeline, at most once a second, after a change."),
    "heartbeat": (Heartbeat, "The last sequences, once a second; needs no subscription."),
}


def describe_streams(*, version: str) -> dict[str, Any]:
    """Return the document, which is the same for all clients."""
    shapes = {
        **{f"raw_{name}": shape for name, (shape, _, _) in _RAW.items()},
        **{name: shape for name, (shape, _) in _CHANNELS.items()},
        "subscription": Subscription,
    }
    schemas, definitions = TypeAdapter.json_schemas(
        [(name, "serialization", TypeAdapter(shape)) for name, shape in shapes.items()], ref_template=_REFERENCE
    )
    payloads = {name: schema for (name, _), schema in schemas.items()}
    channels: dict[str, Any] = {
        f"raw_{name}": {
            "address": address,
            "title": f"Raw WebSocket: {address}",
            "description": text,
            "messages": {name: {"payload": payloads[f"raw_{name}"], "contentType": "application/json"}},
            "bindings": {"ws": {"method": "GET"}},
        }
        for name, (_, address, text) in _RAW.items()
    }
    channels["socketio"] = {
        "address": "/socket.io/",
        "title": "Socket.IO",
        "description": (
            'Connect with `auth` = `{"api_key": KEY}` for reports, without a key for everything else; emit `subscribe` '
            'or `unsubscribe`. The acknowledgement is `{"status": "success"}` or a problem.'
        ),
        "messages": {
            **{
                name: {"name": name, "summary": text, "payload": payloads[name], "contentType": "application/json"}
                for name, (_, text) in _CHANNELS.items()
            },
            "subscription": {
                "name": "subscribe",
                "summary": "Subscribe to a channel, or leave it with `unsubscribe`.",
                "payload": payloads["subscription"],
                "contentType": "application/json",
                "examples": [{"name": "book", "payload": {"channel": "book", "security_id": "MSFT"}}],
            },
        },
    }
    return {
        "asyncapi": VERSION,
        "info": {"title": "Stock exchange: streams", "version": version, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            # AsyncAPI takes the exchange's point of view: it sends what clients receive.
            **{f"send_raw_{name}": _operation("send", f"raw_{name}", [name]) for name in _RAW},
            "send_events": _operation("send", "socketio", list(_CHANNELS)),
            "receive_subscriptions": _operation("receive", "socketio", ["subscription"]),
        },
        "components": {"schemas": definitions["$defs"]},
    }


def _operation(action: Literal["send", "receive"], channel: str, messages: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }
