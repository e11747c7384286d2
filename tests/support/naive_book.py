"""The matching rules once more, as plainly as they can be said: lists, sorted again for every order.

It is slow and has nothing clever in it, so that it is right by inspection; the engine has to make the same events.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.matching.engine import MAX_QUANTITY, REMEMBERED_ORDERS, WAITING_COMMANDS
from tasks.messages import (
    CancelOrder,
    CancelRefused,
    Command,
    OrderClosed,
    PlaceOrder,
    TradeMade,
    event_id,
)

Event = TradeMade | OrderClosed | CancelRefused
Depth = list[tuple[int, int, int]]


@dataclass
class NaiveOrder:
    """A resting order; `quantity` is what is open of it."""

    order_id: int
    client_id: str
    security_id: str
    side: str
    price_cents: int
    quantity: int
    arrival: int


class NaiveBook:
    """All books of a shard, in one list."""

    def __init__(
        self, shard: int, *, waiting_commands: int = WAITING_COMMANDS, remembered_orders: int = REMEMBERED_ORDERS
    ) -> None:
        self.shard = shard
        self.resting: list[NaiveOrder] = []
        self.trades: dict[str, int] = {}  # how many, by security
        self.waiting: list[tuple[int, CancelOrder]] = []
        self.closed: set[int] = set()
        self.closed_before: set[int] = set()
        self._waiting_commands = waiting_commands
        self._remembered_orders = remembered_orders
        self._seq = 0
        self._events: list[Event] = []

    def apply(self, seq: int, command: Command) -> list[Event]:
        """The events of command `seq`."""
        self._seq, self._events = seq, []
        for since, cancel in [one for one in self.waiting if seq - one[0] > self._waiting_commands]:
            self.waiting.remove((since, cancel))
            self._refuse(cancel, command.sequenced_us)
        if isinstance(command, PlaceOrder):
            self._place(command)
        else:
            self._cancel(command)
        if len(self.closed) >= self._remembered_orders:
            self.closed_before, self.closed = self.closed, set()
        return self._events

    def _place(self, order: PlaceOrder) -> None:
        if any(resting.order_id == order.order_id for resting in self._book(order.security_id)):
            self._close(order, order.quantity, "rejected", "duplicate_order")
            return
        if not (1 <= order.quantity <= MAX_QUANTITY and order.price_cents >= 1):
            self._close(order, order.quantity, "rejected", "out_of_range")
            return
        if self._cancelled_before(order):
            self._close(order, order.quantity, "cancelled", "cancelled")
            return
        reachable = self._reachable(order)
        if order.post_only and reachable:
            self._close(order, order.quantity, "rejected", "would_cross")
            return
        if order.time_in_force == "fok" and self._before_own(order, reachable) < order.quantity:
            self._close(order, order.quantity, "cancelled", "unfilled")
            return
        open_quantity = order.quantity
        for resting in reachable:
            if open_quantity == 0:
                break
            if resting.client_id == order.client_id:
                self._close(order, open_quantity, "cancelled", "self_trade")
                return
            quantity = min(open_quantity, resting.quantity)
            self._trade(order, resting, quantity)
            open_quantity -= quantity
        if open_quantity == 0:
            self.closed.add(order.order_id)
        elif order.type == "limit" and order.time_in_force == "gtc":
            self.resting.append(
                NaiveOrder(
                    order.order_id,
                    order.client_id,
                    order.security_id,
                    order.side,
                    order.price_cents,
                    open_quantity,
                    self._seq,
                )
            )
        else:
            self._close(order, open_quantity, "cancelled", "unfilled")

    def _reachable(self, order: PlaceOrder) -> list[NaiveOrder]:
        """What the order's limit reaches on the other side: the best price first, then the oldest."""
        others = [resting for resting in self._book(order.security_id) if resting.side != order.side]
        if order.side == "buy":
            asks = [resting for resting in others if resting.price_cents <= order.price_cents]
            return sorted(asks, key=lambda ask: (ask.price_cents, ask.arrival))
        bids = [resting for resting in others if resting.price_cents >= order.price_cents]
        return sorted(bids, key=lambda bid: (-bid.price_cents, bid.arrival))

    def _before_own(self, order: PlaceOrder, reachable: list[NaiveOrder]) -> int:
        """How many shares stand before the first order of the same client."""
        shares = 0
        for resting in reachable:
            if resting.client_id == order.client_id:
                break
            shares += resting.quantity
        return shares

    def _trade(self, order: PlaceOrder, resting: NaiveOrder, quantity: int) -> None:
        resting.quantity -= quantity
        if resting.quantity == 0:
            self.resting.remove(resting)
            self.closed.add(resting.order_id)
        buy, sell = (order, resting) if order.side == "buy" else (resting, order)
        self.trades[order.security_id] = self.trades.get(order.security_id, 0) + 1
        self._events.append(
            TradeMade(
                event_id=self._next_event_id(),
                security_id=order.security_id,
                sequence=self.trades[order.security_id],
                price_cents=resting.price_cents,
                quantity=quantity,
                aggressor_side=order.side,
                buy_order_id=buy.order_id,
                buyer=buy.client_id,
                buy_hold_cents=buy.price_cents,
                sell_order_id=sell.order_id,
                seller=sell.client_id,
                traded_us=order.sequenced_us,
            )
        )

    def _cancel(self, cancel: CancelOrder) -> None:
        for resting in self.resting:
            if resting.order_id == cancel.order_id:
                if (resting.client_id, resting.security_id) == (cancel.client_id, cancel.security_id):
                    self.resting.remove(resting)
                    self._close(resting, resting.quantity, "cancelled", "cancelled", cancel.sequenced_us)
                else:
                    self._refuse(cancel, cancel.sequenced_us)
                return
        if cancel.order_id in self.closed | self.closed_before:
            self._refuse(cancel, cancel.sequenced_us)
        else:
            self.waiting.append((self._seq, cancel))

    def _cancelled_before(self, order: PlaceOrder) -> bool:
        cancelled = False
        for since, cancel in [one for one in self.waiting if one[1].order_id == order.order_id]:
            self.waiting.remove((since, cancel))
            is_its_own = (cancel.client_id, cancel.security_id) == (order.client_id, order.security_id)
            if is_its_own and not cancelled:
                cancelled = True
            else:
                self._refuse(cancel, order.sequenced_us)
        return cancelled

    def _close(
        self, order: PlaceOrder | NaiveOrder, quantity: int, status: str, reason: str, now_us: int | None = None
    ) -> None:
        self.closed.add(order.order_id)
        if now_us is None:
            assert isinstance(order, PlaceOrder)
            now_us = order.sequenced_us
        self._events.append(
            OrderClosed(
                event_id=self._next_event_id(),
                order_id=order.order_id,
                client_id=order.client_id,
                security_id=order.security_id,
                side=order.side,  # type: ignore[arg-type]
                quantity=quantity,
                hold_cents=order.price_cents,
                status=status,  # type: ignore[arg-type]
                reason=reason,
                closed_us=now_us,
            )
        )

    def _refuse(self, cancel: CancelOrder, now_us: int) -> None:
        self._events.append(
            CancelRefused(
                event_id=self._next_event_id(),
                order_id=cancel.order_id,
                client_id=cancel.client_id,
                security_id=cancel.security_id,
                reason="unknown_order",
                refused_us=now_us,
            )
        )

    def _next_event_id(self) -> int:
        return event_id(self.shard, self._seq, len(self._events))

    def _book(self, security_id: str) -> list[NaiveOrder]:
        return [resting for resting in self.resting if resting.security_id == security_id]

    def depth(self, security_id: str) -> tuple[Depth, Depth]:
        """Bids and asks as (price, quantity, orders), best first."""
        bids = self._levels([order for order in self._book(security_id) if order.side == "buy"])
        asks = self._levels([order for order in self._book(security_id) if order.side == "sell"])
        return bids[::-1], asks

    def _levels(self, orders: list[NaiveOrder]) -> Depth:
        """Of orders of one side, the lowest price first."""
        return [
            (
                price_cents,
                sum(order.quantity for order in orders if order.price_cents == price_cents),
                sum(1 for order in orders if order.price_cents == price_cents),
            )
            for price_cents in sorted({order.price_cents for order in orders})
        ]
