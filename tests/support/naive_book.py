"""The matching rules once more, as plainly as they can be said: one list of orders, sorted again for every order.

It is slow and has nothing clever in it, so that it is right by inspection; the engine has to make the same events.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby, takewhile

from tasks.matching.engine import REMEMBERED_ORDERS, WAITING_COMMANDS
from tasks.matching.placing import MAX_QUANTITY
from tasks.messages import (
    MAX_EVENTS_PER_COMMAND,
    CancelOrder,
    CancelRefused,
    Command,
    DelistSecurity,
    Event,
    Expire,
    ListSecurity,
    MassCancel,
    OrderClosed,
    OrderReplaced,
    OrderTriggered,
    PhaseChanged,
    PlaceOrder,
    ReplaceOrder,
    ReplaceRefused,
    SecuritySettled,
    SetBand,
    SetHalt,
    SetPhase,
    SettleSecurity,
    TradeMade,
    event_id,
)
from tests.support import naive_auction

Depth = list[tuple[int, int, int]]
Phase = tuple[str, str | None, int | None]  # its name, its cause and when it ends
CONTINUOUS: Phase = ("continuous", None, None)


@dataclass(eq=False)
class NaiveOrder:
    """An open order: resting, or waiting for its stop price or for an auction.

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
    waits_for_auction: bool = False

    @property
    def open(self) -> int:
        """What is not filled of it."""
        return self.total - self.filled

    @property
    def rests(self) -> bool:
        """Whether it may rest in continuous trading."""
        return self.type in ("limit", "stop_limit") and self.time_in_force in ("gtc", "day", "gtd")

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
        self.phases: dict[str, Phase] = {}
        self.over: set[str] = set()  # delisted and settled securities
        self.reference_cents: dict[str, int] = {}
        self.bands: dict[str, int | None] = {}
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
        """Let an order trade, rest, or be closed; returns the stop orders that its trades reach."""
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

    def _add(self, order: NaiveOrder) -> None:
        """Let an order rest or wait, behind all that do."""
        order.place = self._next_place()
        order.show()
        self.orders.append(order)

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
                self.orders += triggered  # they wait on
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
            self._tell_replaced(command, order, order)
            self._close(order, "cancelled", "cancelled")
        else:
            keeps_place = new.total < order.total and new.price_cents == order.price_cents
            waits = order.waits or order.waits_for_auction
            if phase == "auction" and not waits and not keeps_place:
                reason = self._auction_refusal(new)
                if reason is not None:
                    self._refuse_replace(command, reason)
                    return
            self._tell_replaced(command, order, new)
            self.orders.remove(order)
            if keeps_place:
                new.shown = min(order.shown, new.open)
                self.orders.append(new)
            elif waits or phase == "auction":
                self._add(new)
            else:
                self._trigger(self._enter(new, "cancelled"))

    # -- the day of a security ---------------------------------------------------------------------------------------

    def phase(self, security_id: str) -> str:
        """The phase that a security is in."""
        return self.phases.get(security_id, CONTINUOUS)[0]

    def _change_security(self, command: Command) -> None:
        assert isinstance(command, SetHalt | SetPhase | SetBand | ListSecurity | DelistSecurity | SettleSecurity)
        security_id = command.security_id
        if isinstance(command, SetHalt):
            self._set_phase(security_id, ("halted" if command.halted else "continuous", "admin", None), quietly=True)
        elif isinstance(command, SetPhase):
            self._set_phase(security_id, (command.phase, command.cause, command.ends_us))
        elif isinstance(command, SetBand):
            self.bands[security_id] = command.band_ppm
        elif isinstance(command, ListSecurity):
            self.bands[security_id] = command.band_ppm
            self.reference_cents[security_id] = command.reference_cents
        else:
            settles = isinstance(command, SettleSecurity)
            for order in sorted(self._of(security_id), key=lambda order: order.order_id):
                self._close(order, "cancelled", "settled" if settles else "closed")
            self.over.add(security_id)
            self.phases[security_id] = ("closed", "admin", None)
            self._report_phase(security_id)
            if isinstance(command, SettleSecurity):
                self._events.append(
                    SecuritySettled(self._next_event_id(), security_id, command.value_cents, self._now_us)
                )

    def _set_phase(self, security_id: str, new: Phase, *, quietly: bool = False) -> None:
        before = self.phases.get(security_id, CONTINUOUS)
        if new[0] == "continuous" or (new[0] == "closed" and before[0] == "auction"):
            self._uncross(security_id)
        if new[0] == "closed":
            for order in sorted(self._of(security_id), key=lambda order: order.order_id):
                if order.time_in_force == "day":
                    self._close(order, "cancelled", "expired")
        if new == before:
            return
        if new[0] == "auction":
            self._begin_auction(security_id, new[1], new[2])
            return
        self.phases[security_id] = new
        if not quietly:
            self._report_phase(security_id)
        if new[0] == "continuous" and security_id in self.last_cents:
            self._trigger(self._reached(security_id, [self.last_cents[security_id]]))

    def _begin_auction(
        self, security_id: str, cause: str | None, ends_us: int | None, stopped: NaiveOrder | None = None
    ) -> None:
        """Begin to collect orders; first comes what is left of the order that was stopped by the band."""
        self.phases[security_id] = ("auction", cause, ends_us)
        self._report_phase(security_id)
        if stopped is not None and not stopped.rests:
            self._close(stopped, "cancelled", "unfilled")
        elif stopped is not None:
            self._collect(stopped)
        waiting = [order for order in self._of(security_id) if order.waits_for_auction]
        for order in sorted(waiting, key=lambda order: order.place):
            self.orders.remove(order)
            order.waits_for_auction = False
            self._collect(order)

    def _collect(self, order: NaiveOrder) -> None:
        if self._crosses_own(order):
            self._close(order, "cancelled", "self_trade")
        else:
            self._add(order)

    def _auction_refusal(self, order: NaiveOrder) -> str | None:
        if order.post_only or (order.type in ("limit", "stop_limit") and order.time_in_force in ("ioc", "fok")):
            return "not_in_auction"
        return "self_trade" if not order.waits and self._crosses_own(order) else None

    def _crosses_own(self, order: NaiveOrder) -> bool:
        return any(resting.client_id == order.client_id for resting in self._reachable(order))

    def _band(self, security_id: str) -> tuple[Fraction, Fraction]:
        """The lowest and the highest price at which an order may trade now."""
        base_cents = self.last_cents.get(security_id) or self.reference_cents.get(security_id)
        band_ppm = self.bands.get(security_id)
        if base_cents is None or band_ppm is None:
            return Fraction(0), Fraction(10**12)
        return base_cents * (1 - Fraction(band_ppm, 10**6)), base_cents * (1 + Fraction(band_ppm, 10**6))

    def indication(self, security_id: str) -> naive_auction.Outcome:
        """What an uncross would lead to now; nothing outside of auctions."""
        if self.phase(security_id) != "auction":
            return naive_auction.NOTHING
        return naive_auction.outcome(self._book(security_id), self._auction_reference(security_id))

    def _auction_reference(self, security_id: str) -> int | None:
        return self.reference_cents.get(security_id) or self.last_cents.get(security_id)

    def _uncross(self, security_id: str) -> None:
        orders = self._book(security_id)
        price_cents, volume, _, _ = naive_auction.outcome(orders, self._auction_reference(security_id))
        if price_cents is not None:
            for buy, sell, quantity in naive_auction.pairs(orders, volume):
                self._trade_in_auction(buy, sell, quantity, price_cents)  # type: ignore[arg-type]
        for order in sorted(self._book(security_id), key=lambda order: order.order_id):
            if order.type == "market" or order.time_in_force == "auction":
                self._close(order, "cancelled", "unfilled")

    def _trade_in_auction(self, buy: NaiveOrder, sell: NaiveOrder, quantity: int, price_cents: int) -> None:
        for order in (buy, sell):
            order.filled += quantity
            order.show()
            if order.open == 0:
                self.orders.remove(order)
                self.closed.add(order.order_id)
        security_id = buy.security_id
        self.trades[security_id] = self.trades.get(security_id, 0) + 1
        self.last_cents[security_id] = price_cents
        self._events.append(
            TradeMade(
                event_id=self._next_event_id(),
                security_id=security_id,
                sequence=self.trades[security_id],
                price_cents=price_cents,
                quantity=quantity,
                aggressor_side=None,
                buy_order_id=buy.order_id,
                buyer=buy.client_id,
                buy_hold_cents=buy.hold_cents,
                sell_order_id=sell.order_id,
                seller=sell.client_id,
                traded_us=self._now_us,
            )
        )

    def _report_phase(self, security_id: str) -> None:
        phase, cause, ends_us = self.phases[security_id]
        self._events.append(
            PhaseChanged(
                event_id=self._next_event_id(),
                security_id=security_id,
                phase=phase,  # type: ignore[arg-type]
                cause=cause,  # type: ignore[arg-type]
                ends_us=ends_us,
                changed_us=self._now_us,
            )
        )

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
        return [order for order in self._of(security_id) if not order.waits and not order.waits_for_auction]

    def queue(self, security_id: str, side: str) -> list[NaiveOrder]:
        """The orders that rest on a side, by their priority."""
        orders = [order for order in self._book(security_id) if order.side == side]
        sign = 1 if side == "sell" else -1
        return sorted(orders, key=lambda order: (sign * order.price_cents, order.place))

    def stops(self, security_id: str) -> list[int]:
        """The ids of the stop orders that wait, by their arrival."""
        waiting = [order for order in self._of(security_id) if order.waits]
        return [stop.order_id for stop in sorted(waiting, key=lambda stop: stop.place)]

    def for_auction(self, security_id: str) -> list[int]:
        """The ids of the orders that wait for an auction, by their arrival."""
        waiting = [order for order in self._of(security_id) if order.waits_for_auction]
        return [order.order_id for order in sorted(waiting, key=lambda order: order.place)]

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
