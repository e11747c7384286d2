"""The answers that clients received, compared with the exchange: each accepted order exists exactly once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text

from bench.chaos import clients, resenders, short_sellers
from bench.chaos.record import Record, SentOrder
from db.connect import Database

# The clients with orders to account for.
CLIENTS = (*clients.NAMES, *short_sellers.NAMES, *resenders.NAMES)
# No order stays in a queue for longer [s].
_LONGEST_IN_A_QUEUE_S = 180.0

_ORDERS = text(
    "SELECT order_id, client_id, client_order_id, status, buy_in, denials.command_id IS NOT NULL AS is_denied "
    "FROM orders LEFT JOIN denials ON command_id = order_id WHERE client_id = ANY(:clients)"
)
_LOGGED = text("SELECT command_id, count(*) AS times FROM order_log GROUP BY command_id")
_REPORTS = text(
    "SELECT order_id, count(*) AS times FROM reports WHERE report_id = order_id AND client_id = ANY(:clients) "
    "GROUP BY order_id"
)


def read_orders(clearing_data: Database, clients: Sequence[str] = CLIENTS) -> dict[int, Any]:
    """Return the clients' orders in the register, by id."""
    with clearing_data.snapshot() as tx:
        return {row.order_id: row for row in tx.execute(_ORDERS, {"clients": list(clients)})}


def times_in_the_log(clearing_data: Database) -> Mapping[int, int]:
    """Return how often each command is in the log, by its id; 0 for all others."""
    with clearing_data.snapshot() as tx:
        return defaultdict(int, {row.command_id: row.times for row in tx.execute(_LOGGED)})


def times_reported(market_data: Database, clients: Sequence[str] = CLIENTS) -> Mapping[int, int]:
    """Return how often order entry has reported each order of the clients, by its id; 0 for all others."""
    with market_data.snapshot() as tx:
        rows = tx.execute(_REPORTS, {"clients": list(clients)})
        return defaultdict(int, {row.order_id: row.times for row in rows})


class Accounting:
    """The comparison; each list of findings is empty if everything is right.

    lost, doubled         orders that are missing, or exist more than once
    copies                orders that were sent more than once and did not remain one order
    unnamed               clients with too many or too few orders without a client order id
    strange               orders that no client sent
    buy_ins               number of orders that the clearinghouse placed for clients that it bought in
    bought_in             clients that had any
    lost_with_the_queues  ids of orders that only RabbitMQ had when its data were deleted
    sent_again            number of orders that were sent more than once
    """

    def __init__(
        self,
        record: Record,
        resolved: Mapping[int, set[int]],
        clearing_data: Database,
        market_data: Database,
        *,
        data_lost_s: Sequence[float],
    ) -> None:
        """`resolved`: order ids that the judge found out afterwards, by the `id` of the sent order."""
        self._resolved = resolved
        self._data_lost_s = data_lost_s
        orders = read_orders(clearing_data)
        placed = {order_id: row for order_id, row in orders.items() if row.buy_in}
        self._orders = {order_id: row for order_id, row in orders.items() if not row.buy_in}
        self._logged = times_in_the_log(clearing_data)
        self._reports = times_reported(market_data)
        self.lost: list[str] = []
        self.doubled: list[str] = []
        self.copies: list[str] = []
        self.lost_with_the_queues: set[int] = set()
        self.sent_again = 0
        for sent in record:
            self._account_for(sent)
        self.buy_ins = len(placed)
        self.bought_in = {row.client_id for row in placed.values()}
        for order_id, row in placed.items():
            self._look_for_buy_in(order_id, row)
        self.unnamed = self._unnamed(record)
        asked_for = {(sent.client_id, sent.client_order_id) for sent in record}
        names = {(row.client_id, row.client_order_id) for row in self._orders.values() if row.client_order_id}
        self.strange = [str(name) for name in names - asked_for]

    def _account_for(self, sent: SentOrder) -> None:
        ids = sent.order_ids | self._resolved.get(id(sent), set())
        if len(ids) > 1:
            self.doubled.append(f"{name_of(sent)}: accepted under several ids: {sorted(ids)}")
        for order_id in ids:
            self._look_for(sent, order_id)
        if len(sent.attempts) > 1:
            self.sent_again += 1
        # After a 503 the order id is promised already, and the copy behind it is answered 200.
        if sent.outcomes == {"accepted"} and 202 not in {attempt.status for attempt in sent.attempts}:
            self.copies.append(f"{name_of(sent)}: no copy was answered 202")

    def _look_for(self, sent: SentOrder, order_id: int) -> None:
        row = self._orders.get(order_id)
        times = self._logged[order_id]
        if row is None and self._was_in_the_queue(sent):
            self.lost_with_the_queues.add(order_id)
        elif row is None or (row.client_id, row.client_order_id) != (sent.client_id, sent.client_order_id):
            self.lost.append(f"{name_of(sent)}: {order_id} is missing")
        elif not (row.status == "rejected" and row.is_denied) and times == 0:
            self.lost.append(f"{name_of(sent)}: {order_id} is neither in the log nor denied")
        elif times > 1 or (times and row.is_denied):
            self.doubled.append(f"{name_of(sent)}: {order_id} is in the log {times} times, denied: {row.is_denied}")
        elif self._reports[order_id] != 1:
            reports = self._reports[order_id]
            self.copies.append(f"{name_of(sent)}: order entry reported {order_id} {reports} times")

    def _look_for_buy_in(self, order_id: int, row: Any) -> None:
        times, reports = self._logged[order_id], self._reports[order_id]
        if times != 1 or reports != 1 or row.is_denied:
            found = self.doubled if max(times, reports) > 1 else self.lost
            found.append(f"buy-in of {row.client_id}: {order_id} is in the log {times} times, reported {reports} times")

    def _was_in_the_queue(self, sent: SentOrder) -> bool:
        """Return whether RabbitMQ lost its data so soon after accepting the order that only it may have had it."""
        return any(
            0 <= lost_s - attempt.sent_s <= _LONGEST_IN_A_QUEUE_S
            for attempt in sent.attempts
            if attempt.outcome == "accepted"
            for lost_s in self._data_lost_s
        )

    def _unnamed(self, record: Record) -> list[str]:
        """Count orders without a client order id: all accepted ones must exist, and some of the unknown ones may."""
        by_client: dict[str, list[SentOrder]] = defaultdict(list)
        for sent in record:
            if sent.client_order_id is None:
                by_client[sent.client_id].append(sent)
        wrong = []
        for client_id, theirs in by_client.items():
            least = sum(one.is_accepted and not self._was_in_the_queue(one) for one in theirs)
            most = sum(one.is_accepted or one.is_open for one in theirs)
            there = sum(row.client_id == client_id and row.client_order_id is None for row in self._orders.values())
            if not least <= there <= most:
                wrong.append(f"{client_id} has {there}; {least} were accepted, and perhaps {most - least} more")
        return wrong


def name_of(sent: SentOrder) -> str:
    """Describe an order for a finding: its client, its client order id, and the answer to each attempt."""
    attempts = ", ".join(f"{one.sent_s:.1f} s: {one.status} {one.code}".strip() for one in sent.attempts)
    return f"{sent.client_id} {sent.client_order_id or '(no name)'} {attempts}"
