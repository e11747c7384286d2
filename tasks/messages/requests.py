"""From the api to order entry: requests of clients and of the operator."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from tasks.messages.values import (
    BandPpm,
    ClientId,
    FeePpm,
    ListedId,
    Microseconds,
    OrderId,
    OrderType,
    Phase,
    PriceCents,
    Quantity,
    SecurityId,
    Shard,
    Side,
    TimeInForce,
)


class OrderRequest(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="order"):
    """A new order as the api accepted it, before the risk checks.

    `price_cents` is the limit, None for market and stop orders. `stop_price_cents` is the price that stop and
    stop-limit orders wait for, `display_quantity` the quantity that an iceberg shows at a time, `expires_us` the end of
    a gtd order; None for all other orders.
    """

    order_id: OrderId
    client_id: ClientId
    client_order_id: Annotated[str, Meta(min_length=1, max_length=48)] | None
    security_id: SecurityId
    type: OrderType
    side: Side
    quantity: Quantity
    price_cents: PriceCents | None
    time_in_force: TimeInForce
    post_only: bool
    received_us: Microseconds
    stop_price_cents: PriceCents | None = None
    display_quantity: Quantity | None = None
    expires_us: Microseconds | None = None


class CancelRequest(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="cancel"):
    """A cancel as the api accepted it; `command_id` is its own number, from the same series as the order ids."""

    command_id: OrderId
    client_id: ClientId
    security_id: SecurityId
    order_id: OrderId
    received_us: Microseconds


class ReplaceRequest(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="replace"):
    """New terms for an open order; `quantity` is the new total, and None keeps a term."""

    command_id: OrderId
    client_id: ClientId
    security_id: SecurityId
    order_id: OrderId
    quantity: Quantity | None
    price_cents: PriceCents | None
    received_us: Microseconds


class MassCancelRequest(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="mass_cancel"):
    """Cancel the client's open orders of one shard; None stands for all its securities, or for both sides.

    To cancel orders of all shards the api sends one request for each, with its own number.
    """

    command_id: OrderId
    client_id: ClientId
    shard: Shard
    security_id: SecurityId | None
    side: Side | None
    received_us: Microseconds


class HaltRequest(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="halt"):
    """Halt the trading of a security, or resume it; short for a PhaseRequest of `halted` or `continuous`."""

    command_id: OrderId
    security_id: SecurityId
    halted: bool
    received_us: Microseconds


class PhaseRequest(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="phase"):
    """Change the phase of a security; after `lasts_us` continuous trading begins, with None the phase has no end."""

    command_id: OrderId
    security_id: SecurityId
    phase: Phase
    lasts_us: Annotated[int, Meta(ge=1, le=366 * 86_400_000_000)] | None
    received_us: Microseconds


class ListRequest(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="list"):
    """List a security; its shares are issued to the house. No security may ever have had its id."""

    command_id: OrderId
    security_id: ListedId
    reference_cents: PriceCents
    tick_cents: PriceCents
    min_price_cents: PriceCents
    max_price_cents: PriceCents
    issued_shares: Annotated[int, Meta(ge=1, le=10**12)]
    maker_fee_ppm: FeePpm
    taker_fee_ppm: FeePpm
    band_ppm: BandPpm | None
    received_us: Microseconds


class DelistRequest(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="delist"):
    """Delist a security without open orders; its history stays."""

    command_id: OrderId
    security_id: SecurityId
    received_us: Microseconds


class SettleRequest(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="settle"):
    """Settle a security for good: each share becomes `value_cents`. The sender chooses the `transfer_id`."""

    command_id: OrderId
    security_id: SecurityId
    transfer_id: Annotated[str, Meta(min_length=1, max_length=64)]
    value_cents: Annotated[int, Meta(ge=0, le=10**9)]
    received_us: Microseconds


class BandRequest(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="band"):
    """Change the band of a security; None removes it."""

    command_id: OrderId
    security_id: SecurityId
    band_ppm: BandPpm | None
    received_us: Microseconds


class Tick(Struct, frozen=True, gc=False, array_like=True, tag_field="kind", tag="tick"):
    """The scheduler's bell: order entry looks at the clock, and sequences what is due. It has no number.

    A batch that contains a Tick contains nothing else.
    """


# About a security, from the operator; no client gets a report about one.
SecurityRequest = HaltRequest | PhaseRequest | ListRequest | DelistRequest | SettleRequest | BandRequest
ClientRequest = OrderRequest | CancelRequest | ReplaceRequest | MassCancelRequest
Request = ClientRequest | SecurityRequest


class EntryBatch(Struct, frozen=True, array_like=True):
    """Requests in the order in which they were made; `sent_us` is when the api put them on the queue."""

    requests: list[Request | Tick]
    sent_us: Microseconds | None = None
