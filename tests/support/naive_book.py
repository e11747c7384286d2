"""The matching rules once more, as plainly as they can be said: one list of orders, sorted again for every order.

It is slow and has nothing clever in it, so that it is right by inspection; the engine has to make the same events.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby

from tasks.matching.engine import MAX_QUANTITY, REMEMBERED_ORDERS, WAITING_COMMANDS
from tasks.messages import (
    MAX_EVENTS_PER_COMMAND,
    CancelOrder,
    CancelRefused,
    Command,
    Event,
    MassCancel,
    OrderClosed,
    OrderReplaced,
    OrderTriggered,
    PlaceOrder,
    ReplaceOrder,
    ReplaceRefused,
    SetHalt,
    TradeMade,
    event_id,
)

Depth = list[tuple[int, int, int]]


@dataclass(eq=False)
class NaiveOrder:
    """An open order: resting, or waiting for its stop price.

    Of its `total`, `filled` has traded and `shown` is in the book; `place` is its rank among orders at one price, and
    among stop orders: the lower, the earlier.
    """

    order_id: int
    client_id: str
    security_id: str
    side: str
    type: str
    time_in_force: str
    post_only: bool
    total: int
    price_cents: int
    hold_cents: int
    display_quantity: int | None
    stop_price_cents: int | None
    filled: int = 0
    shown: int = 0
    place: int = 0

    @property
    def open(self) -> int:
        """What is not filled of it."""
        return self.total - self.filled

    @property
    def waits(self) -> bool:
        """Whether it is a stop order that no trade has reached."""
        return self.stop_price_cents is not None

    def show(self) -> None:
        """Show as much as it may."""
        self.shown = self.open if self.display_quantity is None else min(self.open, self.display_quantity)


class NaiveBook:
    """All books of a shard, in one list."""

    def __init__(
        self, shard: int, *, waiting_commands: int = WAITING_COMMANDS, remembered_orders: int = REMEMBERED_ORDERS
    ) -> None:
        self.shard = shard
        self.orders: list[NaiveOrder] = []
        self.halted: list[str] = []
        self.last_cents: dict[str, int] = {}
        self.trades: dict[str, int] = {}  # how many, by security
        self.early_cancels: list[tuple[int, CancelOrder]] = []
        self.closed: set[int] = set()
        self.closed_before: set[int] = set()
        self._waiting_commands = waiting_commands
        self._remembered_orders = remembered_orders
        self._places = 0
        self._seq = 0
        self._now_us = 0
        self._events: list[Event] = []

    def apply(self, seq: int, command: Command) -> list[Event]:
        """The events of command `seq`."""
        self._seq, self._now_us, self._events = seq, command.sequenced_us, []
        for since, cancel in [one for one in self.early_cancels if seq - one[0] > self._waiting_commands]:
            self.early_cancels.remove((since, cancel))
            self._refuse_cancel(cancel)
        if isinstance(command, PlaceOrder):
            self._place(command)
        elif isinstance(command, CancelOrder):
            self._cancel(command)
        elif isinstance(command, ReplaceOrder):
            self._replace(command)
        elif isinstance(command, MassCancel):
            for order_id in command.order_ids:
                for order in self._open(order_id):
                    if order.client_id == command.client_id:
                        self._close(order, "cancelled", "cancelled")
        elif isinstance(command, SetHalt):
            self.halted = [one for one in self.halted if one != command.security_id]
            if command.halted:
                self.halted.append(command.security_id)
        if len(self.closed) >= self._remembered_orders:
            self.closed_before, self.closed = self.closed, set()
        return self._events

    # -- orders ------------------------------------------------------------------------------------------------------

    def _place(self, command: PlaceOrder) -> None:
        order = NaiveOrder(
            order_id=command.order_id,
            client_id=command.client_id,
            security_id=command.security_id,
            side=command.side,
            type=command.type,
            time_in_force=command.time_in_force,
            post_only=command.post_only,
            total=command.quantity,
            price_cents=command.price_cents,
            hold_cents=command.hold_cents or command.price_cents,
            display_quantity=command.display_quantity,
            stop_price_cents=command.stop_price_cents,
        )
        if self._open(order.order_id):
            self._close(order, "rejected", "duplicate_order")
            return
        if not (1 <= order.total <= MAX_QUANTITY and order.price_cents >= 1):
            self._close(order, "rejected", "out_of_range")
            return
        is_stop = order.type in ("stop", "stop_limit")
        if is_stop != (order.stop_price_cents is not None):
            self._close(order, "rejected", "invalid_terms")
            return
        if order.display_quantity is not None:
            can_rest = order.type in ("limit", "stop_limit") and order.time_in_force == "gtc"
            if not can_rest or not 1 <= order.display_quantity <= order.total:
                self._close(order, "rejected", "invalid_terms")
                return
        if self._was_cancelled(order):
            self._close(order, "cancelled", "cancelled")
            return
        if order.security_id in self.halted:
            self._close(order, "rejected", "halted")
            return
        if order.waits:
            order.place = self._next_place()
            self.orders.append(order)
            last_cents = self.last_cents.get(order.security_id)
            triggered = [] if last_cents is None else self._reached(order.security_id, [last_cents])
        else:
            triggered = self._enter(order, "rejected")
        self._trigger(triggered)

    def _enter(self, order: NaiveOrder, refusal: str) -> list[NaiveOrder]:
        """Let an order trade, rest, or be closed; returns the stop orders that its trades reach."""
        reachable = self._reachable(order)
        if order.post_only and reachable:
            self._close(order, refusal, "would_cross")
            return []
        if order.time_in_force == "fok" and self._could_trade(order, reachable) < order.open:
            self._close(order, "cancelled", "unfilled")
            return []
        prices_cents = []
        while order.open and (reachable := self._reachable(order)):
            resting = reachable[0]
            if resting.client_id == order.client_id:
                self._close(order, "cancelled", "self_trade")
                return self._reached(order.security_id, prices_cents)
            self._trade(order, resting, min(order.open, resting.shown))
            prices_cents.append(resting.price_cents)
        if order.open == 0:
            self.closed.add(order.order_id)
        elif order.type in ("limit", "stop_limit") and order.time_in_force == "gtc":
            order.place = self._next_place()
            order.show()
            self.orders.append(order)
        else:
            self._close(order, "cancelled", "unfilled")
        return self._reached(order.security_id, prices_cents)

    def _reachable(self, order: NaiveOrder) -> list[NaiveOrder]:
        """What the order's limit reaches on the other side: the best price first, then the oldest."""
        others = [resting for resting in self._book(order.security_id) if resting.side != order.side]
        if order.side == "buy":
            asks = [resting for resting in others if resting.price_cents <= order.price_cents]
            return sorted(asks, key=lambda ask: (ask.price_cents, ask.place))
        bids = [resting for resting in others if resting.price_cents >= order.price_cents]
        return sorted(bids, key=lambda bid: (-bid.price_cents, bid.place))

    def _could_trade(self, order: NaiveOrder, reachable: list[NaiveOrder]) -> int:
        """How many shares can be had, shown and hidden, before an order of the same client is met."""
        shares = 0
        for price_cents in dict.fromkeys(resting.price_cents for resting in reachable):
            queue = [resting for resting in reachable if resting.price_cents == price_cents]
            for resting in queue:
                if resting.client_id == order.client_id:
                    return shares
                shares += resting.shown
            shares += sum(resting.open - resting.shown for resting in queue)  # behind all that is shown
        return shares

    def _trade(self, order: NaiveOrder, resting: NaiveOrder, quantity: int) -> None:
        order.filled += quantity
        resting.filled += quantity
        resting.shown -= quantity
        if resting.open == 0:
            self.orders.remove(resting)
            self.closed.add(resting.order_id)
        elif resting.shown == 0:
            resting.show()
            resting.place = self._next_place()
        buy, sell = (order, resting) if order.side == "buy" else (resting, order)
        self.trades[order.security_id] = self.trades.get(order.security_id, 0) + 1
        self.last_cents[order.security_id] = resting.price_cents
        self._events.append(
            TradeMade(
                event_id=self._next_event_id(),
                security_id=order.security_id,
                sequence=self.trades[order.security_id],
                price_cents=resting.price_cents,
                quantity=quantity,
                aggressor_side=order.side,  # type: ignore[arg-type]
                buy_order_id=buy.order_id,
                buyer=buy.client_id,
                buy_hold_cents=buy.hold_cents,
                sell_order_id=sell.order_id,
                seller=sell.client_id,
                traded_us=self._now_us,
            )
        )

    # -- stop orders -------------------------------------------------------------------------------------------------

    def _reached(self, security_id: str, prices_cents: list[int]) -> list[NaiveOrder]:
        """Take out the stop orders that trades at these prices reach, the first that arrived first."""
        stops = [order for order in self.orders if order.waits and order.security_id == security_id]
        reached = [stop for stop in stops if any(_is_reached(stop, price_cents) for price_cents in prices_cents)]
        for stop in reached:
            self.orders.remove(stop)
        return sorted(reached, key=lambda stop: stop.place)

    def _trigger(self, triggered: list[NaiveOrder]) -> None:
        """Let stop orders act, one after the other, and behind them those that they reach."""
        while triggered:
            stop = triggered.pop(0)
            others = len(triggered) + len([one for one in self._of(stop.security_id) if one.waits])
            if len(self._events) + stop.open + 2 + others > MAX_EVENTS_PER_COMMAND:
                self._close(stop, "cancelled", "too_many_events")
                continue
            stop.stop_price_cents = None
            self._events.append(
                OrderTriggered(
                    event_id=self._next_event_id(),
                    order_id=stop.order_id,
                    client_id=stop.client_id,
                    security_id=stop.security_id,
                    side=stop.side,  # type: ignore[arg-type]
                    quantity=stop.open,
                    price_cents=stop.price_cents,
                    triggered_us=self._now_us,
                )
            )
            triggered += self._enter(stop, "cancelled")

    # -- cancels and replacements ------------------------------------------------------------------------------------

    def _cancel(self, cancel: CancelOrder) -> None:
        for order in self._open(cancel.order_id):
            if (order.client_id, order.security_id) == (cancel.client_id, cancel.security_id):
                self._close(order, "cancelled", "cancelled")
            else:
                self._refuse_cancel(cancel)
            return
        if cancel.order_id in self.closed | self.closed_before:
            self._refuse_cancel(cancel)
        else:
            self.early_cancels.append((self._seq, cancel))

    def _was_cancelled(self, order: NaiveOrder) -> bool:
        cancelled = False
        for since, cancel in [one for one in self.early_cancels if one[1].order_id == order.order_id]:
            self.early_cancels.remove((since, cancel))
            is_its_own = (cancel.client_id, cancel.security_id) == (order.client_id, order.security_id)
            if is_its_own and not cancelled:
                cancelled = True
            else:
                self._refuse_cancel(cancel)
        return cancelled

    def _replace(self, command: ReplaceOrder) -> None:
        orders = [
            order
            for order in self._open(command.order_id)
            if (order.client_id, order.security_id) == (command.client_id, command.security_id)
        ]
        if not orders:
            self._refuse_replace(command, "unknown_order")
            return
        (order,) = orders
        if order.side != command.side:
            self._refuse_replace(command, "wrong_side")
            return
        if order.security_id in self.halted:
            self._refuse_replace(command, "halted")
            return
        new = replace(order)
        if command.quantity is not None:
            new.total = command.quantity
        if command.price_cents is not None:
            new.price_cents = command.price_cents
            new.hold_cents = command.hold_cents or command.price_cents
        if not 1 <= new.total <= MAX_QUANTITY or new.price_cents < 1:
            self._refuse_replace(command, "out_of_range")
        elif new.total <= new.filled:
            self._tell_replaced(command, order, order)
            self._close(order, "cancelled", "cancelled")
        else:
            self._tell_replaced(command, order, new)
            self.orders.remove(order)
            if new.total < order.total and new.price_cents == order.price_cents:
                new.shown = min(order.shown, new.open)
                self.orders.append(new)
            elif new.waits:
                new.place = self._next_place()
                self.orders.append(new)
            else:
                self._trigger(self._enter(new, "cancelled"))

    # -- events ------------------------------------------------------------------------------------------------------

    def _close(self, order: NaiveOrder, status: str, reason: str) -> None:
        if order in self.orders:
            self.orders.remove(order)
        self.closed.add(order.order_id)
        self._events.append(
            OrderClosed(
                event_id=self._next_event_id(),
                order_id=order.order_id,
                client_id=order.client_id,
                security_id=order.security_id,
                side=order.side,  # type: ignore[arg-type]
                quantity=order.open,
                hold_cents=order.hold_cents,
                status=status,  # type: ignore[arg-type]
                reason=reason,
                closed_us=self._now_us,
                limit_cents=order.price_cents if order.type in ("limit", "stop_limit") else None,
            )
        )

    def _refuse_cancel(self, cancel: CancelOrder) -> None:
        self._events.append(
            CancelRefused(
                event_id=self._next_event_id(),
                order_id=cancel.order_id,
                client_id=cancel.client_id,
                security_id=cancel.security_id,
                reason="unknown_order",
                refused_us=self._now_us,
            )
        )

    def _tell_replaced(self, command: ReplaceOrder, old: NaiveOrder, new: NaiveOrder) -> None:
        self._events.append(
            OrderReplaced(
                event_id=self._next_event_id(),
                command_id=command.command_id,
                order_id=old.order_id,
                client_id=old.client_id,
                security_id=old.security_id,
                side=old.side,  # type: ignore[arg-type]
                quantity=new.total,
                price_cents=new.price_cents,
                old_open=old.open,
                old_hold_cents=old.hold_cents,
                open_quantity=new.open,
                hold_cents=new.hold_cents,
                reserved=command.reserved,
                replaced_us=self._now_us,
            )
        )

    def _refuse_replace(self, command: ReplaceOrder, reason: str) -> None:
        self._events.append(
            ReplaceRefused(
                event_id=self._next_event_id(),
                command_id=command.command_id,
                order_id=command.order_id,
                client_id=command.client_id,
                security_id=command.security_id,
                side=command.side,
                reserved=command.reserved,
                reason=reason,
                refused_us=self._now_us,
            )
        )

    def _next_event_id(self) -> int:
        return event_id(self.shard, self._seq, len(self._events))

    def _next_place(self) -> int:
        self._places += 1
        return self._places

    # -- the lists ---------------------------------------------------------------------------------------------------

    def _open(self, order_id: int) -> list[NaiveOrder]:
        return [order for order in self.orders if order.order_id == order_id]

    def _of(self, security_id: str) -> list[NaiveOrder]:
        return [order for order in self.orders if order.security_id == security_id]

    def _book(self, security_id: str) -> list[NaiveOrder]:
        return [order for order in self._of(security_id) if not order.waits]

    def queue(self, security_id: str, side: str) -> list[NaiveOrder]:
        """The orders that rest on a side, by their priority."""
        orders = [order for order in self._book(security_id) if order.side == side]
        sign = 1 if side == "sell" else -1
        return sorted(orders, key=lambda order: (sign * order.price_cents, order.place))

    def stops(self, security_id: str) -> list[int]:
        """The ids of the stop orders that wait, by their arrival."""
        waiting = [order for order in self._of(security_id) if order.waits]
        return [stop.order_id for stop in sorted(waiting, key=lambda stop: stop.place)]

    def depth(self, security_id: str) -> tuple[Depth, Depth]:
        """Bids and asks as (price, quantity, orders), best first."""
        return levels(self.queue(security_id, "buy")), levels(self.queue(security_id, "sell"))


def levels(queue: list[NaiveOrder]) -> Depth:
    """Of the orders of a side by their priority: (price, quantity, orders) of each price."""
    depth = []
    for price_cents, orders in groupby(queue, key=lambda order: order.price_cents):
        shown = [order.shown for order in orders]
        depth.append((price_cents, sum(shown), len(shown)))
    return depth


def _is_reached(stop: NaiveOrder, last_cents: int) -> bool:
    assert stop.stop_price_cents is not None
    if stop.side == "buy":
        return last_cents >= stop.stop_price_cents
    return last_cents <= stop.stop_price_cents
