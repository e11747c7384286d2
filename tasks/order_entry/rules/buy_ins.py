"""Buy-ins: the clearinghouse cancels a client's open orders and buys the shares that it owes at the market.

The purchases are the client's own orders, paid with all of its cash that is not held, which includes the collateral.
They wait while the security is halted or closed, and take part in auctions. If an order finds no seller, or not enough
cash, another one follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tasks.messages import OrderReport, PlaceOrder, TimeInForce
from tasks.order_entry.rules.collar import collar_price
from tasks.order_entry.rules.decisions import Limits
from tasks.order_entry.rules.orders import fee_ppm
from tasks.order_entry.rules.rows import OrderRow
from tasks.shared.rules.fees import fee_hold_cents
from tasks.shared.rules.loans import requirement_cents
from tasks.shared.rules.securities import Security

REASON: Final = "buy_in"

# The longer a buy-in lasts, the longer it waits between attempts: an eighth of its duration, at most this [us].
LONGEST_WAIT_US: Final = 4_000_000

_TIMES_IN_FORCE: Mapping[str, TimeInForce] = {"continuous": "ioc", "auction": "auction"}


class OwedShares(NamedTuple):
    """Shares of a security that a client owes."""

    security_id: str
    shares: int


class ClientOrder(NamedTuple):
    """An open order of a client that is being bought in, and its shard."""

    order_id: int
    security_id: str
    shard: int
    is_buy_in: bool
    time_in_force: TimeInForce = "ioc"


@dataclass(frozen=True, slots=True)
class BoughtIn:
    """A client that is being bought in, whose account is locked.

    cash_cents  cash that its open orders do not hold
    since_us    when the buy-in began; tried_us is the last attempt, None before the first one
    """

    client_id: str
    cash_cents: int
    since_us: int
    tried_us: int | None
    owed: Sequence[OwedShares] = ()
    orders: Sequence[ClientOrder] = ()


@dataclass(slots=True)
class BuyIns:
    """The actions that are due: cancels by shard, purchases with their fee rates, and the cash they hold [cents]."""

    tried: list[str] = field(default_factory=list)
    cancels: dict[int, list[int]] = field(default_factory=dict)
    purchases: list[tuple[int, PlaceOrder, int]] = field(default_factory=list)  # shard, command, fee rate [ppm]
    held_cents: dict[str, tuple[int, int]] = field(default_factory=dict)  # by client, with the number of its orders


def is_due(client: BoughtIn, now_us: int) -> bool:
    """Return whether another attempt is due."""
    if client.tried_us is None:
        return True
    return now_us - client.tried_us >= min((now_us - client.since_us) // 8, LONGEST_WAIT_US)


def plan(
    clients: Iterable[BoughtIn],
    securities: Mapping[str, Security],
    numbers: Iterable[int],
    *,
    limits: Limits,
    now_us: int,
) -> BuyIns:
    """Return the cancels and purchases that are due.

    numbers  ids for new orders, one for each security that a client owes
    """
    buy_ins, ids = BuyIns(), iter(numbers)
    for client in clients:
        if not is_due(client, now_us):
            continue
        buy_ins.tried.append(client.client_id)
        owed = {one.security_id for one in client.owed}
        for order in client.orders:
            # The client may have got the shares in another way than by a purchase that is still open.
            if not order.is_buy_in or order.security_id not in owed or _is_late(order, securities):
                buy_ins.cancels.setdefault(order.shard, []).append(order.order_id)
        _buy(buy_ins, client, securities, ids, limits=limits, now_us=now_us)
    return buy_ins


def _is_late(order: ClientOrder, securities: Mapping[str, Security]) -> bool:
    """Return whether a purchase came after the auction for which it was meant, and would wait for another one."""
    security = securities.get(order.security_id)
    return order.time_in_force == "auction" and security is not None and security.phase == "continuous"


def _buy(
    buy_ins: BuyIns,
    client: BoughtIn,
    securities: Mapping[str, Security],
    ids: Iterable[int],
    *,
    limits: Limits,
    now_us: int,
) -> None:
    cash_cents, placed = client.cash_cents, 0
    under_way = {order.security_id for order in client.orders if order.is_buy_in}
    for owed in client.owed:
        security = securities.get(owed.security_id)
        if security is None or security.phase not in _TIMES_IN_FORCE or owed.security_id in under_way:
            continue
        rate_ppm = fee_ppm(security)
        limit_cents = _limit(security, limits, rate_ppm)
        quantity = affordable(owed.shares, cash_cents, limit_cents, rate_ppm)
        if quantity:
            buy_ins.purchases.append(
                (security.shard, _order(next(iter(ids)), client, security, quantity, limit_cents, now_us), rate_ppm)
            )
            cash_cents -= _cost(quantity, limit_cents, rate_ppm)
            placed += 1
    if placed:
        buy_ins.held_cents[client.client_id] = (client.cash_cents - cash_cents, placed)


def _limit(security: Security, limits: Limits, rate_ppm: int) -> int:
    """Return the limit of a purchase: its collar, but with fees at most 125 % of the last price, the fund's maximum.

    It is at least a tick, also with a fee so high that the fund cannot pay for it.
    """
    last_cents = security.last_price_cents or security.max_price_cents
    collar = collar_price(
        last_cents,
        "buy",
        band=limits.market_order_band,
        tick_cents=security.tick_cents,
        min_price_cents=security.min_price_cents,
        max_price_cents=security.max_price_cents,
    )
    most = requirement_cents(last_cents) * 1_000_000 // (1_000_000 + rate_ppm)
    return max(min(collar, most // security.tick_cents * security.tick_cents), security.tick_cents)


def affordable(shares: int, cash_cents: int, limit_cents: int, rate_ppm: int) -> int:
    """Return how many of the shares the cash can buy at the limit, fees included."""
    quantity = min(shares, cash_cents * 1_000_000 // (limit_cents * (1_000_000 + rate_ppm)))
    while quantity and _cost(quantity, limit_cents, rate_ppm) > cash_cents:
        quantity -= 1
    return max(quantity, 0)


def _cost(quantity: int, limit_cents: int, rate_ppm: int) -> int:
    return quantity * limit_cents + fee_hold_cents(quantity * limit_cents, rate_ppm)


def _order(
    order_id: int, client: BoughtIn, security: Security, quantity: int, limit_cents: int, now_us: int
) -> PlaceOrder:
    return PlaceOrder(
        order_id,
        client.client_id,
        security.security_id,
        "market",
        "buy",
        quantity,
        limit_cents,
        _TIMES_IN_FORCE[security.phase],
        False,
        now_us,
        hold_cents=limit_cents,
    )


def row_of(order: PlaceOrder, rate_ppm: int) -> OrderRow:
    """Return a purchase as it goes into the register of orders."""
    return OrderRow(
        order.order_id,
        order.client_id,
        None,
        order.security_id,
        order.type,
        order.side,
        order.quantity,
        None,
        order.hold_cents,
        order.time_in_force,
        order.post_only,
        order.sequenced_us,
        "new",
        0,
        None,
        order.sequenced_us,
        fee_ppm=rate_ppm,
    )


def report(order: PlaceOrder, now_us: int) -> OrderReport:
    """Return the report of a purchase to the client."""
    return OrderReport(
        order.order_id,
        "order",
        "confirmed",
        order.order_id,
        order.client_id,
        order.security_id,
        order.side,
        order.quantity,
        None,
        REASON,
        order.sequenced_us,
        now_us,
    )
