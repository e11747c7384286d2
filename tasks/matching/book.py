"""One security's order book: price, then time.

Levels of both sides are found by a signed key: the price of a bid, minus the price of an ask. So on each side the best
level has the largest key, an order meets the other side where a key is at least its limit, and one walk serves buys
and sells. The keys of a side stand in a sorted list, the best at its end, where levels come and go most.

A level from which all orders have left stays until it would be the best: orders often come back to its price. Nobody
sees it meanwhile, and when there are too many of them they are dropped together.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from tasks.matching.levels import PriceLevel, RestingOrder, comes_before
from tasks.matching.state import BookState, OrderState
from tasks.matching.stops import Stops, WaitingStop
from tasks.messages import BookUpdate, Event, Level, PlaceOrder, TradeMade

# The best key of a side on which nothing rests: no order's limit reaches it.
_NOTHING: Final = -(2**62)

# A queue is swept when more have left it than are in it, and so many on top; empty levels are dropped likewise. So one
# that leaves costs the same however many there are, and a few are not swept all the time.
_LITTER: Final = 8

# What a client may cancel or replace.
OpenOrder = RestingOrder | WaitingStop


class Book:
    """The orders of one security, and which levels have changed since somebody last asked.

    `open_orders` are those of all the shard's books by their ids, resting or waiting for their stop price; the book
    adds and removes its own.
    """

    __slots__ = (
        "_ask_keys",
        "_bid_keys",
        "_changed_keys",
        "_clients",
        "_empty_levels",
        "_levels",
        "_open_orders",
        "_sequence",
        "_told_sequence",
        "_trade_sequence",
        "_updated_us",
        "best_ask",
        "best_bid",
        "last_cents",
        "security_id",
        "stops",
    )

    def __init__(self, security_id: str, open_orders: dict[int, OpenOrder]) -> None:
        self.security_id = security_id
        self.last_cents: int | None = None
        self.stops = Stops()
        self._open_orders = open_orders
        self._levels: dict[int, PriceLevel] = {}
        # One name a client, not one an order: as the log is read, each order brings its own.
        self._clients: dict[str, str] = {}
        self._empty_levels = 0
        self._bid_keys: list[int] = []
        self._ask_keys: list[int] = []
        self.best_bid = _NOTHING  # the last of each list of keys, which is looked at for every order
        self.best_ask = _NOTHING
        self._trade_sequence = 0
        self._sequence = 0
        self._told_sequence = 0
        self._changed_keys: set[int] = set()
        self._updated_us = 0

    # -- what orders do to it ----------------------------------------------------------------------------------------

    def meets(self, order: PlaceOrder) -> bool:
        """Whether the order's limit reaches the other side."""
        if order.side == "buy":
            return self.best_ask >= -order.price_cents
        return self.best_bid >= order.price_cents

    def rest(self, order: PlaceOrder, quantity: int, total: int) -> None:
        """Put what is open of an order at the end of the queue of its price; it must not meet the other side.

        quantity  what is open of it, which an iceberg shows in parts [shares]
        total     that and what was filled of it [shares]
        """
        price_cents = order.price_cents
        key = price_cents if order.side == "buy" else -price_cents
        level = self._levels.get(key)
        if level is None:
            level = self._add_level(key)
        elif not level.count:
            self._empty_levels -= 1
        client_id = order.client_id
        client_id = self._clients.setdefault(client_id, client_id)
        resting = RestingOrder(
            order.order_id, client_id, self.security_id, key, quantity, total, order.hold_cents or price_cents
        )
        if order.post_only:
            resting.post_only = True
        if order.display_quantity is not None:
            resting.display_quantity = order.display_quantity
            resting.quantity = min(order.display_quantity, quantity)
            resting.hidden = quantity - resting.quantity
            level.hidden += resting.hidden
            quantity = resting.quantity
        self._open_orders[order.order_id] = resting
        level.queue.append(resting)
        level.count += 1
        level.quantity += quantity
        self._changed_keys.add(key)
        self._sequence += 1
        self._updated_us = order.sequenced_us

    def remove(self, order: RestingOrder, now_us: int) -> int:
        """Take an order out of the book; returns what was open of it [shares]."""
        quantity, key = order.quantity, order.key
        order.quantity = 0
        del self._open_orders[order.order_id]
        level = self._levels[key]
        level.count -= 1
        level.quantity -= quantity
        if order.hidden:
            level.hidden -= order.hidden
            quantity += order.hidden
        if not level.count:
            self._leave_level(key, level)
        elif len(level.queue) > 2 * level.count + _LITTER:
            level.sweep()
        self._changed_keys.add(key)
        self._sequence += 1
        self._updated_us = now_us
        return quantity

    def shrink(self, order: RestingOrder, total: int, now_us: int) -> None:
        """Lower an order's total, which keeps its place; something of it has to stay open.

        What an iceberg hides goes first, which nobody sees.
        """
        less = order.total - total
        order.total = total
        level = self._levels[order.key]
        from_hidden = min(less, order.hidden)
        order.hidden -= from_hidden
        level.hidden -= from_hidden
        if less > from_hidden:
            order.quantity -= less - from_hidden
            level.quantity -= less - from_hidden
            self._changed_keys.add(order.key)
            self._sequence += 1
            self._updated_us = now_us

    def wait(self, order: PlaceOrder) -> None:
        """Let a stop order wait for its stop price, behind those that wait already."""
        self._open_orders[order.order_id] = self.stops.add(order)

    def forget(self, stop: WaitingStop) -> None:
        """Let a stop order wait no more."""
        self.stops.remove(stop)
        del self._open_orders[stop.order.order_id]

    def triggered(self, *, lowest_cents: int, highest_cents: int) -> list[PlaceOrder]:
        """Take out the stop orders that trades between these prices have reached, by their arrival."""
        reached = self.stops.reached(lowest_cents=lowest_cents, highest_cents=highest_cents)
        for stop in reached:
            del self._open_orders[stop.order.order_id]
        return [stop.order for stop in reached]

    def reached_by_last(self) -> list[PlaceOrder]:
        """Take out the stop orders that the last trade has reached; there is none before the first trade."""
        if self.last_cents is None:
            return []
        return self.triggered(lowest_cents=self.last_cents, highest_cents=self.last_cents)

    def match(self, order: PlaceOrder, first_id: int, events: list[Event], closed: set[int]) -> tuple[int, bool]:
        """Trade an order against the other side as far as its limit and quantity reach, at the resting prices.

        The trades are put at the end of `events`, the n-th event of the command with the id first_id + n, and the
        ids of the resting orders that were filled into `closed`. It stops before a resting order of the same client.
        returns  what is left of the order [shares], and whether one of its client's stopped it
        """
        buys = order.side == "buy"
        order_id, client_id, price_cents = order.order_id, order.client_id, order.price_cents
        hold_cents = order.hold_cents or price_cents
        security_id, now_us = self.security_id, order.sequenced_us
        if buys:
            keys, key, limit = self._ask_keys, self.best_ask, -price_cents
        else:
            keys, key, limit = self._bid_keys, self.best_bid, price_cents
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
                # By position: the names would cost as much as the trade.
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
                    if head > count + _LITTER:
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

    def could_fill(self, order: PlaceOrder) -> bool:
        """Whether all of the order would trade at once; a resting order of the same client ends what it can reach."""
        keys = self._ask_keys if order.side == "buy" else self._bid_keys
        limit = -order.price_cents if order.side == "buy" else order.price_cents
        wanted = order.quantity
        reached: list[PriceLevel] = []
        for key in reversed(keys):
            if wanted <= 0 or key < limit:
                break
            level = self._levels[key]
            reached.append(level)
            wanted -= level.quantity + level.hidden
        # The totals of the levels say no at once to most; only who passes them is looked for among the orders.
        return wanted <= 0 and not comes_before(order.client_id, order.quantity, reached)

    def _add_level(self, key: int) -> PriceLevel:
        level = self._levels[key] = PriceLevel()
        if key > 0:
            insort(self._bid_keys, key)
            if key > self.best_bid:
                self.best_bid = key
        else:
            insort(self._ask_keys, key)
            if key > self.best_ask:
                self.best_ask = key
        return level

    def _leave_level(self, key: int, level: PriceLevel) -> None:
        """The last order of a level was taken out."""
        if key == self.best_bid:
            self.best_bid = self._drop_best(self._bid_keys)
        elif key == self.best_ask:
            self.best_ask = self._drop_best(self._ask_keys)
        else:
            level.queue.clear()
            level.head = 0
            self._empty_levels += 1
            if self._empty_levels > len(self._levels) // 2 + _LITTER:
                self._drop_empty_levels()

    def _drop_best(self, keys: list[int]) -> int:
        """Drop the best level of a side, and the empty ones behind it; returns the key of the next."""
        levels = self._levels
        del levels[keys.pop()]
        while keys:
            best = keys[-1]
            if levels[best].count:
                return best
            del levels[keys.pop()]
            self._empty_levels -= 1
        return _NOTHING

    def _drop_empty_levels(self) -> None:
        self._levels = {key: level for key, level in self._levels.items() if level.count}
        self._bid_keys = [key for key in self._bid_keys if key in self._levels]
        self._ask_keys = [key for key in self._ask_keys if key in self._levels]
        self._empty_levels = 0

    # -- what others see of it ---------------------------------------------------------------------------------------

    def update(self) -> BookUpdate | None:
        """The levels that changed since `update` or `snapshot` was last asked for; None when none did."""
        if not self._changed_keys:
            return None
        return self._tell(sorted(self._changed_keys, reverse=True), snapshot=False)

    def snapshot(self) -> BookUpdate:
        """Every level."""
        keys = [*reversed(self._bid_keys), *reversed(self._ask_keys)]
        return self._tell([key for key in keys if self._levels[key].count], snapshot=True)

    def best_levels(self, depth: int) -> tuple[list[Level], list[Level]]:
        """The best levels of bids and asks, at most so many of each, the best first; nothing of it counts as told."""
        return self._best(self._bid_keys, depth), self._best(self._ask_keys, depth)

    def _best(self, keys: list[int], depth: int) -> list[Level]:
        shown = ((key, level) for key in reversed(keys) if (level := self._levels[key]).count)
        return [(abs(key), level.quantity, level.count) for key, level in islice(shown, depth)]

    def _tell(self, keys: Iterable[int], *, snapshot: bool) -> BookUpdate:
        bids: list[Level] = []
        asks: list[Level] = []
        for key in keys:
            level = self._levels.get(key)
            quantity, count = (level.quantity, level.count) if level else (0, 0)
            (bids if key > 0 else asks).append((abs(key), quantity, count))
        update = BookUpdate(
            security_id=self.security_id,
            previous_sequence=self._told_sequence,
            sequence=self._sequence,
            snapshot=snapshot,
            bids=bids,
            asks=asks,
            bid_cents=self.best_bid if self.best_bid != _NOTHING else None,
            ask_cents=-self.best_ask if self.best_ask != _NOTHING else None,
            last_cents=self.last_cents,
            updated_us=self._updated_us,
        )
        self._told_sequence = self._sequence
        self._changed_keys.clear()
        return update

    # -- snapshot and restore ----------------------------------------------------------------------------------------

    def state(self) -> BookState:
        """The book as values."""
        return BookState(
            security_id=self.security_id,
            bids=list(self._by_priority(reversed(self._bid_keys))),
            asks=list(self._by_priority(reversed(self._ask_keys))),
            stops=list(self.stops.orders()),
            last_cents=self.last_cents,
            trade_sequence=self._trade_sequence,
            sequence=self._sequence,
            updated_us=self._updated_us,
        )

    def _by_priority(self, keys: Iterable[int]) -> Iterator[OrderState]:
        for key in keys:
            for order in self._levels[key].orders():
                yield OrderState(
                    order.order_id,
                    order.client_id,
                    abs(key),
                    order.quantity,
                    order.total,
                    order.hold_cents,
                    order.post_only,
                    order.hidden,
                    order.display_quantity,
                )

    @classmethod
    def restored(cls, state: BookState, open_orders: dict[int, OpenOrder]) -> Book:
        """The book of a state; nothing of it counts as changed."""
        book = cls(state.security_id, open_orders)
        for sign, orders in ((1, state.bids), (-1, state.asks)):
            for order in orders:
                key = sign * order.price_cents
                open_orders[order.order_id] = resting = RestingOrder(
                    order.order_id,
                    book._clients.setdefault(order.client_id, order.client_id),
                    state.security_id,
                    key,
                    order.quantity,
                    order.total,
                    order.hold_cents,
                    order.post_only,
                    order.hidden,
                    order.display_quantity,
                )
                (book._levels.get(key) or book._add_level(key)).add(resting)
        for stop in state.stops:
            book.wait(stop)
        book.last_cents = state.last_cents
        book._trade_sequence = state.trade_sequence
        book._sequence = book._told_sequence = state.sequence
        book._updated_us = state.updated_us
        return book
