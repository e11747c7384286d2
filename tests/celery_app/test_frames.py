"""The prepared frames are byte for byte those that py-amqp makes, and what has arrived in pieces is divided alike."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
from amqp import Message, spec
from amqp.method_framing import frame_handler, frame_writer
from amqp.serialization import dumps

from celery_app.frames import ACK, CONFIRM, NACK, FrameBuffer, TaskFrames, acknowledgement, joined

FRAME_MAX = 131_072
CHANNEL = 3
TASK_ID = "5c4d0f6e-6a55-4b30-9d3c-3a9a2d4f4b7e"
CONSTANT = {"lang": "py", "kwargsrepr": "{}", "ignore_result": True, "task": "matching", "origin": "gen7@höst"}
TASKS = TaskFrames(CHANNEL, exchange="from.order_entry", queue="matching.0", headers=CONSTANT, frame_max=FRAME_MAX)


class PyAmqp:
    """The bytes that py-amqp writes."""

    def __init__(self) -> None:
        self.written = b""
        connection = SimpleNamespace(frame_max=FRAME_MAX, bytes_sent=0)
        self._write_frame = frame_writer(connection, SimpleNamespace(write=self._write))

    def _write(self, some: bytes) -> None:
        self.written += bytes(some)

    def publish(self, body: bytes, size: int) -> bytes:
        headers = CONSTANT | {"id": TASK_ID, "root_id": TASK_ID, "argsrepr": f"({size} in a batch)"}
        message = Message(
            body,
            content_type="application/json",
            content_encoding="utf-8",
            application_headers=headers,
            delivery_mode=2,
            priority=0,
            correlation_id=TASK_ID,
        )
        arguments = dumps("Bssbb", (0, "from.order_entry", "matching.0", True, False))
        self._write_frame(1, CHANNEL, spec.Basic.Publish, arguments, message)
        return self.written

    def acknowledge(self, tag: int, *, multiple: bool) -> bytes:
        self._write_frame(1, CHANNEL, spec.Basic.Ack, dumps("Lb", (tag, multiple)), None)
        return self.written


def decoded(frames: list[tuple[int, int, bytes]]) -> list[tuple[Any, Any, bytes]]:
    """Return method, properties and body of the messages in frames, as py-amqp decodes them."""
    found: list[tuple[Any, Any, bytes]] = []

    def take(_channel: int, method: Any, _arguments: bytes, content: Any) -> None:
        found.append((method, content and content.properties, content and content.body))

    # Only delivered messages have content in this direction.
    take_frame = frame_handler(SimpleNamespace(bytes_recv=0), take, content_methods=frozenset([spec.Basic.Publish]))
    for frame in frames:
        take_frame(frame)
    return found


@pytest.mark.parametrize("size", [0, 1, 2_000, 10**9])
@pytest.mark.parametrize(
    "length", [1, 40, FRAME_MAX - 800, FRAME_MAX - 9, FRAME_MAX - 8, FRAME_MAX - 7, 3 * FRAME_MAX, 1_000_003]
)
def test_a_published_task_is_what_py_amqp_writes(length: int, size: int) -> None:
    body = random.Random(length).randbytes(length)
    assert joined([TASKS.of(TASK_ID, body, size=size)]) == PyAmqp().publish(body, size)


def test_several_tasks_in_one_write_decode_to_the_same_messages() -> None:
    bodies = [b"{}", b"x" * (2 * FRAME_MAX), b"[1, 2]"]
    arrived = FrameBuffer()
    arrived.add(joined(TASKS.of(TASK_ID, body, size=place) for place, body in enumerate(bodies)))
    frames = []
    while (frame := arrived.next()) is not None:
        frames.append(frame)
    messages = decoded(frames)
    assert [body for _, _, body in messages] == bodies
    for place, (method, properties, _) in enumerate(messages):
        assert method == spec.Basic.Publish
        assert properties["application_headers"] == CONSTANT | {
            "id": TASK_ID,
            "root_id": TASK_ID,
            "argsrepr": f"({place} in a batch)",
        }
        assert properties["correlation_id"] == TASK_ID
        assert properties["delivery_mode"] == 2


@pytest.mark.parametrize("tag", [1, 255, 2**63])
@pytest.mark.parametrize("multiple", [False, True])
def test_an_acknowledgement_is_what_py_amqp_writes(tag: int, multiple: bool) -> None:
    assert acknowledgement(CHANNEL, tag, multiple=multiple) == PyAmqp().acknowledge(tag, multiple=multiple)


@pytest.mark.parametrize(
    ("method", "constant", "arguments"),
    [(spec.Basic.Ack, ACK, dumps("Lb", (7, True))), (spec.Basic.Nack, NACK, dumps("Lbb", (7, True, False)))],
)
def test_confirms_are_recognised_and_read(method: tuple[int, int], constant: bytes, arguments: bytes) -> None:
    ((found, _, _),) = decoded([(1, CHANNEL, constant + arguments)])
    assert found == method
    tag, bits = CONFIRM.unpack_from(constant + arguments, len(constant))
    assert (tag, bits & 1) == (7, 1)


def test_frames_that_arrive_in_any_pieces_are_the_same() -> None:
    dice = random.Random(5)
    parts = [TASKS.of(TASK_ID, dice.randbytes(dice.randrange(1, 400)), size=1) for _ in range(20)]
    stream = joined(parts)
    whole = FrameBuffer()
    whole.add(stream)
    frames = list(iter(whole.next, None))
    assert len(frames) == 3 * len(parts)
    assert not len(whole)
    for longest in (1, 7, 100, 5_000):
        pieces = FrameBuffer()
        found: list[tuple[int, int, bytes]] = []
        at = 0
        while at < len(stream):
            step = dice.randint(1, longest)
            pieces.add(stream[at : at + step])
            at += step
            found += iter(pieces.next, None)
        assert found == frames


def test_bytes_that_are_no_frame_are_refused() -> None:
    arrived = FrameBuffer()
    arrived.add(acknowledgement(CHANNEL, 1, multiple=False)[:-1] + b"\0")
    with pytest.raises(ValueError, match="ends with 0x00"):
        arrived.next()
