"""The rules of order entry: which requests become commands, and why the others do not.

Pure: what the rules need to know comes in as values, and what they decide goes out as values. Everything in a
request was checked at the edge already; it is checked again here, because not only the api can put a message on a
queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from msgspec import Struct

from db.clearing_data.rows import KnownOrder, Security
from tasks.messages import CancelOrder, CancelRequest, Command, OrderRequest, PlaceOrder
from tasks.order_entry.collar import collar_price
from tasks.order_entry.risk import Funds, Shares

Request = OrderRequest | CancelRequest

DenialReason = Literal[
    "price_missing",  # a limit order needs one
    "price_not_allowed",  # a market order has none
    "contradictory_terms",  # post-only means to rest; ioc, fok and market orders never do
    "quantity_too_large",
    "unknown_security",
    "unknown_account",
    "duplicate_client_order_id",
    "halted",
    "price_off_tick",
    "price_out_of_band",
    "no_reference_price",
    "too_many_open_orders",
    "insufficient_funds",
    "insufficient_holdings",
    "unknown_order",  # of a cancel: nothing of the client's is open under this number
]


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings that bound orders.

    market_order_band   how far a market order may trade from the last price [fraction]
    max_order_quantity  largest order [shares]
    max_open_orders     open orders a client may have
    """

    market_order_band: Fraction
    max_order_quantity: int
    max_open_orders: int


class Admitted(Struct, frozen=True):
    """A request that goes into the log of its security's shard, as this command."""

    request: Request
    command: Command
    shard: int


class Denied(Struct, frozen=True):
    """A request that goes no further."""

    request: Request
    reason: DenialReason


@dataclass(slots=True)
class EntryDesk:
    """Decides the requests of one unit in their order, each knowing what the ones before it have taken.

    funds, shares   by client, and by client and security: the locked accounts; changed by what is admitted
    securities      the listed ones, by id
    orders          by order id: those that the cancels of the unit name and that order entry has seen before
    issued_below    every order id given out up to now is below it
    taken           (client_id, client_order_id) that stand for other orders already; added to
    now_us          when the unit is sequenced
    """

    funds: Mapping[str, Funds]
    shares: Mapping[tuple[str, str], Shares]
    securities: Mapping[str, Security]
    orders: dict[int, KnownOrder]
    issued_below: int
    limits: Limits
    now_us: int
    taken: set[tuple[str, str]] = field(default_factory=set)

    def decide(self, request: Request) -> Admitted | Denied:
        """Admit a request, holding what it may cost, or deny it."""
        return self._cancel(request) if isinstance(request, CancelRequest) else self._order(request)

    def _order(self, order: OrderRequest) -> Admitted | Denied:
        security = self.securities.get(order.security_id)
        funds = self.funds.get(order.client_id)
        refusal = self._refusal(order, security, funds)
        if refusal is not None:
            return self._deny(order, refusal)
        assert security is not None
        assert funds is not None
        price_cents = order.price_cents
        if price_cents is None:
            if security.last_price_cents is None:
                return self._deny(order, "no_reference_price")
            price_cents = collar_price(
                security.last_price_cents,
                order.side,
                band=self.limits.market_order_band,
                tick_cents=security.tick_cents,
                min_price_cents=security.min_price_cents,
                max_price_cents=security.max_price_cents,
            )
        if order.side == "buy":
            if not funds.hold(order.quantity * price_cents):
                return self._deny(order, "insufficient_funds")
        else:
            shares = self.shares.get((order.client_id, order.security_id))
            if shares is None or not shares.hold(order.quantity):
                return self._deny(order, "insufficient_holdings")
        funds.newly_open += 1
        self._remember(order, is_open=True)
        command = PlaceOrder(
            order.order_id,
            order.client_id,
            order.security_id,
            order.type,
            order.side,
            order.quantity,
            price_cents,
            order.time_in_force if order.type == "limit" else "ioc",
            order.post_only,
            self.now_us,
        )
        return Admitted(order, command, security.shard)

    def _refusal(self, order: OrderRequest, security: Security | None, funds: Funds | None) -> DenialReason | None:
        """What stands against an order, leaving aside whether its client can pay for it."""
        if order.client_order_id is not None and (order.client_id, order.client_order_id) in self.taken:
            return "duplicate_client_order_id"
        if security is None:
            return "unknown_security"
        if funds is None:
            return "unknown_account"
        if security.halted:
            return "halted"
        return (
            _contradiction(order)
            or (None if order.price_cents is None else price_refusal(order.price_cents, security))
            or ("quantity_too_large" if order.quantity > self.limits.max_order_quantity else None)
            or (None if funds.may_open(self.limits.max_open_orders) else "too_many_open_orders")
        )

    def _deny(self, order: OrderRequest, reason: DenialReason) -> Denied:
        self._remember(order, is_open=False)
        return Denied(order, reason)

    def _remember(self, order: OrderRequest, *, is_open: bool) -> None:
        """An order of this unit is known to those that come after it in the unit."""
        self.orders[order.order_id] = KnownOrder(order.client_id, order.security_id, is_open)
        if order.client_order_id is not None:
            self.taken.add((order.client_id, order.client_order_id))

    def _cancel(self, cancel: CancelRequest) -> Admitted | Denied:
        security = self.securities.get(cancel.security_id)
        if security is None:
            return Denied(cancel, "unknown_security")
        if cancel.client_id not in self.funds:
            return Denied(cancel, "unknown_account")
        order = self.orders.get(cancel.order_id)
        if order is None:
            # It may be on its way, on another worker or behind us in the queue: then the engine lets the cancel
            # wait, and sees to it that it is the owner's.
            cancellable = cancel.order_id < self.issued_below
        else:
            cancellable = order == KnownOrder(cancel.client_id, cancel.security_id, is_open=True)
        if not cancellable:
            return Denied(cancel, "unknown_order")
        command = CancelOrder(cancel.command_id, cancel.client_id, cancel.security_id, cancel.order_id, self.now_us)
        return Admitted(cancel, command, security.shard)


def price_refusal(price_cents: int, security: Security) -> Literal["price_off_tick", "price_out_of_band"] | None:
    """What stands against the price of a limit order [cents/share]."""
    if price_cents % security.tick_cents:
        return "price_off_tick"
    if not security.min_price_cents <= price_cents <= security.max_price_cents:
        return "price_out_of_band"
    return None


def _contradiction(order: OrderRequest) -> DenialReason | None:
    """What an order says of itself that cannot be so."""
    if order.type == "limit":
        if order.price_cents is None:
            return "price_missing"
        return "contradictory_terms" if order.post_only and order.time_in_force != "gtc" else None
    if order.price_cents is not None:
        return "price_not_allowed"
    return "contradictory_terms" if order.post_only else None


def number_of(request: Request) -> int:
    """The request's own number, of the one series that orders and cancels share."""
    return request.order_id if isinstance(request, OrderRequest) else request.command_id
