"""The AMQP 0-9-1 frames that a stage writes for each message: those of a published task, and of an acknowledgement.

py-amqp encodes the same headers again for each message, and writes each message and each acknowledgement separately.
Here py-amqp encodes the common parts of all messages to a queue once, and each message's own parts are inserted. A test
compares the result with py-amqp's own frames, byte by byte. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any, Final

from amqp import Message, spec
from amqp.serialization import dumps

METHOD: Final = 1
_HEADER: Final = 2
_BODY: Final = 3
_END: Final = b"\xce"
# Type, channel and size before the payload of a frame, and one byte after it.
HEAD: Final = Struct(">BHI")
AROUND: Final = HEAD.size + len(_END)

_METHOD_ID: Final = Struct(">HH")
_HEADER_BEGIN: Final = Struct(">HHQ")  # class, weight 0, and the size of the body
_LENGTH: Final = Struct(">I")
_TAG: Final = Struct(">HHQB")
_BASIC: Final = spec.Basic.Ack[0]

ACK: Final = _METHOD_ID.pack(*spec.Basic.Ack)
NACK: Final = _METHOD_ID.pack(*spec.Basic.Nack)
# Delivery tag and bits of a confirm, after its method; the lowest bit says that it includes all earlier tags.
CONFIRM: Final = Struct(">QB")

# A task id, as uuid4 makes it.
_ID_BYTES: Final = 36
_PLACE: Final = "-" * _ID_BYTES


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Return a frame."""
    return HEAD.pack(kind, channel, len(payload)) + payload + _END


def acknowledgement(channel: int, tag: int, *, multiple: bool) -> bytes:
    """Return the frame that acknowledges a delivery, and with `multiple` all earlier ones that are not settled."""
    return frame(METHOD, channel, _TAG.pack(*spec.Basic.Ack, tag, multiple))


class TaskFrames:
    """The frames of the tasks that one channel publishes to one queue.

    The messages have only those of Celery's headers that carry information; a worker reads an absent header as None.

    frame_max  the largest frame that RabbitMQ takes [bytes]
    """

    def __init__(self, channel: int, *, exchange: str, queue: str, headers: dict[str, Any], frame_max: int) -> None:
        self._channel = channel
        self._most = frame_max - AROUND
        publish = dumps("Bssbb", (0, exchange, queue, True, False))  # mandatory: RabbitMQ returns it if it has no queue
        self._method = frame(METHOD, channel, _METHOD_ID.pack(*spec.Basic.Publish) + publish)
        properties = Message(  # noqa: SLF001  # py-amqp has no public name for it
            content_type="application/json",
            content_encoding="utf-8",
            application_headers={},
            delivery_mode=2,
            priority=0,
            correlation_id=_PLACE,
        )._serialize_properties()
        before, after = properties.split(_LENGTH.pack(0))
        self._before, self._after = before, after.removesuffix(_PLACE.encode())
        self._headers = _table(headers)
        self._id, self._root_id = (_table({name: _PLACE}).removesuffix(_PLACE.encode()) for name in ("id", "root_id"))
        self._size = _table({"argsrepr": ""}).removesuffix(_LENGTH.pack(0))

    def of(self, task_id: str, body: bytes, *, size: int) -> list[bytes]:
        """Return the frames of a message, to be written one after the other.

        task_id  as uuid4 makes it
        body     in JSON
        size     the number of orders or events in it, which Flower shows
        """
        identity, about = task_id.encode(), b"(%d in a batch)" % size
        table = b"".join(
            (self._headers, self._id, identity, self._root_id, identity, self._size, _LENGTH.pack(len(about)), about)
        )
        properties = (self._before, _LENGTH.pack(len(table)), table, self._after, identity)
        header = b"".join((_HEADER_BEGIN.pack(_BASIC, 0, len(body)), *properties))
        frames = [self._method, frame(_HEADER, self._channel, header)]
        for start in range(0, len(body), self._most):
            part = body[start : start + self._most]
            frames += (HEAD.pack(_BODY, self._channel, len(part)), part, _END)
        return frames


def _table(headers: dict[str, Any]) -> bytes:
    """Return the entries of a table without the length that precedes them."""
    return bytes(dumps("F", (headers,))[_LENGTH.size :])


class FrameBuffer:
    """Bytes that have arrived, divided into frames."""

    def __init__(self) -> None:
        self._bytes = b""
        self._at = 0

    def __len__(self) -> int:
        """Return the number of bytes that are not taken yet."""
        return len(self._bytes) - self._at

    def add(self, arrived: bytes) -> None:
        """Append bytes that have arrived."""
        self._bytes = self._bytes[self._at :] + arrived if len(self) else arrived
        self._at = 0

    def next(self) -> tuple[int, int, bytes] | None:
        """Take the next frame, as type, channel and payload; None while it is not complete.

        raises  ValueError  these bytes are not a frame
        """
        begin = self._at + HEAD.size
        if begin > len(self._bytes):
            return None
        kind, channel, size = HEAD.unpack_from(self._bytes, self._at)
        end = begin + size
        if end >= len(self._bytes):
            return None
        if self._bytes[end] != _END[0]:
            raise ValueError(f"a frame of type {kind} ends with {self._bytes[end]:#04x}")
        self._at = end + 1
        return kind, channel, self._bytes[begin:end]


def joined(messages: Iterable[list[bytes]]) -> bytes:
    """Return the frames of several messages as one write."""
    return b"".join(part for message in messages for part in message)
