"""A market maker that prices the risk of its inventory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

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
    v is an option, or estimated from changes of the mid; the estimate is for a market that others make, because a maker
    that moves the mid itself would take its own moves for risk. k, the rate at which the flow of orders falls with the
    distance from the mid, is an option. Quotes are post-only, and are replaced only when they are off by more than a
    tolerance, because a replaced quote loses its priority. Behind the best quotes there may be more levels; these
    follow more slowly.

    A maker whose quotes are the market moves the mid by its own inventory, and a mid that it leans from runs away. With
    a memory it leans from a price that follows the mid slowly: what it buys then moves the price in proportion, as in
    Kyle (1985), and the price comes back when it has sold again.

    In an auction, which takes no post-only orders, it quotes around the last price, before the first trade around the
    reference price.

    Source: Avellaneda and Stoikov (2008), "High-frequency trading in a limit order book", Quantitative Finance 8(3),
    equations 3.17 and 3.18, with the infinite horizon that they discuss.
    """

    name = "avellaneda_stoikov"

    every_s: float = option(1.0, "time between two updates of the quotes [s]")
    risk: float = option(0.1, "risk aversion g [1/dollars]")
    thinning: float = option(20.0, "decay of the order flow with the distance from the mid, k [1/dollars]")
    horizon_s: float = option(60.0, "horizon of the price risk, T [s]")
    volatility: float = option(0.0, "deviation of the price in a minute; 0 to estimate it [fraction]")
    memory_s: float = option(0.0, "time in which the price that it leans from follows the mid; 0 for at once [s]")
    quantity: int = option(5, "size of a quote, and unit of the inventory [shares]")
    most: int = option(20, "inventory beyond which it quotes on one side only [quotes]")
    tolerance: float = option(0.01, "distance from its target at which a quote is replaced [dollars]")
    levels: int = option(1, "quotes on each side, the second twice the size of the first, and so on")
    gap: float = option(0.05, "distance between two of them, and the tolerance that each adds [dollars]")
    start: float = option(100.0, "first price to quote around, where there is no reference price [dollars]")

    watches = frozenset({"price", "phase"})

    def __post_init__(self) -> None:
        if min(self.risk, self.thinning, self.horizon_s) <= 0:
            raise ValueError("risk, thinning and horizon_s must be above 0")
        if self.levels < 1 or self.quantity < 1:
            raise ValueError("levels and quantity must be at least 1")
        self._tolerances = [Decimal(str(self.tolerance + level * self.gap / 2)) for level in range(self.levels)]
        self._variance = Average(self.horizon_s)
        self._mid_before: tuple[float, float] | None = None
        self._quotes: dict[tuple[Side, int], int] = {}
        self._neutral = 0
        self._anchor: float | None = None

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
        phase = self.phase()
        if phase not in ("continuous", "auction"):
            return
        is_continuous = phase == "continuous"
        price = self.price()
        mid = self._mid(price, is_continuous=is_continuous)
        if self._mid_before is not None and is_continuous:
            before_s, before = self._mid_before
            self._variance.add(now, (mid - before) ** 2 / max(now - before_s, 1e-9))
        centre = self._centre(now, mid)
        self._mid_before = (now, mid) if is_continuous else None
        inventory = (self.position() - self._neutral) / self.quantity
        variance = (self.volatility * mid) ** 2 / 60 if self.volatility else self._variance.mean
        fear = self.risk * variance * self.horizon_s
        reservation = centre - inventory * fear
        half_spread = fear / 2 + math.log(1 + self.risk / self.thinning) / self.risk
        for level in range(self.levels):
            away = half_spread + level * self.gap
            buys, sells = inventory < self.most, inventory > -self.most
            best = price if is_continuous else None
            self._quote("buy", level, reservation - away, wanted=buys, best=best)
            self._quote("sell", level, reservation + away, wanted=sells, best=best)

    def _centre(self, now: float, mid: float) -> float:
        """Return the price to lean from."""
        if not self.memory_s or self._anchor is None:
            self._anchor = mid
        elif self._mid_before is not None:
            self._anchor += (mid - self._anchor) * -math.expm1((self._mid_before[0] - now) / self.memory_s)
        return self._anchor

    def _mid(self, price: Price, *, is_continuous: bool) -> float:
        if is_continuous and (mid := mid_of(price)) is not None:
            return mid
        return float(price.last or self.security.reference_price or self.start)

    def _quote(self, side: Side, level: int, price: float, *, wanted: bool, best: Price | None) -> None:
        """Move a quote to a price; it stays behind the best prices, which do not count in an auction."""
        quantity = self.quantity * (level + 1)
        standing = self.open_orders.get(self._quotes.get((side, level), 0))
        if standing is not None and (standing.status == "pending" or standing.cancelling):
            return
        tick = self.security.tick
        limit = _on_the_tick(side, price, tick)
        if best is not None:
            limit = _behind_the_other_side(side, limit, best, tick)
        if standing is not None:
            if not wanted or 2 * standing.open_quantity < quantity:
                self.cancel(standing.order_id)  # the next update places a full one
            elif self._is_off(standing.price, limit, level):
                self.replace(standing.order_id, price=limit)
        elif wanted and self._can(side, limit, quantity):
            self._quotes[side, level] = self.order(side, quantity, limit, post_only=best is not None)

    def _is_off(self, price: Decimal | None, limit: Decimal, level: int) -> bool:
        return price is not None and abs(price - limit) > self._tolerances[level]

    def _can(self, side: Side, limit: Decimal, quantity: int) -> bool:
        return self.cash >= limit * quantity if side == "buy" else self.available() >= quantity


def _on_the_tick(side: Side, price: float, tick: Decimal) -> Decimal:
    """Round a price to the tick, away from the mid. Fractions of integers are exact, and faster than decimals."""
    numerator, denominator = price.as_integer_ratio()
    per_tick, per_dollar = tick.as_integer_ratio()
    numerator, denominator = numerator * per_dollar, denominator * per_tick
    return (numerator // denominator if side == "buy" else -(-numerator // denominator)) * tick


def _behind_the_other_side(side: Side, limit: Decimal, best: Price, tick: Decimal) -> Decimal:
    """Return the nearest price that does not trade at once."""
    if side == "buy":
        return limit if best.ask is None else min(limit, best.ask - tick)
    return limit if best.bid is None else max(limit, best.bid + tick)
