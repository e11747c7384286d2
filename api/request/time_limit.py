"""How long a request may still wait, for everything that it waits for together: Postgres, RabbitMQ and its turn.

Each of these has a limit of its own, and one after the other they would add up to more than a client is promised. A
connection is served by a greenlet of its own, in which the time of each request begins; whoever waits in it asks here
what is left.
"""

from __future__ import annotations

import time

from gevent.local import local

# Every request is answered within 5 s, whatever hangs; this leaves a moment to write the answer [s].
ANSWER_WITHIN_S = 4.8

_request = local()


def begin(within_s: float = ANSWER_WITHIN_S) -> None:
    """The time of a request begins."""
    _request.deadline = time.monotonic() + within_s


def left_s() -> float:
    """What is left of the time of the request being served [s]; all of it where none is."""
    deadline: float | None = getattr(_request, "deadline", None)
    return ANSWER_WITHIN_S if deadline is None else max(deadline - time.monotonic(), 0.0)
