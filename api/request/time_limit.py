"""Limit the total time of a request: for Postgres, RabbitMQ and its turn together.

Each of these has a limit of its own, but one after the other they would exceed the time that a client is promised. A
greenlet serves each connection and starts the clock of each request; code that waits in it asks here for the time left.
"""

from __future__ import annotations

import time

from gevent.local import local

# The api answers every request within 5 s, whatever hangs; this leaves time to write the response [s].
ANSWER_WITHIN_S = 4.8

_request = local()


def begin(within_s: float = ANSWER_WITHIN_S) -> None:
    """Start the clock of a request."""
    _request.deadline = time.monotonic() + within_s


def left_s() -> float:
    """Return the time left for the request in this greenlet [s]; the full time outside any request."""
    deadline: float | None = getattr(_request, "deadline", None)
    return ANSWER_WITHIN_S if deadline is None else max(deadline - time.monotonic(), 0.0)
