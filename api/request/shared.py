"""Values that are the same for all callers: computed once for concurrent requests, and cached briefly."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from gevent.lock import Semaphore

from api.wire.problems import Problem

T = TypeVar("T")


class SharedValue(Generic[T]):
    """A cached value, or the cached problem of computing it.

    compute     returns the value; may raise Problem
    remember_s  time before the value is computed again
    """

    def __init__(self, compute: Callable[[], T], *, remember_s: float) -> None:
        self._compute = compute
        self._remember_s = remember_s
        self._until_s = 0.0
        self._value: T | Problem | None = None
        self._one_at_a_time = Semaphore()

    def get(self) -> T:
        """Return the value. Raises the Problem of `compute`."""
        if time.monotonic() >= self._until_s:
            with self._one_at_a_time:
                if time.monotonic() >= self._until_s:
                    self._renew()
        if isinstance(self._value, Problem):
            raise self._value.with_traceback(None)
        return self._value  # type: ignore[return-value]

    def _renew(self) -> None:
        try:
            self._value = self._compute()
        except Problem as problem:
            self._value = problem
        self._until_s = time.monotonic() + self._remember_s
