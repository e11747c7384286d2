"""From matching to order execution and the data feed: the events that commands lead to."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, structs

from tasks.messages.values import (
    Amount,
    ClientId,
    Covered,
    EventId,
    Microseconds,
    OrderId,
    Phase,
    PhaseCause,
    PriceCents,
    Quantity,
    Reason,
    SecurityId,
    Sequence,
    Shard,
    Side,
)


class TradeMade(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="trade"):
    """One fill of two orders, at the resting order's price or at that of the auction.

    `sequence` counts the trades of the security from 1. `buy_hold_cents` is held per share for the buy order, so that
    settlement need not look it up; for the sell order the shares are held. In an auction neither order is the
    aggressor.
    """

    event_id: EventId
    security_id: SecurityId
    sequence: Sequence
    price_cents: PriceCents
    quantity: Quantity
    aggressor_side: Side | None
    buy_order_id: OrderId
    buyer: ClientId
    buy_hold_cents: Amount
    sell_order_id: OrderId
    seller: ClientId
    traded_us: Microseconds


class OrderClosed(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="closed"):
    """The open rest of an order, `quantity`, is closed and its hold released, `hold_cents` per share for a buy.

    `limit_cents` is the limit of the order, for its report; None without a limit, and in messages from before this
    field.
    """

    event_id: EventId
    order_id: OrderId
    client_id: ClientId
    security_id: SecurityId
    side: Side
    quantity: Quantity
    hold_cents: Amount
    status: Literal["cancelled", "rejected"]
    reason: Reason
    closed_us: Microseconds
    limit_cents: PriceCents | None = None


class CancelRefused(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="cancel_refused"):
    """A cancel that found no open order of its client."""

    event_id: EventId
    order_id: OrderId
    client_id: ClientId
    security_id: SecurityId
    reason: Reason
    refused_us: Microseconds


class OrderReplaced(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="replaced"):
    """An order has new terms, which apply to the events after this one; the reservation for it is released.

    `old_open` and `open_quantity` are its open quantity before and after [shares], `old_hold_cents` and `hold_cents`
    the hold per share of either for a buy, `quantity` and `price_cents` its total and its limit from now on. A
    replacement that leaves nothing to trade changes no terms: it is reported with the old ones, and closes the order.
    """

    event_id: EventId
    command_id: OrderId
    order_id: OrderId
    client_id: ClientId
    security_id: SecurityId
    side: Side
    quantity: Quantity
    price_cents: PriceCents
    old_open: Amount
    old_hold_cents: Amount
    open_quantity: Amount
    hold_cents: Amount
    reserved: Amount
    replaced_us: Microseconds


class ReplaceRefused(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="replace_refused"):
    """A replacement that changes nothing; the reservation for it is released."""

    event_id: EventId
    command_id: OrderId
    order_id: OrderId
    client_id: ClientId
    security_id: SecurityId
    side: Side
    reserved: Amount
    reason: Reason
    refused_us: Microseconds


class OrderTriggered(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="triggered"):
    """A trade has reached the stop price of an order: from now on it is a market or a limit order."""

    event_id: EventId
    order_id: OrderId
    client_id: ClientId
    security_id: SecurityId
    side: Side
    quantity: Quantity
    price_cents: PriceCents
    triggered_us: Microseconds


class PhaseChanged(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="phase"):
    """A security has a new phase, or its phase a new end.

    The engine itself begins an auction of cause `volatility`; its end is open until a SetPhase ends it.
    """

    event_id: EventId
    security_id: SecurityId
    phase: Phase
    cause: PhaseCause
    ends_us: Microseconds | None
    changed_us: Microseconds


class SecuritySettled(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="security_settled"):
    """No order of a security is open any more, and each of its shares is worth `value_cents` in cash."""

    event_id: EventId
    security_id: SecurityId
    value_cents: Amount
    settled_us: Microseconds


# The events that order execution settles; the others are only reported.
Execution = TradeMade | OrderClosed | OrderReplaced | ReplaceRefused
# The events of a security rather than of an order.
SecurityEvent = PhaseChanged | SecuritySettled
Event = Execution | CancelRefused | OrderTriggered | SecurityEvent


def as_settled(execution: Execution) -> Execution:
    """Return an execution as order execution stores it, without the fields for reports."""
    return structs.replace(execution, limit_cents=None) if type(execution) is OrderClosed else execution


class ExecutionBatch(Struct, frozen=True, array_like=True):
    """Executions of one shard, in the order of their event ids; `matched_us` is when the engine sent them.

    `securities` are the events of securities; their ids give their place among the executions. `covers` are the
    intervals of events whose executions are complete here; a message from before this field has none.
    """

    shard: Shard
    matched_us: Microseconds
    executions: list[Execution]
    covers: list[Covered] = []
    securities: list[SecurityEvent] = []
