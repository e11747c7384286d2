"""Interrupts a callback that never returns.

One timer of the real clock ticks for the whole match, so a callback costs only the increment of its number. A callback
that is still running after a few ticks is interrupted. The watch counts ticks instead of seconds, so a machine that
slept or was busy elsewhere disqualifies no bot. The match stays deterministic: a callback that loops for ever does so
in every run, and none of its requests is sent.

Only Python code in the main thread can be interrupted. A C library call that never returns, or code that catches the
interruption repeatedly, is left to the process that watches this one.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, TypeVar

# A callback is interrupted at this tick.
_TICKS = 4


class CallbackTimeout(BaseException):
    """A callback takes longer than it may. A bot that catches Exception does not catch it."""


# The functions that call bots themselves, instead of through Watch.call; see `calls_bots`.
_CALLERS: set[CodeType] = set()

Caller = TypeVar("Caller", bound=Callable[..., object])


def calls_bots(caller: Caller) -> Caller:
    """Mark a function that calls bots itself, as Watch.call does: it numbers the call and says when it runs."""
    _CALLERS.add(caller.__code__)
    return caller


class Watch:
    """Numbers the callbacks, and interrupts one that takes too long.

    patience_s  time that every callback is allowed at least [s]
    calling     receives the number of the bot before a call and 0 after it, for a process that watches this one
    turn        number of the callback
    running     whether it runs
    """

    __slots__ = ("_last", "_patience_s", "_ticks", "calling", "running", "turn")

    def __init__(self, patience_s: float, calling: Callable[[int], object] | None = None) -> None:
        self._patience_s = patience_s
        self.calling = calling
        self.turn = 0
        self.running = False
        self._last = 0
        self._ticks = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the calls inside the block; outside the main thread this does nothing."""
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

    @calls_bots
    def call(self, bot: int, step: Callable[..., object], *arguments: object) -> None:
        """Make a callback of a bot. Raises CallbackTimeout and any exception of the callback."""
        if self.calling is not None:
            self.calling(bot)
        self.turn += 1
        self.running = True
        try:
            step(*arguments)
        finally:
            self.running = False
            self.returned()

    def returned(self) -> None:
        """Note that a callback has returned."""
        if self.calling is not None:
            self.calling(0)
        if self._ticks > _TICKS:
            sys.settrace(None)

    def _tick(self, _signal: int, frame: FrameType | None) -> None:
        if not self.running or self.turn != self._last:
            self._last, self._ticks = self.turn, 0
            return
        self._ticks += 1
        if self._ticks < _TICKS:
            return
        if self._ticks > _TICKS:
            # The callback has caught the interruption: from now on each of its lines raises another.
            sys.settrace(_leave_alone)
            while frame is not None and frame.f_code not in _CALLERS:
                frame.f_trace = _interrupt
                frame = frame.f_back
        raise CallbackTimeout(f"a callback was still running after {self._patience_s:g} s")


def _leave_alone(*_: object) -> None:
    """Trace no new calls, only the frames that are already running."""


def _interrupt(_frame: FrameType, event: str, _argument: Any) -> Any:
    if event == "line":
        raise CallbackTimeout("a callback continued although it was interrupted")
    return _interrupt
