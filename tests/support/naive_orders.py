"""The orders of the naive book: plain lists, searched from end to end for every question."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from tasks.matching.rules.engine import REMEMBERED_ORDERS, WAITING_COMMANDS
from tasks.messages import (
    CancelOrder,
    CancelRefused,
    Event,
    OrderClosed,
    OrderReplaced,
    ReplaceOrder,
    ReplaceRefused,
    event_id,
)

Depth = list[tuple[int, int, int]]
Phase = tuple[str, str | None, int | None]  # its name, its cause and its end
CONTINUOUS: Phase = ("continuous", None, None)


@dataclass(eq=False)
class NaiveOrder:
    """An open order: it rests, or waits for its stop price or for an auction.

    Of its `total`, `filled` has traded and `shown` is in the book; `place` is its rank among orders at one price and
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
    waits_for_auction: bool = False

    @property
    def open(self) -> int:
        """Return the open quantity."""
        return self.total - self.filled

    @property
    def rests(self) -> bool:
        """Return whether it may rest in continuous trading."""
        return self.type in ("limit", "stop_limit") and self.time_in_force in ("gtc", "day", "gtd")

    @property
    def waits(self) -> bool:
        """Return whether it is a stop order that no trade has reached."""
        return self.stop_price_cents is not None

    def show(self) -> None:
        """Show as many shares as its terms allow."""
        self.shown = self.open if self.display_quantity is None else min(self.open, self.display_quantity)


class NaiveOrders:
    """All open orders of a shard in one list, and the events of the command at hand."""

    def __init__(
        self, shard: int, *, waiting_commands: int = WAITING_COMMANDS, remembered_orders: int = REMEMBERED_ORDERS
    ) -> None:
        self.shard = shard
        self.orders: list[NaiveOrder] = []
        self.phases: dict[str, Phase] = {}
        self.over: set[str] = set()  # delisted and settled securities
        self.reference_cents: dict[str, int] = {}
        self.bands: dict[str, int | None] = {}
        self.last_cents: dict[str, int] = {}
        self.trades: dict[str, int] = {}  # number by security
        self.early_cancels: list[tuple[int, CancelOrder]] = []
        self.closed: set[int] = set()
        self.closed_before: set[int] = set()
        self._waiting_commands = waiting_commands
        self._remembered_orders = remembered_orders
        self._places = 0
        self._seq = 0
        self._now_us = 0
        self._events: list[Event] = []

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

    def _report_replaced(self, command: ReplaceOrder, old: NaiveOrder, new: NaiveOrder) -> None:
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
        return [order for order in self._of(security_id) if not order.waits and not order.waits_for_auction]

    def queue(self, security_id: str, side: str) -> list[NaiveOrder]:
        """Return the resting orders of a side, by priority."""
        orders = [order for order in self._book(security_id) if order.side == side]
        sign = 1 if side == "sell" else -1
        return sorted(orders, key=lambda order: (sign * order.price_cents, order.place))

    def stops(self, security_id: str) -> list[int]:
        """Return the ids of waiting stop orders, by arrival."""
        waiting = [order for order in self._of(security_id) if order.waits]
        return [stop.order_id for stop in sorted(waiting, key=lambda stop: stop.place)]

    def for_auction(self, security_id: str) -> list[int]:
        """Return the ids of the orders that wait for an auction, by arrival."""
        waiting = [order for order in self._of(security_id) if order.waits_for_auction]
        return [order.order_id for order in sorted(waiting, key=lambda order: order.place)]

    def depth(self, security_id: str) -> tuple[Depth, Depth]:
        """Return bids and asks as (price, quantity, orders), best first."""
        return levels(self.queue(security_id, "buy")), levels(self.queue(security_id, "sell"))

    def _reachable(self, order: NaiveOrder) -> list[NaiveOrder]:
        """Return the orders that the order's limit reaches on the other side: the best price first, then the oldest."""
        others = [resting for resting in self._book(order.security_id) if resting.side != order.side]
        if order.side == "buy":
            asks = [resting for resting in others if resting.price_cents <= order.price_cents]
            return sorted(asks, key=lambda ask: (ask.price_cents, ask.place))
        bids = [resting for resting in others if resting.price_cents >= order.price_cents]
        return sorted(bids, key=lambda bid: (-bid.price_cents, bid.place))

    def _reached(self, security_id: str, prices_cents: list[int]) -> list[NaiveOrder]:
        """Remove and return the stop orders that trades at these prices reach, by arrival."""
        stops = [order for order in self.orders if order.waits and order.security_id == security_id]
        reached = [stop for stop in stops if any(_is_reached(stop, price_cents) for price_cents in prices_cents)]
        for stop in reached:
            self.orders.remove(stop)
        return sorted(reached, key=lambda stop: stop.place)

    def _add(self, order: NaiveOrder) -> None:
        """Let an order rest or wait, after all others."""
        order.place = self._next_place()
        order.show()
        self.orders.append(order)


def levels(queue: list[NaiveOrder]) -> Depth:
    """Return (price, quantity, orders) of each price, from the orders of a side by priority."""
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
