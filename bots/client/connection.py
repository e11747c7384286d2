"""Sends requests to the exchange, and repeats them where needed, over one persistent connection.

A request without a clear answer is repeated until there is one or patience ends. That is safe: orders carry a client
order id, transfers a transfer id, and most other requests have the same effect when they arrive twice. Those that do
not are marked `repeatable=False`, and their caller handles the uncertainty.
"""

from __future__ import annotations

import logging
import random
import time
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
import requests

from bots.client.rate_limit import RateLimit
from bots.contract import ProblemDetails
from bots.errors import Problem, Unavailable

T = TypeVar("T")
Query = dict[str, str]

log = logging.getLogger(__name__)

# Back-off between attempts: first wait, and longest unless the exchange asks for more [s].
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0
# The codes of a 503 to a request of which nothing was queued, for certain.
NOT_QUEUED = ("not_accepted", "unavailable")


class Connection:
    """Talks to one exchange with one key; for use by one thread.

    url         base address, such as http://127.0.0.1:8000
    key         the client's key; market data needs none
    patience_s  how long a request is repeated before Unavailable is raised [s]
    timeout_s   how long one attempt waits for its answer [s]
    """

    def __init__(self, url: str, key: str | None = None, *, patience_s: float = 30.0, timeout_s: float = 10.0) -> None:
        self.url = url.rstrip("/")
        self.key = key
        self.rate_limit = RateLimit()
        self._patience_s = patience_s
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy setting and no .netrc may change the account that trades
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"

    def get(self, path: str, form: type[T], query: Query | None = None) -> T:
        """Send a GET request and decode the answer. Raises Problem, Unavailable."""
        return self.ask("GET", path, form, query=query)

    def post(self, path: str, content: Any, form: type[T], *, orders: int = 0) -> T:
        """Send a POST request; `orders` of it count against the rate limit. Raises Problem, Unavailable."""
        return self.ask("POST", path, form, content=content, orders=orders)

    def ask(
        self,
        method: str,
        path: str,
        form: type[T],
        *,
        query: Query | None = None,
        content: Any = None,
        orders: int = 0,
        repeatable: bool = True,
    ) -> T:
        """Send a request until it is answered or patience ends.

        raises  Problem      the exchange refuses the request
                Unavailable  no answer, or none but "later"; a request that is not repeatable may have taken effect
        """
        body = None if content is None else msgspec.json.encode(content)
        deadline_s = time.monotonic() + self._patience_s
        wait_s = FIRST_WAIT_S
        outcome_unknown = False  # of any attempt
        time.sleep(min(self.rate_limit.wait_s(orders, time.monotonic()), self._patience_s))
        while True:
            try:
                return msgspec.json.decode(self._attempt(method, path, query, body), type=form)
            except Unavailable as failure:
                outcome_unknown = failure.outcome_unknown = outcome_unknown or failure.outcome_unknown
                pause_s = max(failure.retry_after_s or 0.0, wait_s * random.uniform(0.5, 1.0))
                if not repeatable or time.monotonic() + pause_s > deadline_s:
                    raise
                log.debug("attempt_failed path=%s reason=%r pause_s=%.2f", path, str(failure), pause_s)
            time.sleep(pause_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    def _attempt(self, method: str, path: str, query: Query | None, body: bytes | None) -> bytes:
        """Return the answer's body. Raises Problem, and Unavailable where another attempt makes sense."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            answer = self._session.request(
                method, self.url + path, params=query, data=body, headers=headers, timeout=self._timeout_s
            )
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as fault:
            raise Unavailable(f"{self.url} does not answer: {type(fault).__name__}") from fault
        self.rate_limit.learn(answer.headers, time.monotonic())
        if answer.ok:
            return answer.content
        details = details_of(answer.status_code, answer.content)
        if answer.status_code == 429 or answer.status_code >= 500:
            reason = f"{self.url} answers {details.status} {details.code or details.title}"
            raise Unavailable(
                reason,
                retry_after_s=_seconds(answer.headers.get("Retry-After")),
                outcome_unknown=answer.status_code != 429 and details.code not in NOT_QUEUED,
            )
        raise Problem(details)


def details_of(status: int, body: bytes) -> ProblemDetails:
    """Decode the problem of an answer; if it does not come from the exchange, quote its beginning."""
    try:
        return msgspec.json.decode(body, type=ProblemDetails)
    except msgspec.MsgspecError:
        return ProblemDetails(status=status, title="not a response of the exchange", detail=repr(body[:80]))


def part(text: str) -> str:
    """Quote a path segment."""
    return quote(text, safe="")


def query_of(**given: object) -> Query:
    """Return the query parameters that are not None."""
    return {name.rstrip("_"): str(value) for name, value in given.items() if value is not None}


def _seconds(header: str | None) -> float | None:
    """Parse Retry-After in seconds, the only form that the exchange uses."""
    return float(header) if header and header.isdigit() else None
