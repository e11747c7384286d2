"""Reads a WebSocket for ever: a lost connection is made again, and a silent one is found out."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator
from typing import Any

from websocket import ABNF, WebSocket, WebSocketBadStatusException, WebSocketException, WebSocketTimeoutException

log = logging.getLogger(__name__)

# A connection on which nothing came for so long is asked for a sign of life, and given up after as long again [s].
SILENCE_S = 10.0
# Back-off between connections: first wait and longest [s].
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0


class Refused(Exception):
    """The exchange does not let this client read the stream."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"refused with {status}")
        self.status = status
        self.body = body


def messages(address: str, *, key: str | None, silence_s: float = SILENCE_S) -> Iterator[bytes]:
    """The text messages of a WebSocket, over as many connections as it takes.

    raises  Refused  the exchange answered the first request of a connection with a 4xx other than 429
    """
    wait_s = FIRST_WAIT_S
    while True:
        try:
            for text in _connection(address, key, silence_s):
                wait_s = FIRST_WAIT_S
                yield text
        except WebSocketBadStatusException as refusal:
            if 400 <= refusal.status_code < 500 and refusal.status_code != 429:
                raise Refused(refusal.status_code, refusal.resp_body or b"") from None
            reason = f"answered {refusal.status_code}"
        except (WebSocketException, OSError) as fault:
            reason = f"{type(fault).__name__}: {fault}"
        # Half to all of the wait, so that clients that lost the exchange together do not come back together.
        pause_s = wait_s * random.uniform(0.5, 1.0)
        log.debug("stream_lost address=%s reason=%r pause_s=%.2f", address.partition("?")[0], reason, pause_s)
        time.sleep(pause_s)
        wait_s = min(wait_s * 2, LONGEST_WAIT_S)


def _connection(address: str, key: str | None, silence_s: float) -> Iterator[bytes]:
    """The text messages of one connection; it ends by an exception only."""
    socket: Any = WebSocket(enable_multithread=False)
    asked = False
    try:
        socket.connect(
            address,
            timeout=silence_s,
            header=[f"Authorization: Bearer {key}"] if key else [],
            suppress_origin=True,  # for browsers, whose pages may be anybody's
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
                yield bytes(frame.data)
            elif opcode == ABNF.OPCODE_CLOSE:
                raise WebSocketException("closed by the exchange")
    finally:
        socket.shutdown()
