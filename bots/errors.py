"""What can go wrong between a client and the exchange.

ExchangeError
├── Problem         the exchange has answered no; the same request again gets the same answer
└── Unavailable     no answer, or none but "later", for as long as the client has patience
"""

from __future__ import annotations

from bots.contract import ProblemDetails


class ExchangeError(Exception):
    """The exchange did not do what it was asked to."""


class Problem(ExchangeError):
    """The exchange has answered no, and says why in `code`."""

    def __init__(self, details: ProblemDetails) -> None:
        faults = "; ".join(f"{fault.pointer} {fault.detail}" for fault in details.errors)
        super().__init__(f"{details.status} {details.code or details.title}: {faults or details.detail}")
        self.details = details
        self.status = details.status
        self.code = details.code


class Unavailable(ExchangeError):
    """The exchange cannot be reached or is too busy. An order that was sent may have been accepted or not.

    `retry_after_s` is how long the exchange asked to be left alone, or None; `client_order_id` is that of the order
    that was sent, by which to ask for it or to send it again.
    """

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.client_order_id: str | None = None
