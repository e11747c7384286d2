"""Shapes of responses about orders: their outcomes, fills, reports and lives."""

from __future__ import annotations

from typing import Literal

from api.wire.answers_schema.common import (
    Answer,
    Count,
    Dollars,
    Milliseconds,
    Number,
    Problem,
    Time,
)
from db.market_data.reads import OrderStatus as ReportedStatus
from tasks.data_feed.rules.rows import EventType
from tasks.messages import OrderType, Side, TimeInForce

Stage = Literal["api", "order_entry", "matching", "order_execution", "data_feed"]
Part = Literal["queue", "work"]


class Submitted(Answer):
    """A request that RabbitMQ has confirmed on a quorum queue."""

    status: Literal["success"]
    order_id: Number
    client_order_id: str | None
    message: str


class Duplicate(Submitted):
    """The response to an order that the client sent before under the same client order id."""

    duplicate: Literal[True]


class MassCancelled(Answer):
    """A mass cancel that RabbitMQ has confirmed on a quorum queue: one command for each affected shard."""

    status: Literal["success"]
    client_id: str
    security_id: str | None
    side: Side | None
    command_ids: list[Number]
    message: str


class Results(Answer):
    """One result for each request of an array, in the same place."""

    status: Literal["success"]
    results: list[Submitted | Duplicate | Problem]


class Order(Answer):
    """An order and its status."""

    order_id: Number
    client_order_id: str | None
    client_id: str
    security_id: str
    type: OrderType
    side: Side
    quantity: Number
    price: Dollars | None
    stop_price: Dollars | None
    display_quantity: Number | None
    time_in_force: TimeInForce
    expires_at: Time | None
    post_only: bool
    filled_quantity: Count
    average_price: Dollars | None
    status: Literal["pending", "new", "partially_filled", "filled", "cancelled", "rejected"]
    reason: str | None
    detail: str | None
    buy_in: bool
    created_at: Time
    updated_at: Time


class Fill(Answer):
    """A settled trade as one of its sides sees it."""

    trade_id: str
    order_id: Number
    client_id: str
    security_id: str
    side: Side
    quantity: Number
    price: Dollars
    fee: Dollars
    timestamp: Time
    settled_at: Time


class Report(Answer):
    """A stage's report to a client."""

    event_type: EventType
    status: Literal["confirmed", "denied"]
    order_id: Number
    client_id: str
    security_id: str
    side: Side | None
    quantity: Count | None
    price: Dollars | None
    reason: str | None
    sequence: Count
    timestamp: Time


class Status(Answer):
    """The status of an order, from its reports."""

    status: ReportedStatus


class LifeSpan(Answer):
    """A part of an order's life: the order waits for a stage, or the stage works on it."""

    stage: Stage
    part: Part
    what: str
    start_ms: Milliseconds
    end_ms: Milliseconds


class LifeTrade(Answer):
    """The first trade of an order, as the public sees it."""

    trade_id: str
    price: Dollars
    quantity: Number


class Life(Answer):
    """The life of an order up to its first event; times count from its arrival at the api."""

    order_id: Number | None
    security_id: str
    started_at: Time
    total_ms: Milliseconds
    spans: list[LifeSpan]
    trade: LifeTrade | None


class LogRow(Answer):
    """The row of an order in the log: shard, sequence in it, and the command as JSON text."""

    shard: Count
    sequence: Number
    command: str


class RecordedTrade(LifeTrade):
    """A settled trade of an order."""

    timestamp: Time
    settled_at: Time


class RecordedPosting(Answer):
    """A double entry of the ledger: the account gains the cash and the shares, the contra account loses them."""

    entry_id: Number
    timestamp: Time
    kind: str
    trade_id: str
    account: str
    contra_account: str
    security_id: str | None
    cash: Dollars
    shares: int


class Records(Answer):
    """The records of an order: its row of the log, its first trades, and their postings."""

    order_id: Number
    security_id: str
    log: LogRow | None
    trades: list[RecordedTrade]
    postings: list[RecordedPosting]
