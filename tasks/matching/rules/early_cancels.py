"""Cancels that were sequenced before their orders, and wait for them.

Order entry sequences a cancel only after its order. Older logs contain cancels of orders that had not arrived yet, or
of ids without an order. A cancel that waits in vain is refused after a number of commands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from tasks.matching.rules.state import WaitingCancel
from tasks.messages import CancelOrder

_NEVER: Final = 2**62


class EarlyCancels:
    """The waiting cancels by order, the oldest first; after command `next_expiry` the oldest one expires."""

    __slots__ = ("_commands", "_expiries", "by_order", "next_expiry")

    def __init__(self, waiting: Iterable[WaitingCancel], *, commands: int) -> None:
        """Take the waiting cancels of a state, by age; each waits for `commands` commands."""
        self.by_order: dict[int, list[WaitingCancel]] = {}
        self._expiries: deque[tuple[int, int]] = deque()  # (seq, order id), including cancels already taken
        self._commands = commands
        self.next_expiry = _NEVER
        for one in waiting:
            self.add(one.seq, one.cancel)

    def add(self, seq: int, cancel: CancelOrder) -> None:
        """Let a cancel wait from command `seq` on."""
        self.by_order.setdefault(cancel.order_id, []).append(WaitingCancel(seq, cancel))
        self._expiries.append((seq, cancel.order_id))
        self.next_expiry = self._expiries[0][0] + self._commands

    def take(self, order_id: int) -> list[CancelOrder]:
        """Remove and return the cancels of an order that has arrived."""
        return [waiting.cancel for waiting in self.by_order.pop(order_id, ())]

    def expired(self, seq: int) -> list[CancelOrder]:
        """Remove and return the cancels that have waited too long by command `seq`."""
        cancels = []
        while self._expiries and self._expiries[0][0] + self._commands < seq:
            since, order_id = self._expiries.popleft()
            waiting = self.by_order.get(order_id)
            if waiting and waiting[0].seq == since:
                cancels.append(waiting.pop(0).cancel)
                if not waiting:
                    del self.by_order[order_id]
        self.next_expiry = self._expiries[0][0] + self._commands if self._expiries else _NEVER
        return cancels

    def by_age(self) -> list[WaitingCancel]:
        """Return all waiting cancels, the oldest first."""
        return sorted((one for waiting in self.by_order.values() for one in waiting), key=lambda one: one.seq)
