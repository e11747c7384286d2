"""The events of a command: this module makes all of them except trades in continuous trading.

It makes most by position, as naming the fields would cost as much as the events.
"""

from __future__ import annotations

from typing import Literal

from tasks.matching.rules.levels import RestingOrder
from tasks.matching.rules.waiting import OpenOrder
from tasks.messages import (
    MAX_EVENTS_PER_COMMAND,
    CancelOrder,
    CancelRefused,
    Event,
    OrderClosed,
    OrderReplaced,
    OrderTriggered,
    Phase,
    PhaseCause,
    PhaseChanged,
    PlaceOrder,
    ReplaceOrder,
    ReplaceRefused,
    SecuritySettled,
    TradeMade,
    event_id,
)

Refusal = Literal["cancelled", "rejected"]

# Other orders have a collar instead of a limit.
_LIMITED = ("limit", "stop_limit")


class Journal:
    """The events of command `seq`, and the orders that were closed recently.

    `closed` and `closed_before` are two generations of closed orders: a full one replaces the previous one.
    `base` is the id that the first event of command 0 would have.
    """

    __slots__ = ("base", "closed", "closed_before", "events", "seq")

    def __init__(self, shard: int) -> None:
        self.base = event_id(shard, 0, 0)
        self.seq = 0
        self.events: list[Event] = []
        self.closed: set[int] = set()
        self.closed_before: set[int] = set()

    def _next_id(self) -> int:
        return self.base + self.seq * MAX_EVENTS_PER_COMMAND + len(self.events)

    # -- orders ------------------------------------------------------------------------------------------------------

    def trade(
        self,
        security_id: str,
        sequence: int,
        *,
        price_cents: int,
        quantity: int,
        buy: RestingOrder,
        sell: RestingOrder,
        now_us: int,
    ) -> None:
        """Record a trade of two orders in an auction."""
        self.events.append(
            TradeMade(
                self._next_id(), security_id, sequence, price_cents, quantity, None,
                buy.order_id, buy.client_id, buy.hold_cents, sell.order_id, sell.client_id, now_us,
            )
        )  # fmt: skip

    def close(self, order: PlaceOrder, quantity: int, status: Refusal, reason: str, now_us: int) -> None:
        """Record the close of an incoming or waiting order with its open quantity [shares]."""
        events = self.events
        self.closed.add(order.order_id)
        events.append(
            OrderClosed(
                self.base + self.seq * MAX_EVENTS_PER_COMMAND + len(events),
                order.order_id, order.client_id, order.security_id, order.side,
                quantity, order.hold_cents or order.price_cents, status, reason, now_us,
                order.price_cents if order.type in _LIMITED else None,
            )
        )  # fmt: skip

    def cancel(self, order: RestingOrder, quantity: int, reason: str, now_us: int) -> None:
        """Record the cancel of a resting order with its open quantity [shares]."""
        events, key = self.events, order.key
        self.closed.add(order.order_id)
        events.append(
            OrderClosed(
                self.base + self.seq * MAX_EVENTS_PER_COMMAND + len(events),
                order.order_id, order.client_id, order.security_id,
                "buy" if key > 0 else "sell", quantity, order.hold_cents, "cancelled", reason, now_us,
                None if order.time_in_force == "ioc" else key if key > 0 else -key,
            )
        )  # fmt: skip

    def trigger(self, stop: PlaceOrder, now_us: int) -> None:
        """Record that a stop order has become a market or limit order."""
        self.events.append(
            OrderTriggered(
                self._next_id(), stop.order_id, stop.client_id, stop.security_id, stop.side,
                stop.quantity, stop.price_cents, now_us,
            )
        )  # fmt: skip

    # -- cancels and replacements ------------------------------------------------------------------------------------

    def refuse_cancel(self, cancel: CancelOrder, now_us: int) -> None:
        """Record the refusal of a cancel that finds no open order of its client."""
        events = self.events
        events.append(
            CancelRefused(
                self.base + self.seq * MAX_EVENTS_PER_COMMAND + len(events),
                cancel.order_id, cancel.client_id, cancel.security_id,
                "unknown_order", now_us,
            )
        )  # fmt: skip

    def replace(
        self,
        order: OpenOrder,
        replace: ReplaceOrder,
        *,
        total: int,
        price_cents: int,
        open_quantity: int,
        hold_cents: int,
    ) -> None:
        """Record the new terms of an open order, which still has its old ones."""
        self.events.append(
            OrderReplaced(
                event_id=self._next_id(),
                command_id=replace.command_id,
                order_id=order.order_id,
                client_id=order.client_id,
                security_id=order.security_id,
                side=order.side,
                quantity=total,
                price_cents=price_cents,
                old_open=order.open_quantity,
                old_hold_cents=order.hold_cents,
                open_quantity=open_quantity,
                hold_cents=hold_cents,
                reserved=replace.reserved,
                replaced_us=replace.sequenced_us,
            )
        )

    def refuse_replace(self, replace: ReplaceOrder, reason: str) -> None:
        """Record the refusal of a replacement."""
        self.events.append(
            ReplaceRefused(
                event_id=self._next_id(),
                command_id=replace.command_id,
                order_id=replace.order_id,
                client_id=replace.client_id,
                security_id=replace.security_id,
                side=replace.side,
                reserved=replace.reserved,
                reason=reason,
                refused_us=replace.sequenced_us,
            )
        )

    # -- securities --------------------------------------------------------------------------------------------------

    def change_phase(self, security_id: str, phase: Phase, cause: PhaseCause, ends_us: int | None, now_us: int) -> None:
        """Record a new phase of a security, or a new end of its phase."""
        self.events.append(PhaseChanged(self._next_id(), security_id, phase, cause, ends_us, now_us))

    def settle(self, security_id: str, value_cents: int, now_us: int) -> None:
        """Record that all orders of a security are closed and its shares become cash."""
        self.events.append(SecuritySettled(self._next_id(), security_id, value_cents, now_us))
