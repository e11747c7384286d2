"""Moves a position towards a target within the bot's cash and shares, at the prices in the book."""

from __future__ import annotations

from bots.contract import Price
from bots.strategy import Strategy


def approach(strategy: Strategy, price: Price, target: int, *, largest: int) -> int:
    """Send one order at the best price towards a target position; return the shares ordered, negative for a sale.

    The order is immediate-or-cancel: nothing stays in the market, and nothing trades beyond the best price.

    target   target position [shares]; a negative one counts as 0
    largest  largest order [shares]
    raises   what the venue raises
    """
    name = price.security_id
    missing = max(target, 0) - strategy.position(name)
    if not missing:
        return 0
    if strategy.phase(name) != "continuous":
        return 0  # an auction takes no immediate orders
    if any(order.security_id == name for order in strategy.open_orders.values()):
        return 0  # the previous order is still open
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
