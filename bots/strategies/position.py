"""Brings a position to where a strategy wants it, within what the bot can pay and has, at prices that stand."""

from __future__ import annotations

from bots.contract import Price
from bots.strategy import Strategy


def approach(strategy: Strategy, price: Price, target: int, *, largest: int) -> int:
    """Trade towards a position by one order that takes the best price; the shares ordered, negative for a sale.

    The order is immediate or cancelled: nothing is left in the market, and nothing is paid beyond the best price.

    target   shares wanted; below zero counts as none, since nobody can sell what he has not
    largest  the most shares of an order
    raises   what the venue raises
    """
    name = price.security_id
    if any(order.security_id == name for order in strategy.open_orders.values()):
        return 0  # the last one is still under way
    missing = max(target, 0) - strategy.position(name)
    if missing > 0 and price.ask is not None:
        quantity = min(missing, largest, int(strategy.cash / price.ask))
        if quantity > 0:
            strategy.buy(quantity, price.ask, security_id=name, time_in_force="ioc")
            return quantity
    elif missing < 0 and price.bid is not None:
        quantity = min(-missing, largest, strategy.available(name))
        if quantity > 0:
            strategy.sell(quantity, price.bid, security_id=name, time_in_force="ioc")
            return -quantity
    return 0
