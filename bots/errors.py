"""The errors of a client.

ExchangeError
├── Problem         the exchange refuses the request; repeating it gives the same answer
└── Unavailable     no answer, or none but "later", until the client's patience ended
"""

from __future__ import annotations

from bots.contract import ProblemDetails


class ExchangeError(Exception):
    """The exchange did not carry out a request."""


class Problem(ExchangeError):
    """The exchange refuses the request; `code` says why."""

    def __init__(self, details: ProblemDetails) -> None:
        faults = "; ".join(f"{fault.pointer} {fault.detail}" for fault in details.errors)
        super().__init__(f"{details.status} {details.code or details.title}: {faults or details.detail}")
        self.details = details
        self.status = details.status
        self.code = details.code


class Unavailable(ExchangeError):
    """The exchange cannot be reached or is too busy.

    `retry_after_s` is the wait that the exchange asks for [s], or None; `outcome_unknown` says whether the request may
    have been accepted; `client_order_id` identifies the order, for a query or for sending it again.
    """

    def __init__(self, reason: str, *, retry_after_s: float | None = None, outcome_unknown: bool = True) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.outcome_unknown = outcome_unknown
        self.client_order_id: str | None = None
