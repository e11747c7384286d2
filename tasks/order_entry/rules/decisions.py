"""What order entry decides of a request: a command for the log, or a denial with a named reason."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from msgspec import Struct

from tasks.messages import Command, OrderRequest, ReplaceRequest, Request

DenialReason = Literal[
    "price_missing",  # a limit order needs one
    "price_not_allowed",  # a market order has none, a stop order neither
    "stop_price_missing",  # a stop order needs one, a stop-limit order too
    "stop_price_not_allowed",  # the others have none
    "contradictory_terms",  # see orders.contradiction; and a replacement that replaces nothing
    "display_quantity_too_small",  # of an iceberg
    "quantity_too_large",
    "notional_too_large",
    "position_limit",
    "unknown_security",
    "unknown_shard",
    "wrong_shard",  # of a mass cancel: the security is traded on another one
    "unknown_account",
    "client_stopped",
    "account_closed",
    "duplicate_client_order_id",
    "halted",
    "price_off_tick",
    "price_out_of_band",
    "no_reference_price",
    "too_many_open_orders",
    "insufficient_funds",
    "insufficient_holdings",
    "unknown_order",  # of a cancel or a replacement: nothing of the client's is open under this number
    "cancelled",  # of an order that comes after a cancel that was sent after it
]


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings that bound what a client may do; None is no limit.

    market_order_band         how far a market order may trade from the last price [fraction]
    max_order_quantity        largest order [shares]
    max_open_orders           open orders a client may have
    max_order_notional_cents  largest value of an order at its limit or collar [cents]
    max_position              shares of one security that a client may come to hold, open buy orders included
    """

    market_order_band: Fraction
    max_order_quantity: int
    max_open_orders: int
    max_order_notional_cents: int | None = None
    max_position: int | None = None


class Admitted(Struct, frozen=True):
    """A request that goes into the log of its shard, as this command."""

    request: Request
    command: Command
    shard: int


class Denied(Struct, frozen=True):
    """A request that goes no further."""

    request: Request
    reason: DenialReason


class Waiting(Struct, frozen=True):
    """A replacement that has come before its order, and is decided when the order comes or the wait is over."""

    request: ReplaceRequest


Decision = Admitted | Denied | Waiting


class Dropped(Struct, frozen=True):
    """A request that cannot be decided or reported: only a faulty sender makes one, and the log names it."""

    request: Request
    reason: Literal[
        "number_reused",  # its number stands for another request
        "control_character",  # in a name, which no table can hold
    ]


def number_of(request: Request) -> int:
    """The request's own number, of the one series that orders and all other requests share."""
    return request.order_id if isinstance(request, OrderRequest) else request.command_id
