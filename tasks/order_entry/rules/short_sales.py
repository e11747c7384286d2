"""Sales of more shares than the client has available: the rest is borrowed from DTCC as it trades.

Until then the order holds cash for half of the value, at its limit, of what it may borrow, and the same number of
shares is located at DTCC, so that each trade finds them.
"""

from __future__ import annotations

from typing import Literal

from tasks.messages import OrderRequest, ReplaceRequest
from tasks.order_entry.rules.collar import collar_price
from tasks.order_entry.rules.decisions import Limits
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.reservation import Terms
from tasks.order_entry.rules.risk import Debt, Funds, Shares
from tasks.shared.rules.loans import collateral_cents, margin_cents, requirement_cents, secured_cents, split
from tasks.shared.rules.securities import Security

ShortRefusal = Literal["short_limit", "nothing_to_borrow", "insufficient_margin"]


def least_margin_price(security: Security, limits: Limits, *, stop_price_cents: int | None = None) -> int:
    """Return the lowest price by which an order holds margin: that of a market order, or of a stop order.

    A lower limit trades at the market, too; half of such a limit would not secure the shares for a moment.
    """
    reference = stop_price_cents or security.last_price_cents
    if reference is None:
        return 0
    return collar_price(
        reference,
        "sell",
        band=limits.market_order_band,
        tick_cents=security.tick_cents,
        min_price_cents=security.min_price_cents,
        max_price_cents=security.max_price_cents,
    )


def sell_short(desk: Desk, order: OrderRequest, *, funds: Funds, price_cents: int, most: int) -> ShortRefusal | None:
    """Hold what a short sale needs, and note how many of its shares belong to the client.

    price_cents  by which it holds margin
    most         how many shares of a security the client may owe
    returns      why it is denied; then nothing is held
    """
    owner = (order.client_id, order.security_id)
    shares = desk.shares.get(owner) or Shares(0)
    owned = shares.available
    short = order.quantity - owned
    refusal = locate(
        desk, shares, order.security_id, funds=funds, short=short, cents=margin_cents(short, price_cents), most=most
    )
    if refusal is not None:
        return refusal
    shares.hold(owned)
    desk.shares[owner] = shares
    desk.owned[order.order_id] = owned
    desk.margin_prices[order.order_id] = price_cents
    return None


def reserve_sale(
    desk: Desk, replace: ReplaceRequest, terms: Terms, *, funds: Funds, least_price: int, most: int
) -> int | ShortRefusal | Literal["insufficient_holdings"]:
    """Reserve the additional shares that a sell order may need; if there are too few, let the order sell short.

    least_price  the lowest limit of an order that sells short, unless it holds margin by a lower one [cents]
    most         how many shares of a security the client may owe
    returns      the shares reserved until the replacement is decided, 0 for an order that sells short, because its
                 terms say what it holds; or why it is denied, and then nothing is held
    """
    shares = desk.shares.get((replace.client_id, replace.security_id)) or Shares(0)
    if terms.owned is None:
        reserved = terms.reserved_shares(replace.quantity)
        if shares.hold(reserved):
            return reserved
        if not most or not terms.lowest_quantity == terms.highest_quantity == terms.largest_quantity:
            # An order does not begin to sell short while another of its replacements is pending.
            return "insufficient_holdings"
    largest = max(terms.largest_quantity, replace.quantity or 0)
    closed = terms.gone - terms.filled
    owned = terms.largest_quantity if terms.owned is None else terms.owned
    old = split(
        most=terms.largest_quantity, owned=owned, filled=terms.filled, closed=closed, price_cents=terms.margin_cents
    )
    if largest > terms.largest_quantity:
        owned = max(owned, terms.filled) + min(shares.available, largest - terms.largest_quantity)
    price_cents = max(terms.margin_cents, replace.price_cents or 0)
    new = split(most=largest, owned=owned, filled=terms.filled, closed=closed, price_cents=price_cents)
    # Once the replacement is decided, the order holds margin by its limit: the new one, or the old one if the engine
    # refuses. Only an order that sells short already holds enough by a limit below the market, as a stop order does.
    least_cents = least_price if terms.owned is None else min(least_price, terms.margin_cents)
    limit_cents = replace.price_cents or terms.lowest_hold_cents
    if new.short and min(limit_cents, terms.highest_price_cents) < least_cents:
        return "insufficient_margin"
    if new.owned - old.owned > shares.available:
        return "insufficient_holdings"  # the order was closed, but earlier fills have yet to settle
    refusal = locate(
        desk,
        shares,
        replace.security_id,
        funds=funds,
        short=new.short - old.short,
        cents=new.margin_cents - old.margin_cents,
        most=most,
    )
    if refusal is not None:
        return refusal
    shares.hold(new.owned - old.owned)
    desk.shares[replace.client_id, replace.security_id] = shares
    terms.owned, terms.margin_cents = owned, price_cents
    return 0


def hold_to_cover(desk: Desk, owner: tuple[str, str], funds: Funds, quantity: int, cents: int) -> bool:
    """Hold cash, also of the collateral, for an order that only buys what its client owes; return whether it suffices.

    The order takes at most the part of the secured cash that is for its shares, and never more than the account has.
    """
    debt = desk.debts.get(owner)
    if debt is None or quantity > debt.borrowed - debt.open_buys:
        return False
    secured = secured_cents(funds.collateral_cents, funds.required_cents)
    freed = _secured_after(funds, debt, debt.open_buys) - _secured_after(funds, debt, debt.open_buys + quantity)
    if cents > min(max(funds.available_cents, 0) + freed, funds.available_cents + secured):
        return False
    funds.available_cents -= cents
    funds.newly_held_cents += cents
    return True


def _secured_after(funds: Funds, debt: Debt, returned: int) -> int:
    """Return the cash that is still secured once the client has returned this many of the owed shares [cents]."""
    collateral = funds.collateral_cents - collateral_cents(debt.sold_cents) * returned // debt.borrowed
    required = funds.required_cents - requirement_cents(debt.value_cents) * returned // debt.borrowed
    return secured_cents(collateral, required)


def count_purchase(desk: Desk, owner: tuple[str, str], quantity: int) -> None:
    """Note that the client's open buy orders grow by this many shares."""
    debt = desk.debts.get(owner)
    if debt is not None:
        debt.open_buys += quantity


def locate(
    desk: Desk, shares: Shares, security_id: str, *, funds: Funds, short: int, cents: int, most: int
) -> ShortRefusal | None:
    """Locate shares at DTCC and hold the margin for them, or neither.

    short  additional shares to locate [shares]
    cents  additional margin [cents]; both may be negative or 0
    """
    if short > 0:
        if shares.borrowed + shares.located + short > most:
            return "short_limit"
        lendable = desk.lendable.get(security_id)
        if lendable is None or short > lendable.available:
            return "nothing_to_borrow"
    if not funds.hold(cents):
        return "insufficient_margin"
    if short:
        lendable = desk.lendable[security_id]
        lendable.available -= short
        lendable.newly_located += short
        shares.located += short
        shares.newly_located += short
    return None
