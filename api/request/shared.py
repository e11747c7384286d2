"""Answers that are the same for all who ask: computed once for those who ask at the same time, and a moment longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from gevent.lock import Semaphore

from api.wire.problems import Problem

T = TypeVar("T")


class Shared(Generic[T]):
    """A value that is remembered; a problem that comes instead is, too.

    compute     makes the value; may raise Problem
    remember_s  how long it is given out
    """

    def __init__(self, compute: Callable[[], T], *, remember_s: float) -> None:
        self._compute = compute
        self._remember_s = remember_s
        self._until_s = 0.0
        self._value: T | Problem | None = None
        self._one_at_a_time = Semaphore()

    def get(self) -> T:
        """Return the value. Raises what `compute` raises."""
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
