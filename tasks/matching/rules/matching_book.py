"""Trades in a book: of one order with the other side in continuous trading, of both sides at once in an auction."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from tasks.matching.rules.book_levels import LITTER, BookLevels
from tasks.matching.rules.levels import PriceLevel, RestingOrder, comes_before
from tasks.matching.rules.waiting import OpenOrder
from tasks.messages import Event, PlaceOrder, Side, TradeMade


class AuctionTrade(NamedTuple):
    """A trade of an uncross, as number `sequence` of the security's trades."""

    sequence: int
    quantity: int
    buy: RestingOrder
    sell: RestingOrder


class MatchingBook(BookLevels):
    """The orders that rest in a book; `open_orders` contains those of all the shard's books by their ids."""

    __slots__ = ("_open_orders", "_trade_sequence")

    def __init__(self, security_id: str, open_orders: dict[int, OpenOrder]) -> None:
        super().__init__(security_id)
        self._open_orders = open_orders
        self._trade_sequence = 0

    def resting(self) -> Iterator[RestingOrder]:
        """Return the orders in the book: bids, then asks, each by priority."""
        for keys in (self._bid_keys, self._ask_keys):
            for key in reversed(keys):
                yield from self._levels[key].orders()

    # -- continuous trading ------------------------------------------------------------------------------------------

    def meets(self, order: PlaceOrder) -> bool:
        """Return whether the order's limit reaches the other side."""
        if order.side == "buy":
            return self.best_ask >= -order.price_cents
        return self.best_bid >= order.price_cents

    def match(
        self, order: PlaceOrder, first_id: int, events: list[Event], closed: set[int], band_key: int | None = None
    ) -> tuple[int, bool]:
        """Trade an order against the other side as far as its limit, band and quantity reach, at the resting prices.

        It appends the trades to `events`, the n-th event of the command with the id first_id + n, and adds the ids of
        resting orders that are filled to `closed`. It stops before a resting order of the same client.
        returns  the quantity left of the order [shares], and whether an order of its client stopped it
        """
        buys = order.side == "buy"
        order_id, client_id, price_cents = order.order_id, order.client_id, order.price_cents
        hold_cents = order.hold_cents or price_cents
        security_id, now_us = self.security_id, order.sequenced_us
        if buys:
            keys, key, limit = self._ask_keys, self.best_ask, -price_cents
        else:
            keys, key, limit = self._bid_keys, self.best_bid, price_cents
        if band_key is not None and band_key > limit:
            limit = band_key
        levels, open_orders = self._levels, self._open_orders
        before = sequence = self._trade_sequence
        trade_id = first_id + len(events)
        rest = order.quantity
        own = False
        while rest and key >= limit and not own:
            level = levels[key]
            level_cents = -key if buys else key
            queue, head, count = level.queue, level.head, level.count
            wanted = rest
            while rest and count:
                resting = queue[head]
                quantity = resting.quantity
                if not quantity:
                    head += 1
                    continue
                resting_client = resting.client_id
                if resting_client == client_id:
                    own = True
                    break
                resting_id = resting.order_id
                if quantity > rest:
                    resting.quantity = quantity - rest
                    quantity = rest
                else:
                    head += 1
                    if resting.hidden:
                        level.refill(resting)
                    else:
                        resting.quantity = 0
                        del open_orders[resting_id]
                        closed.add(resting_id)
                        count -= 1
                rest -= quantity
                sequence += 1
                # By position: naming the fields would cost as much as the trade.
                if buys:
                    trade = TradeMade(
                        trade_id, security_id, sequence, level_cents, quantity, "buy",
                        order_id, client_id, hold_cents, resting_id, resting_client, now_us,
                    )  # fmt: skip
                else:
                    trade = TradeMade(
                        trade_id, security_id, sequence, level_cents, quantity, "sell",
                        resting_id, resting_client, resting.hold_cents, order_id, client_id, now_us,
                    )  # fmt: skip
                events.append(trade)
                trade_id += 1
            if rest != wanted:
                self.last_cents = level_cents
                self._changed_keys.add(key)
                if count:
                    if head > count + LITTER:
                        del queue[:head]
                        head = 0
                    level.head = head
                    level.count = count
                    level.quantity -= wanted - rest
                else:
                    key = self._drop_best(keys)
        if sequence != before:
            if buys:
                self.best_ask = key
            else:
                self.best_bid = key
            self._trade_sequence = sequence
            self._sequence += 1
            self._updated_us = now_us
        return rest, own

    def could_fill(self, order: PlaceOrder, band_key: int | None = None) -> bool:
        """Return whether all of the order would trade at once; a resting order of the same client ends its reach."""
        keys = self._ask_keys if order.side == "buy" else self._bid_keys
        limit = -order.price_cents if order.side == "buy" else order.price_cents
        if band_key is not None:
            limit = max(limit, band_key)
        wanted = order.quantity
        reached: list[PriceLevel] = []
        for key in reversed(keys):
            if wanted <= 0 or key < limit:
                break
            level = self._levels[key]
            reached.append(level)
            wanted -= level.quantity + level.hidden
        # The totals of the levels rule out most orders; only for the rest the queues are searched for the client's own.
        return wanted <= 0 and not comes_before(order.client_id, order.quantity, reached)

    def first_reached(self, order: PlaceOrder) -> RestingOrder:
        """Return the resting order with which an order that meets the other side would trade first."""
        return next(self._levels[self.best_ask if order.side == "buy" else self.best_bid].orders())

    # -- auctions ----------------------------------------------------------------------------------------------------

    def uncross(self, price_cents: int, volume: int, *, closed: set[int], now_us: int) -> list[AuctionTrade]:
        """Trade `volume` shares at one price, by price and then time on both sides.

        It adds the ids of orders that are filled to `closed`.
        """
        buys, sells = self._fill_best("buy", volume, closed), self._fill_best("sell", volume, closed)
        trades: list[AuctionTrade] = []
        sell, offered = sells[0]
        left = iter(sells[1:])
        for buy, wanted in buys:
            while wanted:
                if not offered:
                    sell, offered = next(left)
                quantity = min(wanted, offered)
                wanted -= quantity
                offered -= quantity
                self._trade_sequence += 1
                trades.append(AuctionTrade(self._trade_sequence, quantity, buy, sell))
        self.last_cents = price_cents
        self._sequence += 1
        self._updated_us = now_us
        return trades

    def fillable(self, volume: int, most: int) -> int:
        """Return `volume`, or the open quantity of the `most` best orders of a side if either side's is less."""
        if len(self._open_orders) <= most:
            return volume
        bids = (order for order in self.resting() if order.key > 0)
        asks = (order for order in self.resting() if order.key < 0)
        return min(volume, *(sum(order.open_quantity for order in islice(side, most)) for side in (bids, asks)))

    def _fill_best(self, side: Side, shares: int, closed: set[int]) -> list[tuple[RestingOrder, int]]:
        """Fill the best orders of a side; return them by priority, each with the quantity filled [shares]."""
        keys = self._bid_keys if side == "buy" else self._ask_keys
        filled: list[tuple[RestingOrder, int]] = []
        while shares:
            key = keys[-1]
            level = self._levels[key]
            part = level.fill(shares)
            shares -= sum(quantity for _, quantity in part)
            filled += part
            self._changed_keys.add(key)
            if not level.count:
                best = self._drop_best(keys)
                if side == "buy":
                    self.best_bid = best
                else:
                    self.best_ask = best
        for order, _ in filled:
            if not order.quantity:
                del self._open_orders[order.order_id]
                closed.add(order.order_id)
        return filled
