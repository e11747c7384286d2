"""A client of the exchange for orders, accounts, market data and streams; usable without the rest of the bot kit.

    alice = Client("http://127.0.0.1:8000", key)
    order = alice.place(LimitOrder(security_id="MSFT", side="buy", quantity=10, price=Decimal("100.10")))
    alice.replace("MSFT", order.order_id, price=Decimal("100.12"))
    for report in alice.reports():
        print(report.event_type, report.status, report.reason)

Sending an order twice costs money, and every network sometimes leaves it open whether an order was sent. So each order
carries a client order id, and a request without a clear answer is sent again under the same id: the exchange accepts it
once. Errors are in bots/errors.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, Literal, TypeVar
from urllib.parse import quote
from uuid import uuid4

import msgspec

from bots.client.channels import ChannelEvent, Subscription, events
from bots.client.connection import Query, details_of, part, query_of
from bots.client.operations import Operations
from bots.client.stream import PlainConversation, Refusal, messages
from bots.contract import (
    Accepted,
    Account,
    Auction,
    Balance,
    Book,
    CancelOrder,
    Candle,
    Holding,
    Interval,
    Key,
    MassCancelled,
    NewsItem,
    Order,
    OrderState,
    Page,
    Price,
    ProblemDetails,
    ReplaceOrder,
    Report,
    Request,
    Security,
    SettledFill,
    Side,
    Standing,
    Statement,
    Trade,
)
from bots.errors import Problem, Unavailable

T = TypeVar("T")

# The exchange's limits: orders in one request, rows in one page.
REQUEST_ORDERS = 1_000
PAGE_ROWS = 1_000


class Client(Operations):
    """The whole contract for one key, over one persistent connection; for use by one thread.

    Streams have connections of their own and may be read by other threads. Every call raises Problem or Unavailable.
    """

    def __init__(self, url: str, key: str | None = None, *, patience_s: float = 30.0, timeout_s: float = 10.0) -> None:
        super().__init__(url, key, patience_s=patience_s, timeout_s=timeout_s)
        self._series = uuid4().hex[:16]
        self._numbers = count(1)

    def another(self, *, patience_s: float) -> Client:
        """Make a copy of this client for another thread, with its own patience [s]."""
        return Client(self.url, self.key, patience_s=patience_s, timeout_s=self._timeout_s)

    # -- orders ------------------------------------------------------------------------------------------------

    def place(self, order: Order) -> Accepted:
        """Send an order; one without a client order id gets one.

        raises  Unavailable  the order may or may not be in the market; query it later by the exception's
                             `client_order_id`, or send it again with that id
        """
        named = self._named(order)
        try:
            return self.post("/orders", named, Accepted, orders=1)
        except Unavailable as failure:
            failure.client_order_id = named.client_order_id
            raise

    def cancel(self, security_id: str, order_id: int) -> Accepted:
        """Request the cancellation of an order."""
        return self.post("/orders", CancelOrder(security_id=security_id, order_id=order_id), Accepted, orders=1)

    def cancel_all(self, security_id: str | None = None, *, side: Side | None = None) -> MassCancelled:
        """Request the cancellation of the client's orders: all, or those of one security, one side, or both."""
        return self.ask("DELETE", "/orders", MassCancelled, query=query_of(security_id=security_id, side=side))

    def replace(
        self, security_id: str, order_id: int, *, quantity: int | None = None, price: Decimal | None = None
    ) -> Accepted:
        """Request new terms for an order: a new total, a new limit [dollars per share], or both."""
        terms = ReplaceOrder(security_id=security_id, order_id=order_id, quantity=quantity, price=price)
        return self.post("/orders", terms, Accepted, orders=1)

    def place_all(self, batch: Sequence[Request]) -> list[Accepted | Problem]:
        """Send many requests at once, in order; return an answer for each in its place, which may be a Problem.

        More than 1,000 are sent in several HTTP requests, one after the other.
        """
        answers: list[Accepted | Problem] = []
        for first in range(0, len(batch), REQUEST_ORDERS):
            entries = batch[first : first + REQUEST_ORDERS]
            named = [one if isinstance(one, CancelOrder | ReplaceOrder) else self._named(one) for one in entries]
            answer = self.post("/orders", named, dict[str, Any], orders=len(named))
            answers += [_result(result) for result in answer["results"]]
        return answers

    def _named(self, order: Order) -> Order:
        if order.client_order_id is not None:
            return order
        return msgspec.structs.replace(order, client_order_id=f"{self._series}-{next(self._numbers)}")

    def order(self, security_id: str, order_id: int) -> OrderState:
        """Return one of the client's orders. Raises Problem (404)."""
        return self.get(f"/orders/{part(security_id)}/{order_id}", OrderState)

    def order_by_client_id(self, client_order_id: str) -> OrderState:
        """Return the order with a client order id. Raises Problem (404): no such order was accepted."""
        return self.get(f"/orders/by-client-id/{part(client_order_id)}", OrderState)

    def orders(
        self, status: Literal["open", "closed", "all"] = "all", *, security_id: str | None = None
    ) -> Iterator[OrderState]:
        """Yield the client's orders, newest first, fetching pages as needed."""
        return self._pages("/orders", Page[OrderState], query_of(status=status, security_id=security_id))

    def open_orders(self, security_id: str | None = None) -> list[OrderState]:
        """Return the client's open orders, newest first, of one security or of all."""
        return list(self.orders("open", security_id=security_id))

    def fills(self, security_id: str | None = None) -> Iterator[SettledFill]:
        """Yield the client's settled trades with their fees, newest first, fetching pages as needed."""
        return self._pages("/fills", Page[SettledFill], query_of(security_id=security_id))

    # -- reports -----------------------------------------------------------------------------------------------

    def status(self, security_id: str, order_id: int) -> str:
        """Return an order's status, such as new, filled, settled or rejected. Raises Problem (404)."""
        return self.get(f"/status/{part(security_id)}/{order_id}", dict[str, str])["status"]

    def report(self, security_id: str, order_id: int) -> Report:
        """Return the last report of an order. Raises Problem (404)."""
        return self.get(f"/report/{part(security_id)}/{order_id}", Report)

    def past_reports(self, client_id: str | None = None) -> Iterator[Report]:
        """Yield the client's reports, newest first, fetching pages as needed; `client_id` is for the admin's key."""
        return self._pages("/reports", Page[Report], query_of(client_id=client_id))

    def reports_after(self, sequence: int, *, client_id: str | None = None) -> list[Report]:
        """Return the reports after a sequence, oldest first: those that a stream has missed."""
        found: list[Report] = []
        for report in self.past_reports(client_id):
            if (report.sequence or 0) <= sequence:
                break
            found.append(report)
        return found[::-1]

    # -- the account -------------------------------------------------------------------------------------------

    def account(self, client_id: str) -> Account:
        """Return an account's cash, holdings and equity."""
        return self.get(f"/accounts/{part(client_id)}", Account)

    def balance(self, client_id: str) -> Balance:
        """Return an account's cash."""
        return self.get(f"/balance/{part(client_id)}", Balance)

    def holding(self, security_id: str, client_id: str) -> Holding:
        """Return an account's shares of one security."""
        return self.get(f"/holdings/{part(security_id)}/{part(client_id)}", Holding)

    def statement(self, client_id: str, *, begins: str | None = None, ends: str | None = None) -> Statement:
        """Return opening balance, postings and closing balance between two times such as 2026-01-02T03:04:05Z.

        Without a time, the statement begins with the account or ends now.
        """
        times = {name: time for name, time in (("from", begins), ("to", ends)) if time is not None}
        return self.get(f"/accounts/{part(client_id)}/statement", Statement, times)

    def keys(self, client_id: str) -> list[Key]:
        """Return the descriptions of an account's keys, revoked ones included; never the keys themselves."""
        return list(self._pages(f"/accounts/{part(client_id)}/keys", Page[Key], {}))

    def make_key(self, client_id: str, *, name: str | None = None, read_only: bool = False) -> Key:
        """Create another key, which is shown only once. If the answer is lost, the key exists but is unknown."""
        asked = {"read_only": read_only} | ({"name": name} if name else {})
        return self.ask("POST", f"/accounts/{part(client_id)}/keys", Key, content=asked, repeatable=False)

    def revoke_key(self, client_id: str, key_id: int) -> Key:
        """Revoke a key for good."""
        return self.ask("DELETE", f"/accounts/{part(client_id)}/keys/{key_id}", Key)

    # -- market data -------------------------------------------------------------------------------------------

    def securities(self) -> list[Security]:
        """Return the listed securities."""
        return self.get("/securities", Page[Security]).data

    def price(self, security_id: str) -> Price:
        """Return the best bid, best ask and last price."""
        return self.get(f"/price/{part(security_id)}", Price)

    def book(self, security_id: str, *, depth: int = 10) -> Book:
        """Return the best `depth` levels of both sides of the book."""
        return self.get(f"/book/{part(security_id)}", Book, query_of(depth=depth))

    def trades(self, security_id: str, *, limit: int = 100) -> list[Trade]:
        """Return the last trades, newest first, at most 1,000."""
        return self.get(f"/trades/{part(security_id)}", Page[Trade], query_of(limit=limit)).data

    def past_trades(self, security_id: str) -> Iterator[Trade]:
        """Yield all trades, newest first, fetching pages as needed."""
        return self._pages(f"/trades/{part(security_id)}", Page[Trade], {})

    def candles(self, security_id: str, interval: Interval = "1m", *, limit: int = 100) -> list[Candle]:
        """Return candles, newest first."""
        return self.get(f"/candles/{part(security_id)}", Page[Candle], query_of(interval=interval, limit=limit)).data

    def auction(self, security_id: str) -> Auction:
        """Return the result that a security's auction would have if it ended now."""
        return self.get(f"/auction/{part(security_id)}", Auction)

    def news(self) -> Iterator[NewsItem]:
        """Yield the exchange's news, newest first, fetching pages as needed."""
        return self._pages("/news", Page[NewsItem], {})

    def leaderboard(self) -> list[Standing]:
        """Return the clients in order of their equity."""
        return self.get("/leaderboard", Page[Standing]).data

    # -- streams -----------------------------------------------------------------------------------------------

    def prices(self, security_id: str | None = None) -> Iterator[Price]:
        """Yield the price updates of one security, or of all, for ever, reconnecting as often as needed.

        Updates sent between two connections are missed; `sequence` shows the gap. Raises Problem.
        """
        query = f"?security_id={quote(security_id)}" if security_id else ""
        return self._stream(f"/stream/price{query}", Price)

    def reports(self, *, cancel_on_disconnect: bool = False) -> Iterator[Report]:
        """Yield the client's reports for ever, reconnecting as often as needed.

        Reports sent between two connections are missed; `sequence` shows the gap, and `reports_after` fetches them.
        With `cancel_on_disconnect`, the exchange cancels the client's open orders when a connection ends. Raises
        Problem.
        """
        return self._stream(f"/stream/report{'?cancel_on_disconnect=true' if cancel_on_disconnect else ''}", Report)

    def channels(self, *subscriptions: Subscription) -> Iterator[ChannelEvent]:
        """Yield the snapshots and updates of channels for ever; a snapshot follows each gap. Raises Problem.

        for event in client.channels(Subscription("book", "MSFT"), Subscription("report")): ...
        """
        return events(self.url, self.key, subscriptions)

    def _stream(self, path: str, form: type[T]) -> Iterator[T]:
        address = "ws" + self.url.removeprefix("http") + path
        decoder = msgspec.json.Decoder(form)
        try:
            for text in messages(address, key=self.key, conversation=PlainConversation):
                yield decoder.decode(text)
        except Refusal as refusal:
            raise Problem(details_of(refusal.status, refusal.body)) from None

    # -- pages -------------------------------------------------------------------------------------------------

    def _pages(self, path: str, form: type[Page[T]], query: Query) -> Iterator[T]:
        cursor: str | None = None
        while True:
            page = self.get(path, form, query | query_of(limit=PAGE_ROWS, cursor=cursor))
            yield from page.data
            cursor = page.next_cursor
            if cursor is None:
                return


def _result(result: dict[str, Any]) -> Accepted | Problem:
    if "code" in result:
        return Problem(msgspec.convert(result, ProblemDetails))
    return msgspec.convert(result, Accepted)
