"""The pause after a batch of several messages, in which a stage lets more of them gather.

The fixed cost of a batch, in the stage and its Postgres, equals that of about a hundred orders. Two processors that all
stages share make batches of a few dozen single orders, and would spend most of their time on batches. A short pause
makes the batches larger and leaves the processors to the other stages. A message that came alone starts no pause, and
neither does a batch so large that its fixed cost no longer matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from kombu.message import Message

# What each message beyond the first, and each byte, adds to the pause, and the longest pause [s].
MESSAGE_S: Final = 0.003
BYTE_S: Final = 2.5e-6
LONGEST_S: Final = 0.025
# A batch of about a thousand orders.
LARGE_BYTES: Final = 128_000


def gathering_s(messages: int, size: int, *, most: int) -> float:
    """Return how long to wait after a batch [s].

    messages, size  in the batch, and in their bodies [bytes]
    most            messages that a batch can have
    """
    if messages < 2 or is_enough(messages, size, most=most):
        return 0.0
    return min((messages - 1) * MESSAGE_S + size * BYTE_S, LONGEST_S)


def is_enough(messages: int, size: int, *, most: int) -> bool:
    """Return whether a batch gains nothing from more messages."""
    return messages >= most or size >= LARGE_BYTES


class Gathering:
    """The pauses of one handler.

    loop    returns the worker's loop
    on_end  called when the time of a pause is over
    most    messages that a batch can have
    """

    def __init__(self, loop: Callable[[], Any], on_end: Callable[[], None], *, most: int) -> None:
        self._loop = loop
        self._on_end = on_end
        self._most = most
        self._timer: Any = None

    def begin_after(self, handled: Sequence[Message]) -> None:
        """Begin the pause that these messages call for, if any."""
        pause_s = gathering_s(len(handled), _size(handled), most=self._most)
        if pause_s:
            self._timer = self._loop().call_later(pause_s, self._end)

    def holds(self, waiting: Sequence[Message]) -> bool:
        """Return whether messages wait for others; as soon as they are enough, the pause is over."""
        if self._timer is None:
            return False
        if not is_enough(len(waiting), _size(waiting), most=self._most):
            return True
        self.cancel()
        return False

    def cancel(self) -> bool:
        """End the pause without the call; return whether there was one."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        return timer is not None

    def _end(self) -> None:
        self._timer = None
        self._on_end()


def _size(messages: Sequence[Message]) -> int:
    return sum(len(message.body) for message in messages)
