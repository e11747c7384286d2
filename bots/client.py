"""A client of the exchange: orders, accounts, market data and streams over HTTP and WebSocket.

Sending an order twice is the one mistake that costs money, and not knowing whether it was sent is the one thing
that every network brings about. So each order leaves with a client order id, and whatever has no clear answer is
sent again under the same id: the exchange takes it once. Errors are in bots/errors.py.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

import msgspec
import requests

from bots.contract import (
    Accepted,
    Account,
    Balance,
    Book,
    CancelOrder,
    Holding,
    MassCancelled,
    OpenedAccount,
    Order,
    OrderState,
    Page,
    Price,
    ProblemDetails,
    ReplaceOrder,
    Report,
    Request,
    Security,
    Side,
    Trade,
)
from bots.errors import Problem, Unavailable
from bots.stream import Refused, messages

T = TypeVar("T")

log = logging.getLogger(__name__)

# Back-off between attempts: first wait, and longest unless the exchange asks for more [s].
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0

PAGE_ORDERS = 1000


class Client:
    """Talks to one exchange for one key, over one connection that is kept; for use by one thread.

    Streams have connections of their own and may be read by other threads.

    url         base address, as http://127.0.0.1:8000
    key         the client's key; market data needs none
    patience_s  how long a request is tried before Unavailable is raised [s]
    timeout_s   how long one attempt waits for its answer [s]
    """

    def __init__(self, url: str, key: str | None = None, *, patience_s: float = 30.0, timeout_s: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._patience_s = patience_s
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.trust_env = False  # neither a proxy nor a .netrc has a say in who trades
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"
        self._series = uuid4().hex[:16]
        self._numbers = count(1)

    # -- orders ------------------------------------------------------------------------------------------------

    def place(self, order: Order) -> Accepted:
        """Send an order; one without a client order id gets one. Raises Problem, Unavailable."""
        return self._post("/orders", self._named(order), Accepted)

    def cancel(self, security_id: str, order_id: int) -> Accepted:
        """Ask for the cancellation of an order. Raises Problem, Unavailable."""
        return self._post("/orders", CancelOrder(security_id=security_id, order_id=order_id), Accepted)

    def cancel_all(self, security_id: str | None = None, *, side: Side | None = None) -> MassCancelled:
        """Ask for the cancellation of all of the client's orders, of one security, of one side, or of both.

        raises  Problem, Unavailable
        """
        query = ({"security_id": security_id} if security_id else {}) | ({"side": side} if side else {})
        return self._ask("DELETE", "/orders", MassCancelled, query=query)

    def replace(
        self, security_id: str, order_id: int, *, quantity: int | None = None, price: Decimal | None = None
    ) -> Accepted:
        """Ask for other terms of an order: a new total, a new limit [dollars a share], or both.

        raises  Problem, Unavailable
        """
        terms = ReplaceOrder(security_id=security_id, order_id=order_id, quantity=quantity, price=price)
        return self._post("/orders", terms, Accepted)

    def place_all(self, batch: Sequence[Request]) -> list[Accepted | Problem]:
        """Send 1 to 1,000 requests at once: an answer for each, in their order, some of which may be problems."""
        named = [entry if isinstance(entry, CancelOrder | ReplaceOrder) else self._named(entry) for entry in batch]
        answer = self._post("/orders", named, dict[str, Any])
        return [
            Problem(msgspec.convert(result, ProblemDetails)) if "code" in result else msgspec.convert(result, Accepted)
            for result in answer["results"]
        ]

    def order(self, security_id: str, order_id: int) -> OrderState:
        """An order of the client's. Raises Problem (404), Unavailable."""
        return self._get(f"/orders/{_part(security_id)}/{order_id}", OrderState)

    def order_by_client_id(self, client_order_id: str) -> OrderState:
        """The order that was sent under a client order id. Raises Problem (404), Unavailable."""
        return self._get(f"/orders/by-client-id/{_part(client_order_id)}", OrderState)

    def open_orders(self, security_id: str | None = None) -> list[OrderState]:
        """The client's open orders, newest first, of one security or of all."""
        found: list[OrderState] = []
        query = {"status": "open", "limit": str(PAGE_ORDERS)} | ({"security_id": security_id} if security_id else {})
        cursor: str | None = None
        while True:
            page = self._get("/orders", Page[OrderState], query | ({"cursor": cursor} if cursor else {}))
            found += page.data
            cursor = page.next_cursor
            if cursor is None:
                return found

    # -- the account -------------------------------------------------------------------------------------------

    def account(self, client_id: str) -> Account:
        """Cash, holdings and equity of an account."""
        return self._get(f"/accounts/{_part(client_id)}", Account)

    def balance(self, client_id: str) -> Balance:
        """Cash of an account."""
        return self._get(f"/balance/{_part(client_id)}", Balance)

    def holding(self, security_id: str, client_id: str) -> Holding:
        """Shares of one security in an account."""
        return self._get(f"/holdings/{_part(security_id)}/{_part(client_id)}", Holding)

    # -- market data -------------------------------------------------------------------------------------------

    def securities(self) -> list[Security]:
        """All that is listed."""
        return self._get("/securities", Page[Security]).data

    def price(self, security_id: str) -> Price:
        """Best bid, best ask and last price."""
        return self._get(f"/price/{_part(security_id)}", Price)

    def book(self, security_id: str, *, depth: int = 10) -> Book:
        """The best `depth` prices of both sides of the book."""
        return self._get(f"/book/{_part(security_id)}", Book, {"depth": str(depth)})

    def trades(self, security_id: str, *, limit: int = 100) -> list[Trade]:
        """The last trades, newest first."""
        return self._get(f"/trades/{_part(security_id)}", Page[Trade], {"limit": str(limit)}).data

    # -- streams -----------------------------------------------------------------------------------------------

    def prices(self, security_id: str | None = None) -> Iterator[Price]:
        """Price updates of one security or of all, for ever, over as many connections as it takes.

        What was sent between two connections is missed; `sequence` shows it. Raises Problem.
        """
        query = f"?security_id={quote(security_id)}" if security_id else ""
        return self._stream(f"/stream/price{query}", Price)

    def reports(self) -> Iterator[Report]:
        """The client's reports, for ever, over as many connections as it takes.

        What was sent between two connections is missed; `sequence` shows it. Raises Problem.
        """
        return self._stream("/stream/report", Report)

    def _stream(self, path: str, form: type[T]) -> Iterator[T]:
        address = "ws" + self._url.removeprefix("http") + path
        decoder = msgspec.json.Decoder(form)
        try:
            for text in messages(address, key=self._key):
                yield decoder.decode(text)
        except Refused as refusal:
            raise Problem(_details(refusal.status, refusal.body)) from None

    # -- what only the admin's key may do ----------------------------------------------------------------------

    def open_account(self, client_id: str) -> OpenedAccount:
        """Open an account. Raises Problem (409) when it exists, and so, too, when a first answer was lost."""
        return self._post("/accounts", {"client_id": client_id}, OpenedAccount)

    def deposit_cash(self, client_id: str, amount: Decimal, *, transfer_id: str) -> None:
        """Pay money in [dollars]; the same transfer id twice has one effect."""
        transfer = {"transfer_id": transfer_id, "amount": str(amount)}
        self._post(f"/accounts/{_part(client_id)}/deposits", transfer, dict[str, Any])

    def deposit_shares(self, client_id: str, security_id: str, quantity: int, *, transfer_id: str) -> None:
        """Move shares from the depository into an account; the same transfer id twice has one effect."""
        transfer = {"transfer_id": transfer_id, "security_id": security_id, "quantity": quantity}
        self._post(f"/accounts/{_part(client_id)}/deposits", transfer, dict[str, Any])

    # -- requests and their repetition -------------------------------------------------------------------------

    def _named(self, order: Order) -> Order:
        if order.client_order_id is not None:
            return order
        return msgspec.structs.replace(order, client_order_id=f"{self._series}-{next(self._numbers)}")

    def _get(self, path: str, form: type[T], query: dict[str, str] | None = None) -> T:
        return self._ask("GET", path, form, query=query)

    def _post(self, path: str, content: Any, form: type[T]) -> T:
        return self._ask("POST", path, form, body=msgspec.json.encode(content))

    def _ask(
        self, method: str, path: str, form: type[T], *, query: dict[str, str] | None = None, body: bytes | None = None
    ) -> T:
        """Send a request until it is answered or patience ends. Every request here may be sent twice."""
        deadline = time.monotonic() + self._patience_s
        wait_s = FIRST_WAIT_S
        while True:
            try:
                return msgspec.json.decode(self._attempt(method, path, query, body), type=form)
            except Unavailable as failure:
                pause_s = max(failure.retry_after_s or 0.0, wait_s * random.uniform(0.5, 1.0))
                if time.monotonic() + pause_s > deadline:
                    raise
                log.debug("attempt_failed path=%s reason=%r pause_s=%.2f", path, str(failure), pause_s)
            time.sleep(pause_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    def _attempt(self, method: str, path: str, query: dict[str, str] | None, body: bytes | None) -> bytes:
        """The answer's body. Raises Problem, and Unavailable where another attempt makes sense."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            answer = self._session.request(
                method, self._url + path, params=query, data=body, headers=headers, timeout=self._timeout_s
            )
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as fault:
            raise Unavailable(f"{self._url} does not answer: {type(fault).__name__}") from fault
        if answer.ok:
            return answer.content
        details = _details(answer.status_code, answer.content)
        if answer.status_code == 429 or answer.status_code >= 500:
            reason = f"{self._url} answers {details.status} {details.code or details.title}"
            raise Unavailable(reason, retry_after_s=_seconds(answer.headers.get("Retry-After")))
        raise Problem(details)


def _details(status: int, body: bytes) -> ProblemDetails:
    """The problem of an answer; when something else than the exchange has answered, its first line."""
    try:
        return msgspec.json.decode(body, type=ProblemDetails)
    except msgspec.MsgspecError:
        return ProblemDetails(status=status, title="not an answer of the exchange", detail=repr(body[:80]))


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds, the one form that the exchange uses."""
    return float(header) if header and header.isdigit() else None


def _part(text: str) -> str:
    """A path segment."""
    return quote(text, safe="")
