"""From order entry through the order log to matching: the commands that the engine applies."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct

from tasks.messages.values import (
    Amount,
    BandPpm,
    ClientId,
    Microseconds,
    OrderId,
    OrderType,
    Phase,
    PhaseCause,
    PriceCents,
    Quantity,
    Reason,
    SecurityId,
    Shard,
    Side,
    TimeInForce,
)


class PlaceOrder(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="place"):
    """An admitted order, whose cost is held.

    A market order is an ioc at its collar, `price_cents`; a stop order becomes one when a trade reaches its stop price,
    with the collar of the stop price. `hold_cents` is held for each share of a buy order, its price and the highest fee
    on it; 0, as in logs from before fees, stands for the price. A gtd order expires at `expires_us`, which takes an
    Expire: the engine has no clock.
    """

    order_id: OrderId
    client_id: ClientId
    security_id: SecurityId
    type: OrderType
    side: Side
    quantity: Quantity
    price_cents: PriceCents
    time_in_force: TimeInForce
    post_only: bool
    sequenced_us: Microseconds
    stop_price_cents: PriceCents | None = None
    display_quantity: Quantity | None = None
    hold_cents: Amount = 0
    expires_us: Microseconds | None = None


class CancelOrder(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="cancel"):
    """Cancel the open quantity of the client's order; a cancel that is sequenced before its order waits for it."""

    command_id: OrderId
    client_id: ClientId
    security_id: SecurityId
    order_id: OrderId
    sequenced_us: Microseconds


class ReplaceOrder(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="replace"):
    """Change the terms of the client's order; `quantity` is the new total, and None keeps a term.

    `hold_cents` is held for each share of a buy order at the new price; 0 without a new price and for a sell order.
    `reserved` is held for the replacement until it is decided, in addition to the order's own hold: cents of a buyer or
    shares of a seller, enough for everything that may still trade at the old and the new terms.
    """

    command_id: OrderId
    client_id: ClientId
    security_id: SecurityId
    order_id: OrderId
    side: Side
    quantity: Quantity | None
    price_cents: PriceCents | None
    hold_cents: Amount
    reserved: Amount
    sequenced_us: Microseconds


class MassCancel(Struct, frozen=True, array_like=True, tag_field="kind", tag="mass_cancel"):
    """Cancel those of these orders that are still open, in this order; all are the client's and of this shard."""

    command_id: OrderId
    client_id: ClientId
    order_ids: list[OrderId]
    sequenced_us: Microseconds


class SetHalt(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="halt"):
    """Halt the trading of a security, or resume it; a halted security takes only cancels.

    Logs from before phases contain it. It sets the phase to `halted` or `continuous` and reports no change.
    """

    command_id: OrderId
    security_id: SecurityId
    halted: bool
    sequenced_us: Microseconds


class SetPhase(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="phase"):
    """Change the phase of a security; ending an auction uncrosses it.

    `ends_us` is when the phase is due to end, None if its end is open. The engine only reports it.
    """

    command_id: OrderId
    security_id: SecurityId
    phase: Phase
    cause: PhaseCause
    ends_us: Microseconds | None
    sequenced_us: Microseconds


class Expire(Struct, frozen=True, array_like=True, tag_field="kind", tag="expire"):
    """Cancel those of these orders that are still open, in this order; they are any clients' and of this shard."""

    command_id: OrderId
    order_ids: list[OrderId]
    sequenced_us: Microseconds
    reason: Reason = "expired"


class ListSecurity(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="list"):
    """Begin to trade a security, in the phase `continuous`; for a listed one, change its reference price and band."""

    command_id: OrderId
    security_id: SecurityId
    reference_cents: PriceCents
    tick_cents: PriceCents
    min_price_cents: PriceCents
    max_price_cents: PriceCents
    band_ppm: BandPpm | None
    sequenced_us: Microseconds


class DelistSecurity(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="delist"):
    """Close a security for good. Order entry sends it once no order is open; the engine cancels any that is."""

    command_id: OrderId
    security_id: SecurityId
    sequenced_us: Microseconds


class SettleSecurity(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="settle"):
    """Close a security for good, for final cash settlement at `value_cents` a share; open orders are cancelled."""

    command_id: OrderId
    security_id: SecurityId
    value_cents: Amount
    sequenced_us: Microseconds


class SetBand(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="band"):
    """Change how far an incoming order may trade away from the last trade before it; None removes the limit."""

    command_id: OrderId
    security_id: SecurityId
    band_ppm: BandPpm | None
    sequenced_us: Microseconds


class OrderState(Struct, frozen=True, array_like=True):
    """A resting order with its present terms; `quantity` is the displayed quantity [shares].

    The part of `total` that is neither displayed nor `hidden` was filled. `display_quantity` is 0 if all is displayed.
    """

    order_id: int
    client_id: str
    price_cents: int
    quantity: int
    total: int
    hold_cents: int
    post_only: bool
    hidden: int
    display_quantity: int
    time_in_force: TimeInForce


class BookState(Struct, frozen=True, array_like=True):
    """One security's book: the orders of each side by priority, waiting orders by arrival, its counters and phase.

    It is part of an engine's state, and travels in the log when a security moves to another shard.
    """

    security_id: str
    bids: list[OrderState]
    asks: list[OrderState]
    stops: list[PlaceOrder]
    for_auction: list[PlaceOrder]
    last_cents: int | None
    trade_sequence: int
    sequence: int
    updated_us: int
    phase: Phase
    cause: PhaseCause | None
    ends_us: int | None
    is_over: bool
    reference_cents: int | None
    band_ppm: int | None


class ReleaseSecurity(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="release"):
    """End the trading of a security on this shard: the last command about it here. Its orders stay open elsewhere."""

    command_id: OrderId
    security_id: SecurityId
    to_shard: Shard
    sequenced_us: Microseconds


class AdoptSecurity(Struct, frozen=True, array_like=True, tag_field="kind", tag="adopt"):
    """Begin the trading of a security here, with the book that another shard released: the first command about it.

    `closed` are the orders that the other engine has closed and that the register still has as open: cancels of them
    may be under way.
    """

    command_id: OrderId
    security_id: SecurityId
    from_shard: Shard
    book: BookState
    closed: list[OrderId]
    sequenced_us: Microseconds


SecurityCommand = SetHalt | SetPhase | SetBand | ListSecurity | DelistSecurity | SettleSecurity
# The two halves of a move to another shard.
MoveCommand = ReleaseSecurity | AdoptSecurity
Command = PlaceOrder | CancelOrder | ReplaceOrder | MassCancel | Expire | SecurityCommand | MoveCommand


class CommandBatch(Struct, frozen=True, array_like=True):
    """Commands of one shard with the numbers first_seq, first_seq + 1, ... of its log.

    `reports` are FeedBatches of order entry about these commands, encoded: the engine's worker sends them to the feed
    together with its events. A message from before this field has no reports: order entry then sent them itself.
    """

    shard: Shard
    first_seq: Annotated[int, Meta(ge=1, lt=2**36)]
    commands: list[Command]
    reports: list[Raw] = []
