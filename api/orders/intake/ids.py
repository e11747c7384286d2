"""Ids for orders and commands, from blocks that the api fetches before it needs them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable

import gevent
import structlog
from gevent.event import Event

from api.request.time_limit import left_s
from api.wire.problems import Problem

log = structlog.get_logger()

# The api fetches more when it holds fewer ids than this: orders pass for a while even when Postgres does not answer.
LEAST_AT_HAND = 5_000
WAIT_S = 4.5
RETRY_S = 0.5


class OrderIds:
    """Hands out ids, each only once over all processes.

    next_blocks  fetches more ids; may raise Problem
    """

    def __init__(self, next_blocks: Callable[[], Iterable[range]]) -> None:
        self._next_blocks = next_blocks
        self._blocks: deque[range] = deque()
        self._at_hand = 0
        self._wanted = Event()
        self._wanted.set()
        self._fetched = Event()
        gevent.spawn(self._fetch)

    def take(self, count: int) -> list[int]:
        """Return `count` ids. Raises Problem (503) when they cannot be fetched in time."""
        if self._at_hand < count:
            self._wait_for(count)
        taken: list[int] = []
        while len(taken) < count:
            block = self._blocks.popleft()
            part = block[: count - len(taken)]
            taken += part
            if len(part) < len(block):
                self._blocks.appendleft(block[len(part) :])
        self._at_hand -= count
        if self._at_hand < LEAST_AT_HAND:
            self._wanted.set()
        return taken

    def _wait_for(self, count: int) -> None:
        deadline = time.monotonic() + min(WAIT_S, left_s())
        self._wanted.set()
        while self._at_hand < count:
            self._fetched.clear()
            if not self._fetched.wait(max(deadline - time.monotonic(), 0)):
                raise Problem(503, "not_accepted", "no order ids are available; nothing was queued", retry=True)

    def _fetch(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            while self._at_hand < LEAST_AT_HAND:
                try:
                    blocks = self._next_blocks()
                except Exception as fault:
                    # Any fault at all: without this greenlet there would never be ids again.
                    known = isinstance(fault, Problem)
                    log.warning("order_ids_delayed", fault=str(fault)[:200], exc_info=not known)
                    gevent.sleep(RETRY_S)
                    continue
                for block in blocks:
                    self._blocks.append(block)
                    self._at_hand += len(block)
                self._fetched.set()
