"""The naive trading day: phases, auctions, the band, and the end of a security."""

from __future__ import annotations

from fractions import Fraction

from tasks.messages import (
    Command,
    DelistSecurity,
    ListSecurity,
    PhaseChanged,
    SecuritySettled,
    SetBand,
    SetHalt,
    SetPhase,
    SettleSecurity,
    TradeMade,
)
from tests.support import naive_auction
from tests.support.naive_orders import CONTINUOUS, NaiveOrder, NaiveOrders, Phase


class NaiveDay(NaiveOrders):
    """The phases of securities; the book decides how stop orders act."""

    def _trigger(self, triggered: list[NaiveOrder]) -> None:
        """Let stop orders act one after the other, and then those that they reach."""
        raise NotImplementedError

    def phase(self, security_id: str) -> str:
        """Return the phase of a security."""
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
        """Begin to collect orders; the rest of the order that the band stopped comes first."""
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
        """Return the lowest and the highest price at which an order may trade now."""
        base_cents = self.last_cents.get(security_id) or self.reference_cents.get(security_id)
        band_ppm = self.bands.get(security_id)
        if base_cents is None or band_ppm is None:
            return Fraction(0), Fraction(10**12)
        return base_cents * (1 - Fraction(band_ppm, 10**6)), base_cents * (1 + Fraction(band_ppm, 10**6))

    def indication(self, security_id: str) -> naive_auction.Outcome:
        """Return the outcome of an uncross now; nothing outside auctions."""
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
