"""The naive matching rules: one list of orders, sorted again for every order.

It is slow and simple, so that reading it shows that it is right; the engine has to make the same events.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile

from tasks.matching.rules.placing import MAX_QUANTITY
from tasks.messages import (
    MAX_EVENTS_PER_COMMAND,
    CancelOrder,
    Command,
    Event,
    Expire,
    MassCancel,
    OrderTriggered,
    PlaceOrder,
    ReplaceOrder,
    TradeMade,
)
from tests.support.naive_day import NaiveDay
from tests.support.naive_orders import NaiveOrder


class NaiveBook(NaiveDay):
    """All books of a shard, in one list."""

    def apply(self, seq: int, command: Command) -> list[Event]:
        """Return the events of command `seq`."""
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
        elif isinstance(command, Expire):
            for order_id in command.order_ids:
                for order in self._open(order_id):
                    self._close(order, "cancelled", command.reason)
        elif command.security_id not in self.over:
            self._change_security(command)
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
        if order.time_in_force == "gtd" and command.expires_us is None:
            self._close(order, "rejected", "invalid_terms")
            return
        if order.time_in_force == "auction" and (is_stop or order.post_only):
            self._close(order, "rejected", "invalid_terms")
            return
        shown = order.display_quantity
        if shown is not None and not (order.rests and 1 <= shown <= order.total):
            self._close(order, "rejected", "invalid_terms")
            return
        if self._was_cancelled(order):
            self._close(order, "cancelled", "cancelled")
            return
        phase = self.phase(order.security_id)
        if phase in ("halted", "closed"):
            self._close(order, "rejected", phase)
            return
        if phase == "auction":
            reason = self._auction_refusal(order)
            if reason is not None:
                self._close(order, "rejected", reason)
            else:
                self._add(order)
            return
        if order.time_in_force == "auction":
            order.waits_for_auction = True
            self._add(order)
            return
        if order.waits:
            self._add(order)
            last_cents = self.last_cents.get(order.security_id)
            triggered = [] if last_cents is None else self._reached(order.security_id, [last_cents])
        else:
            triggered = self._enter(order, "rejected")
        self._trigger(triggered)

    def _enter(self, order: NaiveOrder, refusal: str) -> list[NaiveOrder]:
        """Let an order trade, rest or close, and return the stop orders that its trades reach."""
        reachable = self._reachable(order)
        if order.post_only and reachable:
            self._close(order, refusal, "would_cross")
            return []
        lowest_cents, highest_cents = self._band(order.security_id)
        if order.time_in_force == "fok":
            within = list(takewhile(lambda one: lowest_cents <= one.price_cents <= highest_cents, reachable))
            if self._could_trade(order, within) < order.open:
                if self._could_trade(order, reachable) >= order.open:
                    self._begin_auction(order.security_id, "volatility", None, order)
                else:
                    self._close(order, "cancelled", "unfilled")
                return []
        prices_cents: list[int] = []
        while order.open and (reachable := self._reachable(order)):
            resting = reachable[0]
            if resting.client_id == order.client_id:
                self._close(order, "cancelled", "self_trade")
                return self._reached(order.security_id, prices_cents)
            if not lowest_cents <= resting.price_cents <= highest_cents:
                self._begin_auction(order.security_id, "volatility", None, order)
                return []
            self._trade(order, resting, min(order.open, resting.shown))
            prices_cents.append(resting.price_cents)
        if order.open == 0:
            self.closed.add(order.order_id)
        elif order.rests:
            self._add(order)
        else:
            self._close(order, "cancelled", "unfilled")
        return self._reached(order.security_id, prices_cents)

    def _could_trade(self, order: NaiveOrder, reachable: list[NaiveOrder]) -> int:
        """Return how many shares, shown and hidden, are available before an order of the same client."""
        shares = 0
        for price_cents in dict.fromkeys(resting.price_cents for resting in reachable):
            queue = [resting for resting in reachable if resting.price_cents == price_cents]
            for resting in queue:
                if resting.client_id == order.client_id:
                    return shares
                shares += resting.shown
            shares += sum(resting.open - resting.shown for resting in queue)  # after all shown shares
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
    def _trigger(self, triggered: list[NaiveOrder]) -> None:
        """Let stop orders act one after the other, and then those that they reach."""
        while triggered:
            stop = triggered.pop(0)
            others = len(triggered) + len(self._of(stop.security_id)) - len(self._book(stop.security_id))
            others += self.bands.get(stop.security_id) is not None
            if len(self._events) + stop.open + 2 + others > MAX_EVENTS_PER_COMMAND:
                self._close(stop, "cancelled", "too_many_events")
                continue
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
            stop.stop_price_cents = None
            reached = self._enter(stop, "cancelled")
            if self.phase(stop.security_id) != "continuous":
                self.orders += triggered  # they keep waiting
                return
            triggered += reached

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
        phase = self.phase(order.security_id)
        if phase in ("halted", "closed"):
            self._refuse_replace(command, phase)
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
            self._report_replaced(command, order, order)
            self._close(order, "cancelled", "cancelled")
        else:
            keeps_place = new.total < order.total and new.price_cents == order.price_cents
            waits = order.waits or order.waits_for_auction
            if phase == "auction" and not waits and not keeps_place:
                reason = self._auction_refusal(new)
                if reason is not None:
                    self._refuse_replace(command, reason)
                    return
            self._report_replaced(command, order, new)
            self.orders.remove(order)
            if keeps_place:
                new.shown = min(order.shown, new.open)
                self.orders.append(new)
            elif waits or phase == "auction":
                self._add(new)
            else:
                self._trigger(self._enter(new, "cancelled"))
