"""A bot in the market: its session, its timer, the delays of its messages, and its failure.

A bot acts only in its callbacks, and all of them go through `_call`: one that raises, never returns or floods the
exchange disqualifies this bot and no other.
"""

from __future__ import annotations

import traceback
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from bots.chance import chance_of
from bots.contract import Security
from bots.errors import Problem
from bots.simulated.clock import US_PER_S, Clock
from bots.simulated.configuration import Latency, Opening
from bots.simulated.dollars import cash_of
from bots.simulated.venue import RequestFlood, SimulatedVenue
from bots.simulated.watch import CallbackTimeout, Watch
from bots.strategy import Strategy
from bots.trading_session import Event, TradingSession
from tasks.messages import Request

# The shortest timer interval; an interval of 0 s means this [us].
SHORTEST_INTERVAL_US = 1_000


@dataclass(frozen=True, slots=True)
class Failure:
    """Why and when a bot was disqualified.

    error      the exception in one line
    traceback  for people: it names files of this machine
    """

    kind: Literal["raised", "hung", "flooded"]
    time_s: float
    error: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Note:
    """A line that a strategy has logged."""

    time_s: float
    text: str
    fields: Mapping[str, str]


def clean(text: object) -> str:
    """Make a bot's text safe to write to a file: without lone surrogates."""
    return str(text).encode(errors="replace").decode()


def _line_of(fault: BaseException) -> str:
    # The traceback module formats it, because even str() of a bot's exception may raise.
    _, colon, message = traceback.format_exception_only(fault)[-1].partition("\n")[0].partition(": ")
    return clean(f"{type(fault).__name__}{colon}{message}")


class Seat:
    """One bot in the market.

    is_open   whether it has started and goes on
    failure   the reason for its disqualification, or None
    refusals  requests refused before they reached the exchange, by code
    notes     lines that the strategy has logged
    """

    def __init__(
        self,
        client_id: str,
        strategy: Strategy,
        venue: SimulatedVenue,
        *,
        securities: Sequence[Security],
        opening: Opening,
        latency: Latency,
        seed: int,
        clock: Clock,
        watch: Watch,
        number: int,
        greet: Callable[[Seat], None],
        receive: Callable[[Seat, Sequence[Request]], None],
        out: Callable[[Seat], None],
    ) -> None:
        self.client_id = client_id
        self.strategy = strategy
        self.failure: Failure | None = None
        self.refusals: Counter[str] = Counter()
        self.notes: list[Note] = []
        self.is_open = False
        self._venue = venue
        self._clock = clock
        self._watch = watch
        self._number = number
        self._greet = greet
        self._receive = receive
        self._out = out
        self._latency = latency
        self._chance = chance_of(seed, f"{client_id}:latency")
        self._phase = chance_of(seed, f"{client_id}:phase").random()
        self._inbox: deque[tuple[int, Event]] = deque()
        self._outbox: deque[list[Request]] = deque()
        self._delivered_us = 0
        self._sent_us = 0
        self._timer_us = 0
        self._call(self._sit, strategy, securities, chance_of(seed, client_id), opening)

    def _sit(self, strategy: Strategy, securities: Sequence[Security], rng: Random, opening: Opening) -> None:
        self._session = TradingSession(
            strategy,
            self._venue,
            securities,
            rng,
            cash=cash_of(opening.cash_cents),
            holdings=opening.shares,
            log=self._note,
        )

    def _note(self, now_s: float, text: str, fields: Mapping[str, object]) -> None:
        # Fields become text inside the callback, so a field whose str() raises disqualifies only its bot.
        self.notes.append(Note(now_s, clean(text), {clean(name): clean(field) for name, field in fields.items()}))

    # -- start, timer and end ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the strategy and its timer; the first interval has a random length, so bots act at different times."""
        self._timer_us = self._clock.now_us
        self.is_open = True
        self._greet(self)
        self._call(self._begin)

    def _begin(self) -> None:
        try:
            self._session.start(self._clock.now_us / US_PER_S)
        except Problem as problem:
            self.refusals[problem.code] += 1
        self._set_timer(self._phase)

    def stop(self) -> None:
        """Stop the strategy; no event is delivered afterwards."""
        if self.failure is None:
            self._call(self._session.stop, self._clock.now_us / US_PER_S)
        self.is_open = False

    def farewell(self) -> Request:
        """Make the request that cancels all open orders of the bot."""
        return self._venue.mass_cancel()

    def _set_timer(self, part: float = 1.0) -> None:
        interval_s = self.strategy.interval_s()
        if interval_s is None or interval_s == float("inf"):
            return
        if not interval_s >= 0:
            raise ValueError(f"interval_s() returned {interval_s}; it must return seconds from 0 up, or None")
        interval_us = max(round(interval_s * US_PER_S), SHORTEST_INTERVAL_US)
        self._timer_us = max(self._timer_us + round(interval_us * part), self._clock.now_us)
        self._clock.at(self._timer_us, self._tick)

    def _tick(self) -> None:
        if self.is_open:
            self._call(self._turn)

    def _turn(self) -> None:
        try:
            self._session.tick(self._clock.now_us / US_PER_S)
        except Problem as problem:
            self.refusals[problem.code] += 1
        self._set_timer()

    # -- from the exchange -------------------------------------------------------------------------------------------

    def deliver(self, event: Event) -> None:
        """Send an event to the bot; it arrives after the latency, in the order of sending."""
        if not self.is_open:
            return
        due_us = self._clock.now_us + self._latency.feed_us + self._jitter_us()
        self._delivered_us = due_us = max(due_us, self._delivered_us)
        if not self._inbox:
            self._clock.at(due_us, self._hear)
        self._inbox.append((due_us, event))

    def _hear(self) -> None:
        inbox, now_us = self._inbox, self._clock.now_us
        now_s = now_us / US_PER_S
        while inbox and inbox[0][0] <= now_us and self.is_open:
            self._call(self._session.deliver, inbox.popleft()[1], now_s)
        if inbox and self.is_open:
            self._clock.at(inbox[0][0], self._hear)

    # -- to the exchange ---------------------------------------------------------------------------------------------

    def _send(self) -> None:
        self._outbox.append(self._venue.take())
        due_us = self._clock.now_us + self._latency.order_us + self._jitter_us()
        self._sent_us = due_us = max(due_us, self._sent_us)
        self._clock.at(due_us, self._arrive)

    def _arrive(self) -> None:
        requests = self._outbox.popleft()
        if self.failure is None:
            self._receive(self, requests)

    def _jitter_us(self) -> int:
        jitter_us = self._latency.jitter_us
        return int(self._chance.random() * jitter_us) if jitter_us else 0

    # -- calls of the strategy ---------------------------------------------------------------------------------------

    def _call(self, step: Callable[..., object], *arguments: object) -> None:
        """Call the strategy, send its requests, and disqualify it if it fails."""
        venue = self._venue
        venue.begin()
        try:
            self._watch.call(self._number, step, *arguments)
        except Problem as problem:
            self.refusals[problem.code] += 1
        except KeyboardInterrupt:
            raise  # the user stops the program
        except BaseException as fault:  # noqa: BLE001 - any exception of a bot's code disqualifies the bot
            self._end(fault)
            return
        if venue.flooded:
            self._end(RequestFlood("it caught the exception and went on"))
        elif venue.sent:
            self._send()

    def _end(self, fault: BaseException) -> None:
        kind: Literal["raised", "hung", "flooded"] = "raised"
        if self._venue.flooded:
            kind = "flooded"
        elif isinstance(fault, CallbackTimeout):
            kind = "hung"
        self._venue.drop()
        self.failure = Failure(
            kind,
            self._clock.now_us / US_PER_S,
            _line_of(fault),
            clean("".join(traceback.format_exception(fault))),
        )
        self.is_open = False
        self._inbox.clear()
        self._out(self)
