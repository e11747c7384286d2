"""The decision of order entry about a request: a command for the log, or a denial with a named reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, NamedTuple

from msgspec import Struct

from tasks.messages import Command, OrderRequest, ReplaceRequest, Request
from tasks.order_entry.rules.rows import EntryAccount

DenialReason = Literal[
    "price_missing",  # a limit order needs one
    "price_not_allowed",  # market orders and stop orders have none
    "stop_price_missing",  # stop orders and stop-limit orders need one
    "stop_price_not_allowed",  # other orders have none
    "contradictory_terms",  # see orders.contradiction; also a replacement that changes nothing
    "display_quantity_too_small",  # of an iceberg
    "quantity_too_large",
    "notional_too_large",
    "position_limit",
    "unknown_security",
    "unknown_shard",
    "wrong_shard",  # in reports from before securities could move
    "unknown_account",
    "client_stopped",
    "account_closed",
    "other_market",  # the account and the security belong to different competitions
    "duplicate_client_order_id",
    "halted",
    "closed",  # the security takes cancels only, as it does when halted
    "settled",  # of a security: it is no longer traded or changed
    "expired",  # of a gtd order that arrives after its end
    "price_off_tick",
    "price_out_of_band",
    "no_reference_price",
    "too_many_open_orders",
    "insufficient_funds",
    "insufficient_holdings",
    "short_limit",  # a client that may sell short sells more than it has and may owe
    "nothing_to_borrow",  # DTCC does not have enough shares to lend
    "insufficient_margin",  # which is half of what is sold short
    "buy_in",  # the clearinghouse is buying the shares that the client owes
    "unknown_order",  # of a cancel or a replacement: the client has no open order with this number
    "cancelled",  # of an order that arrives after a cancel that was sent after it
    "security_exists",  # of a listing: a security with this id exists or existed
    "orders_open",  # of a delisting
    "worth_too_large",  # of a listing or a settlement: the issued shares would be worth more than can be booked
    "shares_owed",  # of a delisting: clients owe shares
]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits on what a client may do, from the settings or from its account; None means no limit.

    market_order_band         largest distance from the last price at which a market order may trade [fraction]
    max_order_quantity        largest order [shares]
    max_open_orders           open orders a client may have
    max_order_notional_cents  largest value of an order at its limit or collar [cents]
    max_position              shares of one security that a client may come to hold, open buy orders included
    short_limit               shares of one security that a client may owe, open orders included
    """

    market_order_band: Fraction
    max_order_quantity: int
    max_open_orders: int
    max_order_notional_cents: int | None = None
    max_position: int | None = None
    short_limit: int = 0

    def of_account(self, account: EntryAccount) -> Limits:
        """Return the limits of an account: its own where it has any, otherwise these."""
        if tuple(account)[_LIMITS] == _NONE:
            return self
        own = {name: limit for name in _OF_ACCOUNTS if (limit := getattr(account, name)) is not None}
        return replace(self, **own)


_OF_ACCOUNTS = ("max_order_quantity", "max_order_notional_cents", "max_open_orders", "max_position", "short_limit")
_FIRST_LIMIT = EntryAccount._fields.index(_OF_ACCOUNTS[0])
_LIMITS = slice(_FIRST_LIMIT, _FIRST_LIMIT + len(_OF_ACCOUNTS))
_NONE = (None,) * len(_OF_ACCOUNTS)
assert tuple(EntryAccount._fields)[_LIMITS] == _OF_ACCOUNTS


class Admitted(Struct, frozen=True):
    """A request that enters the log of its shard, as this command."""

    request: Request
    command: Command
    shard: int


class Shortfall(NamedTuple):
    """What a denied request needs and what there is or may be of it; cents or shares, which the reason says."""

    needed: int
    available: int


class Denied(Struct, frozen=True):
    """A request that goes no further; the shortfall where something is short."""

    request: Request
    reason: DenialReason
    shortfall: Shortfall | None = None


class Waiting(Struct, frozen=True):
    """A replacement that arrived before its order, and is decided when the order arrives or the wait is over."""

    request: ReplaceRequest


Decision = Admitted | Denied | Waiting


class Dropped(Struct, frozen=True):
    """A request that cannot be decided or reported. Only a faulty sender makes one; a log event records it."""

    request: Request
    reason: Literal[
        "number_reused",  # its number stands for another request
        "control_character",  # in a name, which no table can hold
    ]


def number_of(request: Request) -> int:
    """Return the request's own number, from the one series that orders and all other requests share."""
    return request.order_id if isinstance(request, OrderRequest) else request.command_id
