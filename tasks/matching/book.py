"""One security's order book: price, then time.

Levels of both sides are found by a signed key: the price of an ask, minus the price of a bid. So on each side the best
level has the smallest key, an order meets the other side where a key is at most its limit, and one walk serves buys
and sells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from sortedcontainers import SortedList

from tasks.matching.levels import PriceLevel, RestingOrder, comes_before
from tasks.matching.state import BookState, OrderState
from tasks.matching.stops import Stops, WaitingStop
from tasks.messages import BookUpdate, Event, Level, PlaceOrder, TradeMade

# The best key of a side on which nothing rests: no order's limit reaches it.
_NOTHING: Final = 2**62

# A queue is swept when more have left it than are in it, and so many on top. So one that leaves costs the same however
# long the queue is, and a short one is not swept all the time.
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
        "_best_ask",
        "_best_bid",
        "_bid_keys",
        "_changed_keys",
        "_levels",
        "_open_orders",
        "_sequence",
        "_told_sequence",
        "_trade_sequence",
        "_updated_us",
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
        self._bid_keys: SortedList[int] = SortedList()
        self._ask_keys: SortedList[int] = SortedList()
        self._best_bid = _NOTHING  # the first of each list of keys, which is looked at for every order
        self._best_ask = _NOTHING
        self._trade_sequence = 0
        self._sequence = 0
        self._told_sequence = 0
        self._changed_keys: set[int] = set()
        self._updated_us = 0

    # -- what orders do to it ----------------------------------------------------------------------------------------

    def meets(self, order: PlaceOrder) -> bool:
        """Whether the order's limit reaches the other side."""
        if order.side == "buy":
            return self._best_ask <= order.price_cents
        return self._best_bid <= -order.price_cents

    def rest(self, order: PlaceOrder, quantity: int, total: int) -> None:
        """Put what is open of an order at the end of the queue of its price; it must not meet the other side.

        quantity  what is open of it, which an iceberg shows in parts [shares]
        total     that and what was filled of it [shares]
        """
        order_id = order.order_id
        key = -order.price_cents if order.side == "buy" else order.price_cents
        hidden = 0
        if order.display_quantity is not None and order.display_quantity < quantity:
            hidden = quantity - order.display_quantity
            quantity = order.display_quantity
        level = self._levels.get(key)
        if level is None:
            level = self._add_level(key)
        self._open_orders[order_id] = resting = RestingOrder(
            order_id, order.client_id, self.security_id, key, quantity, total,
            order.hold_cents or order.price_cents, order.post_only, hidden, order.display_quantity or 0,
        )  # fmt: skip
        level.queue.append(resting)
        level.count += 1
        level.quantity += quantity
        level.hidden += hidden
        self._changed_keys.add(key)
        self._sequence += 1
        self._updated_us = order.sequenced_us

    def remove(self, order: RestingOrder, now_us: int) -> int:
        """Take an order out of the book; returns what was open of it [shares]."""
        quantity, hidden = order.quantity, order.hidden
        order.quantity = order.hidden = 0
        key = order.key
        del self._open_orders[order.order_id]
        level = self._levels[key]
        level.count -= 1
        level.quantity -= quantity
        level.hidden -= hidden
        if not level.count:
            self._drop_level(key)
        elif len(level.queue) > 2 * level.count + _LITTER:
            level.sweep()
        self._changed_keys.add(key)
        self._sequence += 1
        self._updated_us = now_us
        return quantity + hidden

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
        limit = price_cents if buys else -price_cents
        sequence = self._trade_sequence
        open_orders = self._open_orders
        rest = order.quantity
        own = False
        while rest and not own:
            key = self._best_ask if buys else self._best_bid
            if key > limit:
                break
            level = self._levels[key]
            level_cents = key if buys else -key
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
                        first_id + len(events), security_id, sequence, level_cents, quantity, "buy",
                        order_id, client_id, hold_cents, resting_id, resting_client, now_us,
                    )  # fmt: skip
                else:
                    trade = TradeMade(
                        first_id + len(events), security_id, sequence, level_cents, quantity, "sell",
                        resting_id, resting_client, resting.hold_cents, order_id, client_id, now_us,
                    )  # fmt: skip
                events.append(trade)
            if rest != wanted:
                self.last_cents = level_cents
                self._changed_keys.add(key)
                level.head = head
                level.count = count
                level.quantity -= wanted - rest
                if not count:
                    self._drop_level(key)
                elif len(queue) > 2 * count + _LITTER:
                    level.sweep()
        if sequence != self._trade_sequence:
            self._trade_sequence = sequence
            self._sequence += 1
            self._updated_us = now_us
        return rest, own

    def could_fill(self, order: PlaceOrder) -> bool:
        """Whether all of the order would trade at once; a resting order of the same client ends what it can reach."""
        keys = self._ask_keys if order.side == "buy" else self._bid_keys
        limit = order.price_cents if order.side == "buy" else -order.price_cents
        wanted = order.quantity
        reached: list[PriceLevel] = []
        for key in keys:
            if wanted <= 0 or key > limit:
                break
            level = self._levels[key]
            reached.append(level)
            wanted -= level.quantity + level.hidden
        # The totals of the levels say no at once to most; only who passes them is looked for among the orders.
        return wanted <= 0 and not comes_before(order.client_id, order.quantity, reached)

    def _add_level(self, key: int) -> PriceLevel:
        level = self._levels[key] = PriceLevel()
        if key < 0:
            self._bid_keys.add(key)
            if key < self._best_bid:
                self._best_bid = key
        else:
            self._ask_keys.add(key)
            if key < self._best_ask:
                self._best_ask = key
        return level

    def _drop_level(self, key: int) -> None:
        del self._levels[key]
        keys = self._bid_keys if key < 0 else self._ask_keys
        if key != self._best_bid and key != self._best_ask:
            keys.remove(key)
            return
        keys.pop(0)
        best = keys[0] if keys else _NOTHING
        if key < 0:
            self._best_bid = best
        else:
            self._best_ask = best

    # -- what others see of it ---------------------------------------------------------------------------------------

    def update(self) -> BookUpdate | None:
        """The levels that changed since `update` or `snapshot` was last asked for; None when none did."""
        if not self._changed_keys:
            return None
        return self._tell(sorted(self._changed_keys), snapshot=False)

    def snapshot(self) -> BookUpdate:
        """Every level."""
        return self._tell([*self._bid_keys, *self._ask_keys], snapshot=True)

    def _tell(self, keys: Iterable[int], *, snapshot: bool) -> BookUpdate:
        bids: list[Level] = []
        asks: list[Level] = []
        for key in keys:
            level = self._levels.get(key)
            quantity, count = (level.quantity, level.count) if level else (0, 0)
            (bids if key < 0 else asks).append((abs(key), quantity, count))
        update = BookUpdate(
            security_id=self.security_id,
            previous_sequence=self._told_sequence,
            sequence=self._sequence,
            snapshot=snapshot,
            bids=bids,
            asks=asks,
            bid_cents=-self._best_bid if self._bid_keys else None,
            ask_cents=self._best_ask if self._ask_keys else None,
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
            bids=list(self._by_priority(self._bid_keys)),
            asks=list(self._by_priority(self._ask_keys)),
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
        clients: dict[str, str] = {}  # one string a client, not one an order
        for sign, orders in ((-1, state.bids), (1, state.asks)):
            for order in orders:
                key = sign * order.price_cents
                open_orders[order.order_id] = resting = RestingOrder(
                    order.order_id,
                    clients.setdefault(order.client_id, order.client_id),
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
