"""Reports in the form in which they are stored: one row for each event, with numbers for clients and securities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from tasks.data_feed.rules.rows import Report
from tasks.messages import FeedBatch, Side, TradeMade


class OrderRow(Struct, array_like=True, gc=False):
    """A row of `order_reports`, with the columns in this order."""

    order_id: int
    report_id: int
    event_us: int
    sequence: int
    stamp: int
    asked_us: int | None
    quantity: int | None
    price_cents: int | None
    client: int
    security: int
    confirmed: bool
    side: Side | None
    reason: str | None


class TradeRow(Struct, array_like=True, gc=False):
    """A row of `trade_reports`, with the columns in this order; without a stamp the trade is not reported yet."""

    security: int
    sequence: int
    traded_us: int
    event_id: int
    buy_order_id: int
    sell_order_id: int
    buyer_sequence: int | None
    seller_sequence: int | None
    stamp: int | None
    quantity: int
    price_cents: int
    buyer: int
    seller: int
    aggressor_side: Side | None


class SettlementRow(Struct, array_like=True, gc=False):
    """A row of `settlement_reports`, with the columns in this order; `sequence` is that of the trade."""

    security: int
    sequence: int
    traded_us: int
    buyer_sequence: int
    seller_sequence: int
    stamp: int
    reason: str | None


class Run(NamedTuple):
    """A row of `report_runs`, with the columns in this order."""

    first_sequence: int
    stamp: int
    client: int


class Numbers(NamedTuple):
    """The numbers that Postgres assigned to a batch.

    heads       the last sequence of each client after the batch
    clients     the number of each client
    securities  the number of each security
    stamps      the stamp of each message
    """

    heads: Mapping[str, int]
    clients: Mapping[str, int]
    securities: Mapping[str, int]
    stamps: Sequence[int]


class Rows(NamedTuple):
    """The rows of a batch."""

    orders: list[OrderRow]
    trades: list[TradeRow]
    settlements: list[SettlementRow]


def trades_by_event(batches: Iterable[FeedBatch]) -> dict[int, TradeMade]:
    """Return the trades that batches report, settle or mark as failed, by the id of their event."""
    found: dict[int, TradeMade] = {}
    for batch in batches:
        for made in (*batch.trades, *batch.settled, *(failed.trade for failed in batch.failed)):
            found[made.event_id] = made
    return found


def count_by_client(messages: Iterable[Iterable[Report]]) -> dict[str, int]:
    """Return how many reports each client has."""
    counts: dict[str, int] = {}
    for reports in messages:
        for report in reports:
            counts[report.client_id] = counts.get(report.client_id, 0) + 1
    return counts


def by_client(messages: Iterable[Iterable[Report]]) -> dict[str, list[Report]]:
    """Return the reports of each client, in the order of the messages."""
    found: dict[str, list[Report]] = {}
    for reports in messages:
        for report in reports:
            found.setdefault(report.client_id, []).append(report)
    return found


def number(messages: Sequence[Sequence[Report]], numbers: Numbers, counts: Mapping[str, int]) -> list[Run]:
    """Number the reports of each client in their order; return the runs of the messages."""
    last = {client_id: numbers.heads[client_id] - count for client_id, count in counts.items()}
    runs = []
    for reports, stamp in zip(messages, numbers.stamps, strict=True):
        clients = set()
        for report in reports:
            client_id = report.client_id
            last[client_id] = report.sequence = last[client_id] + 1
            if client_id not in clients:
                clients.add(client_id)
                runs.append(Run(report.sequence, stamp, numbers.clients[client_id]))
    return runs


def rows_of(messages: Sequence[Sequence[Report]], numbers: Numbers, trades: Mapping[int, TradeMade]) -> Rows:
    """Return the rows of numbered reports, in the order of the messages.

    messages  the reports of each message; those of a trade to its buyer and its seller follow each other
    trades    the trades that the reports are about, by the id of their event
    """
    rows = Rows([], [], [])
    buy: Report | None = None
    for reports, stamp in zip(messages, numbers.stamps, strict=True):
        for report in reports:
            if report.event_type == "order":
                rows.orders.append(_order_row(report, numbers, stamp))
            elif report.side == "buy":
                buy = report
            else:
                assert buy is not None, "the report to the buyer comes first"
                made = trades[abs(report.report_id)]
                if report.event_type == "trade":
                    rows.trades.append(trade_row(made, numbers, buy.sequence, report.sequence, stamp))
                else:
                    rows.settlements.append(_settlement_row(made, numbers, buy, report, stamp))
    return rows


def _order_row(report: Report, numbers: Numbers, stamp: int) -> OrderRow:
    return OrderRow(
        report.order_id,
        report.report_id,
        report.event_us,
        report.sequence,
        stamp,
        report.asked_us,
        report.quantity,
        report.price_cents,
        numbers.clients[report.client_id],
        numbers.securities[report.security_id],
        report.confirmed,
        report.side,
        report.reason,
    )


def trade_row(
    made: TradeMade, numbers: Numbers, buyer_sequence: int | None, seller_sequence: int | None, stamp: int | None
) -> TradeRow:
    """Return the row of a trade, without sequences and stamp if it is not reported yet."""
    return TradeRow(
        numbers.securities[made.security_id],
        made.sequence,
        made.traded_us,
        made.event_id,
        made.buy_order_id,
        made.sell_order_id,
        buyer_sequence,
        seller_sequence,
        stamp,
        made.quantity,
        made.price_cents,
        numbers.clients[made.buyer],
        numbers.clients[made.seller],
        made.aggressor_side,
    )


def _settlement_row(made: TradeMade, numbers: Numbers, buy: Report, sell: Report, stamp: int) -> SettlementRow:
    return SettlementRow(
        numbers.securities[made.security_id],
        made.sequence,
        made.traded_us,
        buy.sequence,
        sell.sequence,
        stamp,
        sell.reason,
    )
