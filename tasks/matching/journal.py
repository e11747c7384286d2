"""The events of a command: every one but a trade in continuous trading is made here.

Most are made by position, as the names of their fields would cost as much as the events.
"""

from __future__ import annotations

from typing import Final, Literal

from tasks.matching.levels import RestingOrder
from tasks.matching.waiting import OpenOrder
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

# How many orders one command may close or fill at a time when it is not the client's order that says how many.
MOST_ORDERS: Final = MAX_EVENTS_PER_COMMAND // 8


class Journal:
    """What the command at hand has led to, and which orders were closed lately.

    `first_id` is the id of the command's first event, `closed` and `closed_before` are two generations of closed
    orders: a full one takes the place of the one before it.
    """

    __slots__ = ("_first_of_shard", "_remembered_orders", "closed", "closed_before", "events", "first_id")

    def __init__(self, shard: int, *, remembered_orders: int) -> None:
        """For the events of a shard; at least so many closed orders are remembered, and about twice as many at most."""
        self._first_of_shard = event_id(shard, 0, 0)
        self._remembered_orders = remembered_orders
        self.first_id = self._first_of_shard
        self.events: list[Event] = []
        self.closed: set[int] = set()
        self.closed_before: set[int] = set()

    def begin(self, seq: int) -> list[Event]:
        """Begin command `seq`; returns the list that its events will be in."""
        self.first_id = self._first_of_shard + seq * MAX_EVENTS_PER_COMMAND
        self.events = []
        return self.events

    def forget(self) -> None:
        """Forget the older closed orders once enough younger ones are remembered."""
        if len(self.closed) >= self._remembered_orders:
            self.closed_before, self.closed = self.closed, set()

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
                self.first_id + len(self.events), security_id, sequence, price_cents, quantity, None,
                buy.order_id, buy.client_id, buy.hold_cents, sell.order_id, sell.client_id, now_us,
            )
        )  # fmt: skip

    def close(self, order: PlaceOrder, quantity: int, status: Refusal, reason: str, now_us: int) -> None:
        """An order that came is closed with what is open of it [shares]."""
        self.closed.add(order.order_id)
        self.events.append(
            OrderClosed(
                self.first_id + len(self.events), order.order_id, order.client_id, order.security_id, order.side,
                quantity, order.hold_cents or order.price_cents, status, reason, now_us,
            )
        )  # fmt: skip

    def close_open(self, order: OpenOrder, quantity: int, reason: str, now_us: int) -> None:
        """An order that was open is cancelled with what was open of it [shares]."""
        self.closed.add(order.order_id)
        self.events.append(
            OrderClosed(
                self.first_id + len(self.events), order.order_id, order.client_id, order.security_id, order.side,
                quantity, order.hold_cents, "cancelled", reason, now_us,
            )
        )  # fmt: skip

    def trigger(self, stop: PlaceOrder, now_us: int) -> None:
        """A stop order becomes the market or limit order that it stands for."""
        self.events.append(
            OrderTriggered(
                self.first_id + len(self.events), stop.order_id, stop.client_id, stop.security_id, stop.side,
                stop.quantity, stop.price_cents, now_us,
            )
        )  # fmt: skip

    # -- cancels and replacements ------------------------------------------------------------------------------------

    def refuse_cancel(self, cancel: CancelOrder, now_us: int) -> None:
        """A cancel finds nothing open of the client's."""
        self.events.append(
            CancelRefused(
                self.first_id + len(self.events), cancel.order_id, cancel.client_id, cancel.security_id,
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
                event_id=self.first_id + len(self.events),
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
                event_id=self.first_id + len(self.events),
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
        self.events.append(PhaseChanged(self.first_id + len(self.events), security_id, phase, cause, ends_us, now_us))

    def settle(self, security_id: str, value_cents: int, now_us: int) -> None:
        """All orders of a security are closed, and its shares become cash."""
        self.events.append(SecuritySettled(self.first_id + len(self.events), security_id, value_cents, now_us))
