"""A book rebuilt from its updates alone, as the data feed does it."""

from __future__ import annotations

from tasks.messages import BookUpdate

Depth = list[tuple[int, int, int]]


class BookMirror:
    """The levels of one security, from its updates in order."""

    def __init__(self) -> None:
        self.sequence = 0
        self.bids: dict[int, tuple[int, int]] = {}
        self.asks: dict[int, tuple[int, int]] = {}
        self.last_cents: int | None = None

    def apply(self, update: BookUpdate) -> None:
        """Apply an update unless all of it is known: two engines of a shard may send the same, cut differently.

        Levels are absolute: an update that begins before the known sequence and ends after it adds what is missing.
        """
        if update.sequence < self.sequence:
            return
        if update.snapshot:
            self.bids, self.asks = {}, {}
        else:
            assert update.previous_sequence <= self.sequence, "an update is missing"
        self.sequence = update.sequence
        for levels, changes in ((self.bids, update.bids), (self.asks, update.asks)):
            for price_cents, quantity, orders in changes:
                assert (quantity == 0) == (orders == 0), "an empty level with orders, or the reverse"
                if quantity:
                    levels[price_cents] = (quantity, orders)
                else:
                    levels.pop(price_cents, None)
        self.last_cents = update.last_cents
        assert update.bid_cents == max(self.bids, default=None)
        assert update.ask_cents == min(self.asks, default=None)

    def depth(self) -> tuple[Depth, Depth]:
        """Return bids and asks as (price, quantity, orders), best first."""
        bids = [(price_cents, *self.bids[price_cents]) for price_cents in sorted(self.bids, reverse=True)]
        asks = [(price_cents, *self.asks[price_cents]) for price_cents in sorted(self.asks)]
        return bids, asks
