"""A trader that quotes both sides of the market and earns the spread."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bots.contract import Price
from bots.strategy import Strategy, option


@dataclass
class MarketMaker(Strategy):
    """Follows the price stream; when the spread exceeds 0.10, quotes 2 shares on each side, 10 % of the spread inside.

    It keeps at most ten quotes, and cancels the oldest two before it adds a pair.
    """

    name = "market_maker"

    spread: float = option(0.10, "spread above which it quotes [dollars]")
    inside: float = option(0.10, "distance of its quotes inside the best prices [fraction of the spread]")
    quantity: int = option(2, "size of a quote [shares]")
    most: int = option(10, "largest number of quotes, at least 2")

    def __post_init__(self) -> None:
        if self.most < 2:
            raise ValueError("most must be at least 2")
        # From the decimal digits: as a binary fraction, 0.1 is slightly more than a tenth.
        self._least_spread = Decimal(str(self.spread))
        self._inside = Decimal(str(self.inside))

    def on_price(self, price: Price) -> None:
        """Quote both sides if the spread is wide enough."""
        if price.bid is None or price.ask is None:
            return
        spread = price.ask - price.bid
        if spread <= self._least_spread:
            return
        name = price.security_id
        quotes = [one.order_id for one in self.open_orders.values() if one.security_id == name and not one.cancelling]
        for oldest in quotes[: max(len(quotes) - (self.most - 2), 0)]:
            self.cancel(oldest)
        bid, ask = price.bid + spread * self._inside, price.ask - spread * self._inside
        if self.cash >= self.securities[name].nearest(bid) * self.quantity:
            self.buy(self.quantity, bid, security_id=name)
        if self.available(name) >= self.quantity:
            self.sell(self.quantity, ask, security_id=name)
