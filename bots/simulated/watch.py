"""Ends a callback that never ends by itself.

One timer of the real clock ticks for the whole match, so that a callback costs nothing but its number: one that is
under way still after so many ticks is interrupted where it is. Ticks are counted and not seconds, so a machine that
slept, or was busy elsewhere, is nobody's fault. What is deterministic stays so: a callback that loops for ever does
so each time, and what it has sent by then is not sent at all.

Only Python code can be interrupted so, and only in the main thread. A call of a library in C that never returns, or
code that defends itself in two layers, takes the process with it, and is for whoever watches that.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Ticks that a callback may see.
_TICKS = 4


class Hung(BaseException):
    """A callback takes longer than it may. No Exception, so that a bot which catches all of these does not catch it."""


class Watch:
    """Counts the callbacks, and interrupts the one that lasts.

    patience_s  how long one may take at least [s]
    calling     is told who is called, and 0 when that is over, for whoever watches the process from outside
    """

    __slots__ = ("_calling", "_last", "_patience_s", "_running", "_ticks", "_turn")

    def __init__(self, patience_s: float, calling: Callable[[int], object] | None = None) -> None:
        self._patience_s = patience_s
        self._calling = calling
        self._turn = 0  # number of the callback
        self._running = False
        self._last = 0
        self._ticks = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch over what happens inside the block; elsewhere than in the main thread nobody does."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGALRM, self._tick)
        tick_s = self._patience_s / (_TICKS - 1)
        signal.setitimer(signal.ITIMER_REAL, tick_s, tick_s)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def call(self, who: int, step: Callable[..., object], *arguments: object) -> None:
        """Make a callback of somebody; raises what it raises, and Hung."""
        if self._calling is not None:
            self._calling(who)
        self._turn += 1
        self._running = True
        try:
            step(*arguments)
        finally:
            self._running = False
            if self._calling is not None:
                self._calling(0)
            if self._ticks > _TICKS:
                sys.settrace(None)

    def _tick(self, _signal: int, frame: FrameType | None) -> None:
        if not self._running or self._turn != self._last:
            self._last, self._ticks = self._turn, 0
            return
        self._ticks += 1
        if self._ticks < _TICKS:
            return
        if self._ticks > _TICKS:
            # It has caught the interruption and goes on: from now on every line of it is one.
            sys.settrace(_leave_alone)
            while frame is not None and frame.f_code is not Watch.call.__code__:
                frame.f_trace = _interrupt
                frame = frame.f_back
        raise Hung(f"a callback was still running after {self._patience_s:g} s")


def _leave_alone(*_: object) -> None:
    """New calls are not traced, only what is under way."""


def _interrupt(_frame: FrameType, event: str, _argument: Any) -> Any:
    if event == "line":
        raise Hung("a callback went on although it was interrupted")
    return _interrupt
