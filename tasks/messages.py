"""The typed messages that cross queues, and their codec.

Decoding checks every field's type and range in C, so a stage may trust what it has decoded and nothing else. Messages
are arrays without field names: half the bytes and half the time. So new fields go only to the end, with a default. The
garbage collector need not visit messages that contain only numbers and text (gc=False); creating one then takes half
the time.

Prices and cash are integer cents, quantities integer shares, times integer microseconds since 1970 in UTC.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct, structs

Side = Literal["buy", "sell"]
TimeInForce = Literal["gtc", "ioc", "fok", "day", "gtd", "auction"]
OrderType = Literal["limit", "market", "stop", "stop_limit"]
Phase = Literal["closed", "auction", "continuous", "halted"]
PhaseCause = Literal["admin", "schedule", "volatility"]

OrderId = Annotated[int, Meta(ge=1, lt=2**53)]
Sequence = Annotated[int, Meta(ge=0, lt=2**53)]
Shard = Annotated[int, Meta(ge=0, le=61)]
Quantity = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Amount = Annotated[int, Meta(ge=0, lt=2**53)]
PriceCents = Annotated[int, Meta(ge=1, le=10**9)]
BandPpm = Annotated[int, Meta(ge=1, lt=10**6)]  # of a price, in millionths: 100,000 is a tenth
Microseconds = Annotated[int, Meta(ge=0, lt=2**53)]
EventId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
ClientId = Annotated[str, Meta(min_length=1, max_length=48)]
SecurityId = Annotated[str, Meta(min_length=1, max_length=12)]
ListedId = Annotated[str, Meta(pattern=r"^[A-Z0-9.]{1,12}\Z")]
FeePpm = Annotated[int, Meta(gt=-(10**6), lt=10**6)]  # of the cash of a trade; see tasks.shared.rules.fees
Reason = Annotated[str, Meta(min_length=1, max_length=48)]
# Event ids [from, to) of one shard; see tasks.shared.rules.coverage.
Covered = tuple[EventId, EventId]


# -- api -> order_entry ------------------------------------------------------------------------------------------


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


# -- order_entry -> order_log -> matching --------------------------------------------------------------------------


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
    """Begin the trading of a security on this shard, with the book as it left another: the first command about it here.

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


# -- matching -> order_execution, data_feed ------------------------------------------------------------------------


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


Level = tuple[PriceCents, Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0)]]


class BookUpdate(Struct, frozen=True, array_like=True):
    """The levels of a security's book that changed, as absolute (price, quantity, orders); quantity 0 removes.

    `sequence` counts the changes of the book; an update continues from `previous_sequence`. A snapshot contains every
    level and continues from anything. Bid, ask and last are those at `sequence`, each None if the book has none.
    """

    security_id: SecurityId
    previous_sequence: Sequence
    sequence: Sequence
    snapshot: bool
    bids: list[Level]
    asks: list[Level]
    bid_cents: PriceCents | None
    ask_cents: PriceCents | None
    last_cents: PriceCents | None
    updated_us: Microseconds


class AuctionUpdate(Struct, frozen=True, gc=False, array_like=True):
    """The outcome of a security's auction if it ended now; of several updates only the last counts.

    `volume` would trade at `price_cents`, and `surplus` is the quantity by which the larger side exceeds the other at
    this price [shares]. Without a price nothing would trade, as outside of auctions.
    """

    security_id: SecurityId
    price_cents: PriceCents | None
    volume: Annotated[int, Meta(ge=0)]
    surplus: Annotated[int, Meta(ge=0)]
    surplus_side: Side | None
    updated_us: Microseconds


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


# -- order_entry, matching, order_execution -> data_feed -----------------------------------------------------------


class OrderReport(Struct, frozen=True, array_like=True):
    """Order entry's decision on a request.

    `event_id` is the request's number. Side, quantity and price are those of an order or of a replacement, and None
    where a request does not state them. A mass cancel concerns no single order, so `order_id` is its own number.
    """

    event_id: EventId
    request: Literal["order", "cancel", "replace", "mass_cancel"]
    status: Literal["confirmed", "denied"]
    order_id: OrderId
    client_id: ClientId
    security_id: str
    side: Side | None
    quantity: Quantity | None
    price_cents: PriceCents | None
    reason: Reason | None
    received_us: Microseconds
    reported_us: Microseconds


class TradeFailed(Struct, frozen=True, array_like=True):
    """A trade that cannot settle: neither leg is booked, the holds are released, and both clients get a report."""

    trade: TradeMade
    reason: Reason


class FeedBatch(Struct, frozen=True, array_like=True):
    """The reports of a stage to the data feed; each stage fills its own lists.

    `began_us` is when the batch that made it began. `asked_us` has, for each of `orders`, when the api sent the
    request. `covers` are the intervals of events that this message reports completely; for order entry, the first event
    of a command stands for its request. Messages from before these three fields do not have them.
    """

    stage: Literal["order_entry", "matching", "order_execution"]
    sent_us: Microseconds
    orders: list[OrderReport] = []
    trades: list[TradeMade] = []
    closed: list[OrderClosed] = []
    refused: list[CancelRefused] = []
    books: list[BookUpdate] = []
    settled: list[TradeMade] = []
    replaced: list[OrderReplaced] = []
    replaces_refused: list[ReplaceRefused] = []
    triggered: list[OrderTriggered] = []
    failed: list[TradeFailed] = []
    began_us: Microseconds | None = None
    asked_us: list[Microseconds | None] = []
    covers: list[Covered] = []
    securities: list[SecurityEvent] = []
    auctions: list[AuctionUpdate] = []


# -- numbers and codec ---------------------------------------------------------------------------------------------

_SEQ_BITS = 36
_N_BITS = 21
MAX_EVENTS_PER_COMMAND = 2**_N_BITS


def event_id(shard: int, seq: int, n: int) -> int:
    """Return the number of the n-th event of command `seq` of a shard, the same in every replay.

    shard  0 to 61, seq  1 to 2^36 - 1, n  0 to 2^21 - 1; the result is at least 2^57, so it differs from every number
    of a request, which is below 2^53, and fits a signed 64-bit column.
    """
    return (shard + 1) << (_SEQ_BITS + _N_BITS) | seq << _N_BITS | n


def split_event_id(number: int) -> tuple[int, int, int]:
    """Return (shard, seq, n) of an event id."""
    return (
        (number >> (_SEQ_BITS + _N_BITS)) - 1,
        (number >> _N_BITS) & ((1 << _SEQ_BITS) - 1),
        number & (MAX_EVENTS_PER_COMMAND - 1),
    )


CONTENT_TYPE = "application/json"

encode = msgspec.json.encode

_command_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Command)


def encode_command(command: Command) -> str:
    """Return a command as a line of the order log, in JSON."""
    return encode(command).decode()


def decode_command(text: str | bytes) -> Command:
    """Decode a line of the log; raise msgspec.ValidationError if it is not a command."""
    command: Command = _command_decoder.decode(text)
    return command
