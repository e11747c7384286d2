"""Reads the exchange's Socket.IO channels: a snapshot, then updates without a gap, reconnecting as often as needed.

This module implements the ten or so packet types itself, over the same WebSocket as the raw streams: a general client
would read prices as binary fractions, and would add threads and a second way of reconnecting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from bots.client.connection import details_of
from bots.client.stream import Conversation, Refusal, messages
from bots.contract import ProblemDetails
from bots.errors import Problem

ChannelName = Literal[
    "price", "book", "trades", "candles", "report", "leaderboard", "pipeline", "phase", "auction", "news"
]

PATH = "/socket.io/?EIO=4&transport=websocket"

# The first characters of a packet: Engine.IO's type, and for its messages (4) Socket.IO's type.
_OPEN, _PING, _PONG = b"0", b"2", b"3"
_CONNECT, _CONNECTED, _EVENT, _ANSWER, _REFUSED = b"40", b"40", b"42", b"43", b"44"


class Subscription(Struct, frozen=True, omit_defaults=True):
    """A channel of one security, or of all; `report` and `news` always cover all."""

    channel: ChannelName
    security_id: str | None = None


class ChannelEvent(Struct, frozen=True, kw_only=True):
    """An event of a channel: a snapshot replaces everything, an update continues from `previous_sequence`."""

    channel: str
    security_id: str | None = None
    type: Literal["snapshot", "update"]
    sequence: int
    previous_sequence: int
    timestamp: str | None = None
    data: Raw


class _Heartbeat(Struct, frozen=True):
    sequences: dict[str, Any] = {}


class _Connected(Struct, frozen=True):
    data: ProblemDetails | None = None
    message: str = ""


_decode_event = msgspec.json.Decoder(tuple[str, Raw]).decode
_decode_channel_event = msgspec.json.Decoder(ChannelEvent).decode
_decode_heartbeat = msgspec.json.Decoder(_Heartbeat).decode
_decode_answer = msgspec.json.Decoder(list[Raw]).decode


class _ChannelConversation(Conversation[ChannelEvent]):
    """One connection: opens it, subscribes, answers pings, and detects missed updates."""

    def __init__(self, key: str | None, subscriptions: Sequence[Subscription]) -> None:
        self._key = key
        self._subscriptions = subscriptions
        self._sequences: dict[tuple[str, str | None], int] = {}

    def hear(self, packet: bytes) -> Iterator[ChannelEvent]:
        """Yield the events of a packet. Raises Refusal if the exchange refuses the connection or a subscription."""
        if packet == _PING:
            self.say(_PONG)
        elif packet.startswith(_EVENT):
            name, content = _decode_event(packet[2:])
            if name == "heartbeat":
                self._compare(_decode_heartbeat(content).sequences)
            else:
                yield from self._in_sequence(_decode_channel_event(content))
        elif packet.startswith(_OPEN):
            self.say(_CONNECT + (msgspec.json.encode({"api_key": self._key}) if self._key else b""))
        elif packet.startswith(_CONNECTED):
            for number in range(len(self._subscriptions)):
                self._subscribe(number)
        elif packet.startswith(_ANSWER):
            self._answered(packet[packet.index(b"[") :])
        elif packet.startswith(_REFUSED):
            refusal = msgspec.json.decode(packet[2:], type=_Connected)
            status = refusal.data.status if refusal.data else 503
            raise Refusal(status, msgspec.json.encode(refusal.data) if refusal.data else packet)

    def _subscribe(self, number: int) -> None:
        asked = msgspec.json.encode(("subscribe", self._subscriptions[number]))
        self.say(_EVENT + str(number).encode() + asked)

    def _answered(self, answers: bytes) -> None:
        for answer in _decode_answer(answers):
            problem = msgspec.json.decode(answer)
            if problem.get("status") != "success":
                raise Refusal(problem["status"], bytes(answer))

    def _in_sequence(self, event: ChannelEvent) -> Iterator[ChannelEvent]:
        place = (event.channel, event.security_id)
        if event.type == "update":
            known = self._sequences.get(place)
            if known is not None and event.sequence <= known:
                return
            if known is None or event.previous_sequence > known:
                self._again(*place)
                return
        self._sequences[place] = event.sequence
        yield event

    def _compare(self, sequences: dict[str, Any]) -> None:
        """Request a snapshot of each channel whose last sequence is ahead of ours."""
        for channel, last in sequences.items():
            by_security = last.items() if isinstance(last, dict) else [(None, last)]
            for security_id, sequence in by_security:
                if self._sequences.get((channel, security_id), sequence) < sequence:
                    self._again(channel, security_id)

    def _again(self, channel: str, security_id: str | None) -> None:
        for number, asked in enumerate(self._subscriptions):
            if asked.channel == channel and asked.security_id in {None, security_id}:
                self._subscribe(number)


def events(url: str, key: str | None, subscriptions: Sequence[Subscription]) -> Iterator[ChannelEvent]:
    """Yield the channels' events for ever. After a gap or a lost connection, a new snapshot comes first.

    raises  Problem  the exchange does not accept the key or one of the channels
    """
    try:
        address = "ws" + url.rstrip("/").removeprefix("http") + PATH
        yield from messages(address, key=None, conversation=lambda: _ChannelConversation(key, subscriptions))
    except Refusal as refusal:
        raise Problem(details_of(refusal.status, refusal.body)) from None
