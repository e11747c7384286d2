"""Rows of `clearing_data` as order entry reads and writes them: values for the rules, columns for the queries.

Cash is integer cents, quantities integer shares, times microseconds since 1970 in UTC.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from tasks.messages import Command, Side


class KnownOrder(NamedTuple):
    """The columns of an order that a cancel of it needs."""

    client_id: str
    security_id: str
    is_open: bool
    is_buy_in: bool = False  # placed by the clearinghouse: its client cannot cancel it


# The order id of a mark that applies to any order of its client.
ANY_ORDER = 0


class EntryAccount(NamedTuple):
    """A client's account, locked."""

    client_id: str
    available_cents: int
    open_orders: int
    state: str  # open, stopped, closed; buy_in when it is open and being bought in
    collateral_cents: int = 0  # required by the shares that it owes; not available
    # Its own limits; None where those of the exchange apply.
    max_order_quantity: int | None = None
    max_order_notional_cents: int | None = None
    max_open_orders: int | None = None
    max_position: int | None = None
    short_limit: int | None = None
    competition: int | None = None  # it trades the securities of this competition; None: those of no competition


class OrderRow(Struct, frozen=True, array_like=True):
    """A row of `orders` as order entry inserts it; the fields are its columns."""

    order_id: int
    client_id: str
    client_order_id: str | None
    security_id: str
    type: str
    side: str
    quantity: int
    price_cents: int | None
    hold_cents: int
    time_in_force: str
    post_only: bool
    created_us: int
    status: str
    closed_quantity: int
    reason: str | None
    updated_us: int
    stop_price_cents: int | None = None
    display_quantity: int | None = None
    fee_ppm: int = 0
    expires_us: int | None = None
    owned_quantity: int | None = None
    margin_price_cents: int | None = None


class RegisteredOrder(NamedTuple):
    """An order in the register whose request came again; a denied order keeps the terms of its first copy."""

    client_id: str
    terms: tuple[object, ...]  # as tasks.order_entry.rules.terms lists them
    created_us: int  # when the api accepted its first copy


class ReplaceableOrder(NamedTuple):
    """An order as a replacement finds it: its registered state, and the extremes of its registered and pending terms.

    Its terms at the engine lie within these, because a pending replacement may be decided but not yet settled. The hold
    is that of the registered terms; the prices are those of pending replacements alone.
    """

    order_id: int
    client_id: str
    security_id: str
    type: str
    side: Side
    is_open: bool  # or a replacement is pending, after which it may be open
    filled_quantity: int
    price_cents: int  # the limit, or the least that a share of a sell order without one may bring
    hold_cents: int
    lowest_quantity: int
    highest_quantity: int
    lowest_price_cents: int | None
    highest_price_cents: int | None
    display_quantity: int | None
    fee_ppm: int  # its hold for fees depends on this and the next fields; see tables.fee_hold
    largest_quantity: int
    largest_hold_cents: int
    gone_quantity: int  # filled or closed
    # For an order that sells short; see tasks.shared.rules.loans.
    owned_quantity: int | None = None
    margin_price_cents: int | None = None


class OpenOrder(NamedTuple):
    """An order that is open, or may be so once its pending replacements are settled."""

    order_id: int
    client_id: str
    security_id: str
    side: Side


class PendingReplace(NamedTuple):
    """A row of `pending_replaces`; the fields are its columns. None leaves a term as it is."""

    order_id: int
    command_id: int
    client_id: str
    quantity: int | None
    price_cents: int | None
    reserved: int


class CancelMark(NamedTuple):
    """A row of `cancel_marks`: the fields are its columns."""

    client_id: str
    order_id: int  # ANY_ORDER for a mass cancel
    shard: int
    security_id: str  # empty: any
    side: str  # empty: either
    before_us: int


class Widened(NamedTuple):
    """The extremes that an order may reach through the admitted replacements."""

    quantity: int  # 0 where they leave it
    price_cents: int  # 0 where they leave it
    fee_ppm: int
    owned_quantity: int | None = None  # of an order that sells short
    margin_price_cents: int | None = None


class Sequenced(Struct, frozen=True):
    """A command that the log holds."""

    shard: int
    seq: int
    command: Command
