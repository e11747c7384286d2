"""The events of a command: every one but a trade in continuous trading is made here.

Most are made by position, as the names of their fields would cost as much as the events.
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

# Other orders have a collar in place of a limit.
_LIMITED = ("limit", "stop_limit")


class Journal:
    """What command `seq` has led to, and which orders were closed lately.

    `closed` and `closed_before` are two generations of closed orders: a full one takes the place of the one before it.
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
        """Two orders trade in an auction."""
        self.events.append(
            TradeMade(
                self._next_id(), security_id, sequence, price_cents, quantity, None,
                buy.order_id, buy.client_id, buy.hold_cents, sell.order_id, sell.client_id, now_us,
            )
        )  # fmt: skip

    def close(self, order: PlaceOrder, quantity: int, status: Refusal, reason: str, now_us: int) -> None:
        """An order that came is closed with what is open of it [shares]."""
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
        """An order that rested is cancelled with what was open of it [shares]."""
        events = self.events
        self.closed.add(order.order_id)
        events.append(
            OrderClosed(
                self.base + self.seq * MAX_EVENTS_PER_COMMAND + len(events),
                order.order_id, order.client_id, order.security_id,
                "buy" if order.key > 0 else "sell", quantity, order.hold_cents, "cancelled", reason, now_us,
                None if order.time_in_force == "ioc" else order.price_cents,
            )
        )  # fmt: skip

    def trigger(self, stop: PlaceOrder, now_us: int) -> None:
        """A stop order becomes the market or limit order that it stands for."""
        self.events.append(
            OrderTriggered(
                self._next_id(), stop.order_id, stop.client_id, stop.security_id, stop.side,
                stop.quantity, stop.price_cents, now_us,
            )
        )  # fmt: skip

    # -- cancels and replacements ------------------------------------------------------------------------------------

    def refuse_cancel(self, cancel: CancelOrder, now_us: int) -> None:
        """A cancel finds nothing open of the client's."""
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
        """An open order, which still has its old terms, gets these."""
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
        """A replacement changes nothing."""
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
        """A security is in another phase, or in one with another end."""
        self.events.append(PhaseChanged(self._next_id(), security_id, phase, cause, ends_us, now_us))

    def settle(self, security_id: str, value_cents: int, now_us: int) -> None:
        """All orders of a security are closed, and its shares become cash."""
        self.events.append(SecuritySettled(self._next_id(), security_id, value_cents, now_us))
