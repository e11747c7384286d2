"""Plays a strategy: calls it with what it hears, and collects what it sends.

A market wakes its players. A player runs in the market's process, or in a process of its own that gets the same calls
through a pipe; both lead to the same match. A wake-up covers a short time in which nothing new can reach the bot, so
one message carries several events, and its answer the requests of all callbacks.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from math import inf
from random import Random
from typing import Literal, Protocol

from msgspec import Struct

from bots.contract import Auction, Book, NewsItem, PhaseChange, Price, Report, Security, Trade
from bots.errors import Problem
from bots.fundamental import RevealedValue
from bots.interfaces import Event
from bots.simulated.clock import FOREVER_US, US_PER_S
from bots.simulated.dollars import cash_of
from bots.simulated.venue import NumberSeries, RequestFlood, SimulatedVenue
from bots.simulated.watch import CallbackTimeout, Watch, calls_bots
from bots.strategy import Channel, Strategy
from bots.trading_session import TradingSession
from tasks.messages import ClientRequest
from tasks.shared.rules.securities import Security as Listed

# The shortest timer interval; an interval of 0 s means this [us].
SHORTEST_INTERVAL_US = 1_000


class Failure(Struct, frozen=True):
    """Why and when a bot was disqualified.

    error      the exception in one line
    traceback  for people: it names files of this machine
    """

    kind: Literal["raised", "hung", "flooded", "crashed"]
    time_s: float
    error: str
    traceback: str


class Note(Struct, frozen=True, array_like=True):
    """A line that a strategy has logged."""

    time_s: float
    text: str
    fields: dict[str, str]


class Terms(Struct, frozen=True, kw_only=True):
    """The information that a bot gets when it takes its seat: the contents of the exchange's contract only.

    number      of its seat, from 1
    securities  what it may trade, its own first; `listed` has the same ones as the rules see them
    start_us    time at which the match begins [us since 1970]
    phase       part of the first timer interval that passes before the first tick
    informed    whether it observes the hidden value of its own security
    """

    client_id: str
    number: int
    securities: list[Security]
    listed: list[Listed]
    cash_cents: int
    shares: dict[str, int]
    max_quantity: int
    max_requests_per_s: int
    start_us: int
    phase: float
    informed: bool


class Call(Struct, frozen=True, array_like=True):
    """A callback that has sent something: its time, and the requests that leave when it returns."""

    time_us: int
    requests: list[ClientRequest]


class Turn(Struct, array_like=True):
    """The result of a wake-up.

    calls     callbacks with requests, in order of time
    timer_us  when the timer is due next
    refusals  requests that were refused before they left, by code
    failure   the end of the bot; its last callback has sent nothing
    """

    calls: list[Call]
    timer_us: int
    refusals: dict[str, int]
    notes: list[Note]
    failure: Failure | None = None

    @property
    def has_content(self) -> bool:
        """Whether there is more than the time of the timer."""
        return bool(self.calls or self.refusals or self.notes) or self.failure is not None


class Player(Protocol):
    """Plays one bot.

    kind      name of its strategy's class
    channels  what it listens to
    wakes_on  types of the events that lead to a callback; the others wait for its next wake-up

    The last two are known once it sits. It wakes with the events that are due before a time and the hidden value until
    then, None if it is not informed.
    """

    kind: str
    channels: frozenset[Channel]
    wakes_on: frozenset[type[Event]]

    def sit(self, terms: Terms, rng: Random) -> Turn:
        """Take the seat."""

    def start(self, now_us: int, value: float | None) -> Turn:
        """Start the strategy and its timer."""

    def wake(self, now_us: int, until_us: int, events: Sequence[tuple[int, Event]], value: float | None) -> None:
        """Deliver events at their times [us], and run the timer, up to but not at `until_us`."""

    def acted(self) -> Turn:
        """Return the result of the last wake-up; call it once, before any other call."""

    def stop(self, now_us: int, value: float | None) -> Turn:
        """Stop the strategy."""


# The callbacks that each type of event leads to.
_CALLBACKS: dict[type[Event], tuple[str, ...]] = {
    Price: ("on_price",),
    Book: ("on_book",),
    Trade: ("on_trade",),
    PhaseChange: ("on_phase",),
    Auction: ("on_auction",),
    NewsItem: ("on_news",),
    Report: ("on_order", "on_fill"),
}


def waking_events(kind: type[Strategy]) -> frozenset[type[Event]]:
    """Return the types of events for which a strategy defines a callback; the others only change what it knows."""
    return frozenset(
        event
        for event, callbacks in _CALLBACKS.items()
        if any(getattr(kind, callback) is not getattr(Strategy, callback) for callback in callbacks)
    )


def clean(text: object) -> str:
    """Make a bot's text safe to write to a file: without lone surrogates."""
    return str(text).encode(errors="replace").decode()


def line_of(fault: BaseException) -> str:
    """Return an exception in one line."""
    # The traceback module formats it, because even str() of a bot's exception may raise.
    _, colon, message = traceback.format_exception_only(fault)[-1].partition("\n")[0].partition(": ")
    return clean(f"{type(fault).__name__}{colon}{message}")


class StrategyPlayer:
    """Plays a strategy in this process. Whatever the strategy raises ends the strategy, and nothing else.

    watch     interrupts callbacks that never return
    now_us    time of the current or last callback
    is_quiet  whether the last turn has nothing but the time of the timer
    """

    def __init__(self, strategy: Strategy, watch: Watch) -> None:
        self.kind = type(strategy).__name__
        self.channels: frozenset[Channel] = frozenset()
        self.wakes_on: frozenset[type[Event]] = frozenset()
        self._strategy = strategy
        self._watch = watch
        self._timer_us = FOREVER_US
        self._number = 0
        self.now_us = 0
        self.is_quiet = True
        self._value: RevealedValue | None = None
        self._turn = Turn([], FOREVER_US, {}, [])

    # -- the market's calls ------------------------------------------------------------------------------------------

    def sit(self, terms: Terms, rng: Random) -> Turn:
        """Take the seat."""
        self.channels = type(self._strategy).channels()
        self.wakes_on = waking_events(type(self._strategy))
        self._number = terms.number
        self._phase = terms.phase
        self._venue = SimulatedVenue(
            terms.client_id,
            securities={one.security_id: one for one in terms.listed},
            numbers=NumberSeries(terms.number),
            start_us=terms.start_us,
            max_quantity=terms.max_quantity,
            max_requests_per_s=terms.max_requests_per_s,
        )
        if terms.informed:
            self._value = RevealedValue()
            self._strategy.fundamental = self._value  # type: ignore[attr-defined]  # the input of informed strategies
        self._call(0, self._join, terms, rng)
        return self.acted()

    def start(self, now_us: int, value: float | None) -> Turn:
        """Start the strategy and its timer; the first interval has a random length, so bots act at different times."""
        self._reveal(value)
        self._timer_us = now_us
        self._call(now_us, self._begin)
        return self.acted()

    @calls_bots
    def wake(self, now_us: int, until_us: int, events: Sequence[tuple[int, Event]], value: float | None) -> None:
        """Deliver events at their times [us], and run the timer, up to but not at `until_us`.

        A match spends its time in wake-ups, and a guest does so on cold caches, so this one does without the calls of
        Watch.call and TradingSession.deliver.
        """
        if value is not None:
            self._reveal(value)
        watch, venue, session = self._watch, self._venue, self._session
        self.now_us = venue.time_us = now_us
        if watch.calling is not None:
            watch.calling(self._number)
        watch.turn += 1
        watch.running = True
        try:
            for due_us, event in events:
                while self._timer_us < due_us:
                    self._tick()
                self.now_us = venue.time_us = due_us
                session.now_s = due_us / US_PER_S
                try:
                    session.handlers[type(event)](event)
                except Problem as problem:
                    self._refused(problem)
                if venue.sent or venue.flooded:
                    self._leave()
            while self._timer_us < until_us:
                self._tick()
        except KeyboardInterrupt:
            raise  # the user stops the program
        except BaseException as fault:  # noqa: BLE001 - any exception of a bot's code disqualifies the bot
            watch.running = False
            self._end(self.now_us, fault)
        finally:
            watch.running = False
            watch.returned()

    def acted(self) -> Turn:
        """Return the result of the last call."""
        turn = self._turn
        turn.timer_us = self._timer_us
        self.is_quiet = not (turn.calls or turn.refusals or turn.notes) and turn.failure is None
        if not self.is_quiet:
            self._turn = Turn([], FOREVER_US, {}, [])
        return turn

    def stop(self, now_us: int, value: float | None) -> Turn:
        """Stop the strategy."""
        self._reveal(value)
        self._timer_us = FOREVER_US
        self._call(now_us, self._end_session, now_us)
        return self.acted()

    def _reveal(self, value: float | None) -> None:
        if self._value is not None and value is not None:
            self._value.now = value

    # -- inside a call -----------------------------------------------------------------------------------------------

    def _join(self, terms: Terms, rng: Random) -> None:
        self._session = TradingSession(
            self._strategy,
            self._venue,
            terms.securities,
            rng,
            cash=cash_of(terms.cash_cents),
            holdings=terms.shares,
            log=self._note,
        )

    def _note(self, now_s: float, text: str, fields: Mapping[str, object]) -> None:
        # Fields become text inside the callback, so a field whose str() raises disqualifies only its bot.
        notes = self._turn.notes
        notes.append(Note(now_s, clean(text), {clean(name): clean(field) for name, field in fields.items()}))

    def _begin(self) -> None:
        try:
            self._session.start(self._timer_us / US_PER_S)
        except Problem as problem:
            self._refused(problem)
        self._set_timer(self._phase)
        self._leave()

    def _tick(self) -> None:
        now_us, self._timer_us = self._timer_us, FOREVER_US
        self.now_us = self._venue.time_us = now_us
        self._session.now_s = now_s = now_us / US_PER_S
        try:
            self._strategy.on_timer(now_s)
        except Problem as problem:
            self._refused(problem)
        self._timer_us = now_us
        self._set_timer()
        if self._venue.sent or self._venue.flooded:
            self._leave()

    def _end_session(self, now_us: int) -> None:
        try:
            self._session.stop(now_us / US_PER_S)
        except Problem as problem:
            self._refused(problem)
        self._leave()

    def _leave(self) -> None:
        """Let the requests of a callback leave, now that it has returned."""
        if self._venue.flooded:
            raise RequestFlood("it caught the exception and continued")
        if self._venue.sent:
            self._turn.calls.append(Call(self.now_us, self._venue.take()))

    def _set_timer(self, part: float = 1.0) -> None:
        due_us, self._timer_us = self._timer_us, FOREVER_US
        interval_s = self._strategy.interval_s()
        if interval_s is None or interval_s == inf:
            return
        if not interval_s >= 0:
            raise ValueError(f"interval_s() returned {interval_s}; it must return seconds from 0 up, or None")
        interval_us = max(round(interval_s * US_PER_S), SHORTEST_INTERVAL_US)
        self._timer_us = due_us + round(interval_us * part)

    def _refused(self, problem: Problem) -> None:
        refusals = self._turn.refusals
        refusals[problem.code] = refusals.get(problem.code, 0) + 1

    # -- calls of the strategy ---------------------------------------------------------------------------------------

    def _call(self, now_us: int, step: Callable[..., object], *arguments: object) -> None:
        """Call the strategy, once or several times, and keep its failure."""
        self.now_us = self._venue.time_us = now_us
        try:
            self._watch.call(self._number, step, *arguments)
        except KeyboardInterrupt:
            raise  # the user stops the program
        except BaseException as fault:  # noqa: BLE001 - any exception of a bot's code disqualifies the bot
            self._end(self.now_us, fault)

    def _end(self, now_us: int, fault: BaseException) -> None:
        kind: Literal["raised", "hung", "flooded"] = "raised"
        if self._venue.flooded:
            kind = "flooded"
        elif isinstance(fault, CallbackTimeout):
            kind = "hung"
        stack = clean("".join(traceback.format_exception(fault)))
        self._turn.failure = Failure(kind, now_us / US_PER_S, line_of(fault), stack)
        self._timer_us = FOREVER_US
