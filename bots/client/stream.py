"""Reads a WebSocket for ever: reconnects a lost connection and detects a silent one."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from websocket import ABNF, WebSocket, WebSocketBadStatusException, WebSocketException, WebSocketTimeoutException

M = TypeVar("M")

log = logging.getLogger(__name__)

# After this long without a message a connection is pinged; after as long again it is given up [s].
SILENCE_S = 10.0
# Back-off between connections: first wait and longest [s].
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0


class Refusal(Exception):
    """The exchange refuses this client the stream."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"refused with {status}")
        self.status = status
        self.body = body


class Conversation(Generic[M]):
    """One connection's protocol: turns texts into messages, and may answer them."""

    say: Callable[[bytes], None]

    def hear(self, text: bytes) -> Iterator[M]:
        """Yield the messages of a text. Raises Refusal."""
        raise NotImplementedError


class PlainConversation(Conversation[bytes]):
    """Passes each text on as it is, and never answers."""

    def hear(self, text: bytes) -> Iterator[bytes]:
        """Yield the text itself."""
        yield text


def messages(
    address: str, *, key: str | None, conversation: Callable[[], Conversation[M]], silence_s: float = SILENCE_S
) -> Iterator[M]:
    """Yield the messages of a WebSocket, reconnecting as often as needed.

    raises  Refusal  the exchange answered a connection attempt with a 4xx other than 429
    """
    wait_s = FIRST_WAIT_S
    while True:
        try:
            for message in _connection(address, key, conversation(), silence_s):
                wait_s = FIRST_WAIT_S
                yield message
        except WebSocketBadStatusException as refusal:
            if _is_final(refusal.status_code):
                raise Refusal(refusal.status_code, refusal.resp_body or b"") from None
            reason = f"answered {refusal.status_code}"
        except Refusal as refusal:
            if _is_final(refusal.status):
                raise
            reason = str(refusal)
        except (WebSocketException, OSError) as fault:
            reason = f"{type(fault).__name__}: {fault}"
        # Half to all of the wait, so that clients that lost the exchange together do not reconnect together.
        pause_s = wait_s * random.uniform(0.5, 1.0)
        log.debug("stream_lost address=%s reason=%r pause_s=%.2f", address.partition("?")[0], reason, pause_s)
        time.sleep(pause_s)
        wait_s = min(wait_s * 2, LONGEST_WAIT_S)


def _is_final(status: int) -> bool:
    return 400 <= status < 500 and status != 429


def _connection(address: str, key: str | None, conversation: Conversation[M], silence_s: float) -> Iterator[M]:
    """Yield the messages of one connection; it ends only with an exception."""
    socket: Any = WebSocket(enable_multithread=False)
    conversation.say = socket.send
    asked = False
    try:
        socket.connect(
            address,
            timeout=silence_s,
            header=[f"Authorization: Bearer {key}"] if key else [],
            suppress_origin=True,  # only browsers need it
            http_no_proxy=["*"],
        )
        while True:
            try:
                opcode, frame = socket.recv_data_frame(control_frame=True)
            except WebSocketTimeoutException:
                if asked:
                    raise
                socket.ping()
                asked = True
                continue
            asked = False
            if opcode == ABNF.OPCODE_TEXT:
                yield from conversation.hear(bytes(frame.data))
            elif opcode == ABNF.OPCODE_CLOSE:
                raise WebSocketException("closed by the exchange")
    finally:
        socket.shutdown()
