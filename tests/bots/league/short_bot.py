"""A bot that sells shares which it does not have, for tournaments to load as FILE.py:CLASS."""

from __future__ import annotations

from bots.contract import Price
from bots.strategy import Strategy


class SellsShort(Strategy):
    """Sells at the bid until it owes fifty shares, and logs its position."""

    def on_price(self, price: Price) -> None:
        if price.bid is not None and self.position() > -50 and not self.open_orders:
            self.sell(10, price.bid, time_in_force="ioc")
            self.log("sells", position=self.position(), borrowed=self.borrowed())
