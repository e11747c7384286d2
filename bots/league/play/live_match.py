"""Plays one match of a tournament on the running exchange: each bot has its own process and trades over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec

from bots.client import Client
from bots.contract import MarketOrder
from bots.errors import ExchangeError
from bots.league.play.configuration import Halt, LargeSeller, League, News, ScheduledEvent
from bots.league.play.duration import written
from bots.league.play.entrants import Entrant
from bots.league.play.hidden_values import hidden_values
from bots.league.play.live_exchange import LiveExchange, MatchAccount
from bots.league.play.live_result import Course, match_of
from bots.league.play.live_seat import LiveSeat
from bots.league.play.result import Match, PastEvent

# How long the processes of the bots have to get ready [s].
READY_S = 60.0
LOOK_EVERY_S = 0.2
PROGRESS_EVERY_S = 1.0


def configured(league: League, opening_cents: Mapping[str, int]) -> League:
    """Return the tournament as played live: with the live duration, the events within it, and the current prices."""
    securities = tuple(
        security.model_copy(update={"price": Decimal(opening_cents[security.id]) / 100})
        for security in league.securities
    )
    return league.model_copy(
        update={
            "duration": league.live.duration,
            "sample_every": league.live.sample_every,
            "securities": securities,
            "events": tuple(event for event in league.events if event.at < league.live.duration),
        }
    )


def play(
    league: League,
    seed: int,
    entrants: Sequence[Entrant],
    exchange: LiveExchange,
    folder: Path,
    *,
    tape: Callable[[bytes], object],
    progress: Callable[[float], object],
) -> Match:
    """Play the match of a seed.

    folder    where the bots' processes write
    tape      receives the published trades of the match, one line of JSON each
    progress  receives from time to time how much has been played [s]
    raises    ConfigurationError  the exchange does not fit the tournament, or other clients are in the market
              ExchangeError       the exchange is away, or refuses the admin's key
              TimeoutError        trades did not settle in time
    """
    exchange.require(league)
    opening_cents = exchange.opening_cents(league)
    match = _LiveMatch(configured(league, opening_cents), seed, exchange, opening_cents)
    try:
        match.seat(entrants, folder)
        match.trade(progress)
        exchange.settle()
        match.sample(match.league.duration)
        return match_of(match, tape)
    finally:
        match.end()


@dataclass
class _LiveMatch(Course):
    """A live match under way."""

    began_s: float = 0.0
    halted: set[str] = field(default_factory=set)
    agenda: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)

    @property
    def now_s(self) -> float:
        """Time since the start [s]."""
        return time.monotonic() - self.began_s

    # -- before the start --------------------------------------------------------------------------------------------

    def seat(self, entrants: Sequence[Entrant], folder: Path) -> None:
        """Open the accounts, start the processes, and wait until all of them are ready."""
        folder.mkdir(parents=True, exist_ok=True)
        values = hidden_values(self.league, self.seed)
        for entrant in entrants:
            opened = self.exchange.open(
                self.seed,
                entrant.account,
                cash=self.league.opening.cash,
                shares=self.league.opening_shares(),
                short_limit=entrant.short_limit,
            )
            self.opened.append(opened)
            self.seats.append(LiveSeat(entrant, opened.client_id, opened.key, folder / entrant.account))
            self.seats[-1].start(self.league, self.seed, self.exchange.url, values[entrant.securities[0]])
        for number, event in enumerate(self.league.events, start=1):
            self._schedule(event, number)
        deadline_s = time.monotonic() + READY_S
        while not all(seat.is_ready for seat in self.seats) and time.monotonic() < deadline_s:
            time.sleep(LOOK_EVERY_S)

    def _at(self, time_s: float, action: Callable[[], None]) -> None:
        self.agenda.append((time_s, len(self.agenda), action))
        self.agenda.sort(key=lambda due: due[:2])

    def _schedule(self, event: ScheduledEvent, number: int) -> None:
        if isinstance(event, News):
            # The hidden value moves with it, and informed traders see that at once.
            self._at(event.at, partial(self._note, event, f"news {event.change:+.1%}".replace("%", " %")))
        elif isinstance(event, Halt):
            self._at(event.at, partial(self._halt, event))
            self._at(event.at + event.lasts, partial(self._resume, event.security))
        else:
            shares = {event.security: event.quantity}
            opened = self.exchange.open(self.seed, f"LARGE_SELLER.{number}", cash=Decimal(0), shares=shares)
            self._at(event.at, partial(self._note, event, f"large seller of {event.quantity:,}"))
            self._at(event.at, partial(self._sell, event, opened))

    # -- scheduled events --------------------------------------------------------------------------------------------

    def _note(self, event: ScheduledEvent, text: str) -> None:
        self.happened.append(PastEvent(time_s=round(self.now_s, 3), security_id=event.security, text=text))

    def _halt(self, event: Halt) -> None:
        self.exchange.admin.halt(event.security)
        self.halted.add(event.security)
        self._note(event, f"halted for {written(event.lasts)}")

    def _resume(self, security_id: str) -> None:
        self.exchange.admin.resume(security_id)
        self.halted.discard(security_id)

    def _sell(self, event: LargeSeller, opened: MatchAccount) -> None:
        """Sell a part of the shares at the market, and schedule the next part until all are sold."""
        client = Client(self.exchange.url, opened.key)
        left = client.holding(event.security, opened.client_id).available
        if left:
            client.place(MarketOrder(security_id=event.security, side="sell", quantity=min(event.part, left)))
            self._at(self.now_s + event.every, partial(self._sell, event, opened))

    # -- during the match --------------------------------------------------------------------------------------------

    def trade(self, progress: Callable[[float], object]) -> None:
        """Let the bots trade for the duration of the match."""
        self.samples = [[] for _ in self.seats]
        self.market = {name: [] for name in self.securities}
        self.began, self.began_s = datetime.now(UTC), time.monotonic()
        for seat in self.seats:
            seat.go()
        sample_due_s = progress_due_s = 0.0
        while (now_s := self.now_s) < self.league.duration:
            if now_s >= sample_due_s:
                self.sample(now_s)
                sample_due_s = max(sample_due_s + self.league.sample_every, now_s)
            while self.agenda and self.agenda[0][0] <= now_s:
                self.agenda.pop(0)[2]()
            self._look_after(now_s)
            if now_s >= progress_due_s:
                progress(now_s)
                progress_due_s = now_s + PROGRESS_EVERY_S
            time.sleep(max(min(LOOK_EVERY_S, self.league.duration - self.now_s), 0))
        for seat in self.seats:
            seat.request_stop()
        for seat in self.seats:
            seat.wait_stopped(self.league.duration)
        for security_id in sorted(self.halted):
            self._resume(security_id)

    def _look_after(self, now_s: float) -> None:
        for seat in self.seats:
            seat.reveal(now_s)
            if seat.look(now_s):
                self.exchange.disqualify(seat.client_id)

    def sample(self, now_s: float) -> None:
        """Sample all accounts and the market."""
        time_s = round(now_s, 3)
        for samples, opened in zip(self.samples, self.opened, strict=True):
            samples.append(self.exchange.account_sample(opened.client_id, time_s, self.securities))
        for security_id, of_market in self.market.items():
            sample = self.exchange.market_sample(security_id, time_s)
            of_market.append(
                sample
                if sample.last_cents
                else msgspec.structs.replace(sample, last_cents=self.opening_cents[security_id])
            )

    def end(self) -> None:
        """Clean up after any outcome: end all processes, resume halted securities, and close the accounts."""
        for seat in self.seats:
            seat.kill()
        try:
            for security_id in sorted(self.halted):
                self.exchange.admin.resume(security_id)
            self.exchange.close()
        except ExchangeError as fault:
            print(f"the accounts of the match could not be closed: {fault}")
