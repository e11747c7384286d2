"""Clients that send an order several times at once, or again before its answer.

Each copy has a connection of its own, and travels alone or in an array with other orders, while all other clients
trade. All copies have the same client order id, so they are one order: one answer is 202, the others are 200 or 202,
and all name the same order id.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from bench.chaos.clients import ANSWER_TIMEOUT_S, Line, Trader
from bench.chaos.record import Record, SentOrder

NAMES = tuple(f"CHAOS_COPIES_{number}" for number in range(3))

_MOST_ORDERS = 5
_COPIES = (2, 6)
# Shorter than most answers take during a fault, so the order is sent again while the first copy is under way [s].
_IMPATIENCE_S = (0.05, 1.0)
_MOST_IMPATIENT = 6


class Resender(Trader):
    """One such client; `ended` stops it."""

    def __init__(self, url: str, client_id: str, key: str, *, seed: int, record: Record, started_s: float) -> None:
        super().__init__(url, client_id, key, seed=seed, record=record, started_s=started_s)
        self._url, self._key = url, key
        self._lines = [Line(url, key) for _ in range(_COPIES[1])]

    def _trade(self) -> None:
        orders = [self._order(named=True) for _ in range(self._rng.randint(1, _MOST_ORDERS))]
        self._record.add(orders)
        if self._rng.random() < 0.6:
            self._send_copies(orders, copies=self._rng.randint(*_COPIES))
        else:
            self._send_impatiently(orders)

    def _send_copies(self, orders: Sequence[SentOrder], *, copies: int) -> None:
        """Send each copy of all orders at the same moment."""
        together = threading.Barrier(copies)

        def send(line: Line) -> None:
            together.wait()
            self._post(line, orders, _content(orders))

        senders = [threading.Thread(target=send, args=(line,), daemon=True) for line in self._lines[:copies]]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()

    def _send_impatiently(self, orders: Sequence[SentOrder]) -> None:
        """Send orders, disconnect before the answer, and send them again at once until they are accepted."""
        for attempt in range(_MOST_IMPATIENT):
            last = attempt == _MOST_IMPATIENT - 1
            timeout_s = ANSWER_TIMEOUT_S if last else self._rng.uniform(*_IMPATIENCE_S)
            line = Line(self._url, self._key)
            self._post(line, orders, _content(orders), timeout_s=timeout_s)
            line.close()
            if self.ended.is_set() or all(order.is_accepted for order in orders):
                return


def _content(orders: Sequence[SentOrder]) -> object:
    terms = [order.terms for order in orders]
    return terms[0] if len(terms) == 1 else terms
