"""The trading day of the simulated market: makes the commands that the exchange's admin and scheduler cause.

Phases, auctions and volatility interruptions happen in the exchange's own engine; this module only decides when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from bots.simulated.clock import US_PER_S, Clock
from bots.simulated.configuration import Listing
from bots.simulated.venue import NumberSeries
from tasks.messages import Command, Event, ListSecurity, Phase, PhaseCause, PhaseChanged, SetPhase

# The length of an auction that begins because a price left the band, as on the exchange [us].
VOLATILITY_AUCTION_US = 10 * US_PER_S
_PPM = 1_000_000


class TradingDay:
    """Changes the phases of securities.

    execute  applies a command to the market and returns its events
    """

    def __init__(
        self,
        listings: Iterable[Listing],
        *,
        clock: Clock,
        numbers: NumberSeries,
        start_us: int,
        execute: Callable[[Command], Sequence[Event]],
    ) -> None:
        self._listings = {listing.security_id: listing for listing in listings}
        self._clock = clock
        self._numbers = numbers
        self._start_us = start_us
        self._execute = execute
        self._listed: set[str] = set()
        self._changes: dict[str, int] = {}  # how often the phase of a security was set; ends a timer that is outdated
        self._is_open = True

    def begin(self) -> None:
        """Give the engine the bands of the securities that have one."""
        for listing in self._listings.values():
            if listing.band is not None:
                self._list(listing.security_id)

    def end(self) -> None:
        """Change no phase from now on."""
        self._is_open = False

    def set_phase(
        self, security_id: str, phase: Phase, *, cause: PhaseCause = "admin", lasts_us: int | None = None
    ) -> None:
        """Change a phase; with `lasts_us`, continuous trading follows after this time."""
        self._list(security_id)
        now_us = self._start_us + self._clock.now_us
        ends_us = None if lasts_us is None else now_us + lasts_us
        while True:
            events = self._execute(SetPhase(self._numbers.take(), security_id, phase, cause, ends_us, now_us))
            # A large auction takes several commands; the last one changes the phase.
            if not events or any(type(event) is PhaseChanged for event in events):
                break
        change = self._changes[security_id] = self._changes.get(security_id, 0) + 1
        if lasts_us is not None:
            self._clock.at(self._clock.now_us + lasts_us, partial(self._continue, security_id, change, cause))

    def changed(self, event: PhaseChanged) -> None:
        """Let a volatility interruption that the engine has begun end after its time."""
        if event.cause == "volatility" and event.phase == "auction" and event.ends_us is None:
            self.set_phase(event.security_id, "auction", cause="volatility", lasts_us=VOLATILITY_AUCTION_US)

    def _continue(self, security_id: str, change: int, cause: PhaseCause) -> None:
        if self._is_open and self._changes[security_id] == change:
            self.set_phase(security_id, "continuous", cause=cause)

    def _list(self, security_id: str) -> None:
        """Give the engine a security's reference price and band, once."""
        if security_id in self._listed:
            return
        self._listed.add(security_id)
        listing = self._listings[security_id]
        self._execute(
            ListSecurity(
                self._numbers.take(),
                security_id,
                listing.reference_cents,
                listing.tick_cents,
                listing.min_price_cents,
                listing.max_price_cents,
                None if listing.band is None else int(listing.band * _PPM),
                self._start_us + self._clock.now_us,
            )
        )
