"""What the clients of a chaos run keep of everything that they asked and were answered.

An order is told from all others by its client order id. What was answered to its attempts says what may be true of it
in the end, and nothing else may be.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

# What an answer says of an order: it is queued; surely not; perhaps; it was refused for what it asks.
Outcome = Literal["accepted", "not accepted", "unknown", "refused"]


@dataclass(slots=True)
class Attempt:
    """One sending of an order, alone or in an array, and the answer.

    sent_s, took_s  since the start of the run, and until the answer [s]
    status, code    of HTTP and of the problem; 0 when there was no answer
    order_id        that the answer names
    """

    sent_s: float
    took_s: float
    status: int
    code: str
    order_id: int | None = None

    @property
    def outcome(self) -> Outcome:
        """What it says of the order."""
        if self.status in (200, 202):
            return "accepted"
        if self.status == 0 or self.code == "unknown_outcome":
            return "unknown"
        if self.status == 503:
            return "not accepted"  # not_accepted itself, and what is refused before anything is done
        return "refused"


@dataclass(slots=True)
class Sent:
    """An order, and all attempts to send it."""

    client_id: str
    client_order_id: str | None
    terms: dict[str, Any]
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def outcomes(self) -> set[Outcome]:
        """What its answers said."""
        return {attempt.outcome for attempt in self.attempts}

    @property
    def is_accepted(self) -> bool:
        """Whether the exchange has promised that it has the order."""
        return "accepted" in self.outcomes

    @property
    def is_open(self) -> bool:
        """Whether only the exchange knows: perhaps it has it."""
        return not self.is_accepted and "unknown" in self.outcomes

    @property
    def order_ids(self) -> set[int]:
        """The order ids under which it was accepted; more than one is one too many."""
        return {attempt.order_id for attempt in self.attempts if attempt.order_id is not None}


class Record:
    """All orders of a run, from all clients."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: list[Sent] = []
        self.answers: Counter[str] = Counter()
        self.slowest_s = 0.0

    def add(self, orders: Iterable[Sent]) -> None:
        """Keep orders that are about to be sent for the first time."""
        with self._lock:
            self._sent += orders

    def count(self, attempt: Attempt) -> None:
        """Count an answer, of one order or of a request."""
        with self._lock:
            self.answers[f"{attempt.status or 'none'} {attempt.code}".strip()] += 1
            self.slowest_s = max(self.slowest_s, attempt.took_s)

    def __iter__(self) -> Iterator[Sent]:
        with self._lock:
            return iter(list(self._sent))

    @property
    def accepted(self) -> int:
        """How many orders the exchange has promised to have."""
        return sum(sent.is_accepted for sent in self)

    def write(self, file: Path) -> None:
        """Keep it as one line of JSON an order."""
        with file.open("w") as out:
            for sent in self:
                out.write(json.dumps(asdict(sent)) + "\n")
