"""The record of the requests and answers of a chaos run.

The client order id identifies an order. The answers to its attempts determine the possible outcomes, and the exchange
must show one of them.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

# The meaning of an answer: the order is queued; it is not; it may be; the exchange refused its terms.
Outcome = Literal["accepted", "not accepted", "unknown", "refused"]


@dataclass(slots=True)
class Attempt:
    """One sending of an order, alone or in an array, and its answer.

    sent_s, took_s  since the start of the run, and until the answer [s]
    status, code    of HTTP, and of the problem; 0 without an answer
    order_id        in the answer
    """

    sent_s: float
    took_s: float
    status: int
    code: str
    order_id: int | None = None

    @property
    def outcome(self) -> Outcome:
        """The meaning of the answer."""
        if self.status in (200, 202):
            return "accepted"
        if self.status == 0 or self.code == "unknown_outcome":
            return "unknown"
        if self.status == 503:
            return "not accepted"  # the code not_accepted, and refusals before any work
        return "refused"


@dataclass(slots=True)
class SentOrder:
    """An order with all attempts to send it."""

    client_id: str
    client_order_id: str | None
    terms: dict[str, Any]
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def outcomes(self) -> set[Outcome]:
        """The meanings of all answers."""
        return {attempt.outcome for attempt in self.attempts}

    @property
    def is_accepted(self) -> bool:
        """Whether an answer says that the exchange has the order."""
        return "accepted" in self.outcomes

    @property
    def is_open(self) -> bool:
        """Whether no answer says if the exchange has the order."""
        return not self.is_accepted and "unknown" in self.outcomes

    @property
    def order_ids(self) -> set[int]:
        """The order ids of its acceptances; more than one is a fault."""
        return {attempt.order_id for attempt in self.attempts if attempt.order_id is not None}


class Record:
    """All orders of a run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: list[SentOrder] = []
        self.answers: Counter[str] = Counter()
        self.slowest_s = 0.0

    def add(self, orders: Iterable[SentOrder]) -> None:
        """Add orders before their first attempt."""
        with self._lock:
            self._sent += orders

    def count(self, attempt: Attempt) -> None:
        """Count an answer to an order or a request."""
        with self._lock:
            self.answers[f"{attempt.status or 'none'} {attempt.code}".strip()] += 1
            self.slowest_s = max(self.slowest_s, attempt.took_s)

    def __iter__(self) -> Iterator[SentOrder]:
        with self._lock:
            return iter(list(self._sent))

    @property
    def accepted(self) -> int:
        """The number of accepted orders."""
        return sum(sent.is_accepted for sent in self)

    def write(self, file: Path) -> None:
        """Write one line of JSON for each order."""
        with file.open("w") as out:
            for sent in self:
                out.write(json.dumps(asdict(sent)) + "\n")
