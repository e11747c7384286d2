"""A market maker that prices the risk of its inventory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from bots.contract import Price, Side
from bots.strategies.quoted import mid_of
from bots.strategies.trend import Average
from bots.strategy import Strategy, option


@dataclass
class AvellanedaStoikov(Strategy):
    """Quotes around a reservation price that leans against its inventory.

    With inventory q (in units of a quote, relative to the opening position), risk aversion g, variance per second v of
    the price and horizon T, the reservation price is r = mid - q g v T, and the quotes lie half of
    d = g v T + (2/g) ln(1 + g/k) on both sides of it. T is a rolling horizon, because the market has no terminal time.
    v is estimated from changes of the mid; k, the rate at which the flow of orders falls with the distance from the
    mid, is an option. Quotes are post-only, and are replaced only when they are off by more than a tolerance, because
    a replaced quote loses its priority.

    Source: Avellaneda and Stoikov (2008), "High-frequency trading in a limit order book", Quantitative Finance 8(3),
    equations 3.17 and 3.18, with the infinite horizon that they discuss.
    """

    name = "avellaneda_stoikov"

    every_s: float = option(1.0, "time between two updates of the quotes [s]")
    risk: float = option(0.1, "risk aversion g [1/dollars]")
    thinning: float = option(20.0, "decay of the order flow with the distance from the mid, k [1/dollars]")
    horizon_s: float = option(60.0, "horizon of the price risk, T [s]")
    quantity: int = option(5, "size of a quote, and unit of the inventory [shares]")
    most: int = option(20, "inventory beyond which it quotes on one side only [quotes]")
    tolerance: float = option(0.01, "distance from its target at which a quote is replaced [dollars]")
    start: float = option(100.0, "price to quote around before the first one is known [dollars]")

    watches = frozenset({"price"})

    def __post_init__(self) -> None:
        if min(self.risk, self.thinning, self.horizon_s) <= 0:
            raise ValueError("risk, thinning and horizon_s must be above 0")
        self._variance = Average(self.horizon_s)
        self._mid_before: tuple[float, float] | None = None
        self._quotes: dict[Side, int] = {}
        self._neutral = 0

    def interval_s(self) -> float:
        """Return the time between two updates [s]."""
        return self.every_s

    def on_start(self) -> None:
        """Take the opening position as neutral, and cancel orders of an earlier run."""
        self._neutral = self.position()
        self.cancel_all()

    def on_stop(self) -> None:
        """Cancel all quotes, because nothing will update them."""
        self.cancel_all()

    def on_timer(self, now: float) -> None:
        """Update the variance and move the quotes to their targets."""
        mid = self._mid(self.price())
        if self._mid_before is not None:
            before_s, before = self._mid_before
            self._variance.add(now, (mid - before) ** 2 / max(now - before_s, 1e-9))
        self._mid_before = (now, mid)
        inventory = (self.position() - self._neutral) / self.quantity
        fear = self.risk * self._variance.mean * self.horizon_s
        reservation = mid - inventory * fear
        half_spread = fear / 2 + math.log(1 + self.risk / self.thinning) / self.risk
        self._quote("buy", reservation - half_spread, wanted=inventory < self.most)
        self._quote("sell", reservation + half_spread, wanted=inventory > -self.most)

    def _mid(self, price: Price) -> float:
        if (mid := mid_of(price)) is not None:
            return mid
        return float(price.last) if price.last is not None else self.start

    def _quote(self, side: Side, price: float, *, wanted: bool) -> None:
        limit = self._behind_the_other_side(side, price)
        standing = self.open_orders.get(self._quotes.get(side, 0))
        if standing is not None:
            if not wanted or standing.open_quantity < self.quantity:
                self.cancel(standing.order_id)  # the next update places a full one
            elif standing.status != "pending" and not standing.cancelling and self._is_off(standing.price, limit):
                self.replace(standing.order_id, price=limit)
        elif wanted and self._can(side, limit):
            self._quotes[side] = self.order(side, self.quantity, limit, post_only=True)

    def _is_off(self, price: Decimal | None, limit: Decimal) -> bool:
        return price is not None and abs(price - limit) > Decimal(str(self.tolerance))

    def _behind_the_other_side(self, side: Side, price: float) -> Decimal:
        """Round a price to the tick, away from the mid, to where it does not trade at once."""
        tick, now = self.security.tick, self.price()
        rounding = ROUND_FLOOR if side == "buy" else ROUND_CEILING
        limit = (Decimal(price) / tick).quantize(Decimal(1), rounding=rounding) * tick
        if side == "buy":
            return limit if now.ask is None else min(limit, now.ask - tick)
        return limit if now.bid is None else max(limit, now.bid + tick)

    def _can(self, side: Side, limit: Decimal) -> bool:
        return self.cash >= limit * self.quantity if side == "buy" else self.available() >= self.quantity
