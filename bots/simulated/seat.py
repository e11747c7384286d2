"""A bot in the market: its session, its clock, the way to the exchange and back, and what it has done wrong.

Whatever a bot does, it does in one of its callbacks, and they all go through `_call`: what is raised there, what never
ends and what floods is this bot's end and nobody else's.
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
from bots.simulated.venue import Door, Flooded
from bots.simulated.watch import Hung, Watch
from bots.strategy import Strategy
from bots.trading_session import Event, TradingSession
from tasks.messages import Request

# A timer of 0 s means as fast as it goes, and nothing goes faster [us].
SHORTEST_INTERVAL_US = 1_000


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a bot is out, and since when.

    error      the exception in one line
    traceback  where it came from, for people: it names files of this machine
    """

    kind: Literal["raised", "hung", "flooded"]
    time_s: float
    error: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Note:
    """What a strategy has written down."""

    time_s: float
    text: str
    fields: Mapping[str, str]


def clean(said: object) -> str:
    """What a bot says as text that can be written to a file: without halves of characters."""
    return str(said).encode(errors="replace").decode()


def _line_of(fault: BaseException) -> str:
    # By the traceback's own means, for an exception of a bot may fail even at being shown.
    _, colon, said = traceback.format_exception_only(fault)[-1].partition("\n")[0].partition(": ")
    return clean(f"{type(fault).__name__}{colon}{said}")


class Seat:
    """One bot, seated.

    is_open   whether it has begun, and goes on
    failure   why it is out; None while it is not
    refusals  what was refused at the door, by code
    notes     what the strategy has written down
    """

    def __init__(
        self,
        client_id: str,
        strategy: Strategy,
        door: Door,
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
        self._door = door
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
        self._told_us = 0
        self._sent_us = 0
        self._timer_us = 0
        self._call(self._sit, strategy, securities, chance_of(seed, client_id), opening)

    def _sit(self, strategy: Strategy, securities: Sequence[Security], rng: Random, opening: Opening) -> None:
        self._session = TradingSession(
            strategy,
            self._door,
            securities,
            rng,
            cash=cash_of(opening.cash_cents),
            holdings=opening.shares,
            log=self._note,
        )

    def _note(self, now_s: float, text: str, fields: Mapping[str, object]) -> None:
        # Put into words at once, inside the callback: what goes wrong with that is the bot's.
        self.notes.append(Note(now_s, clean(text), {clean(name): clean(field) for name, field in fields.items()}))

    # -- its life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin, and set the timer; the first interval is cut short by chance, or all bots would act at once."""
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
        """It is over, and nothing is told any more."""
        if self.failure is None:
            self._call(self._session.stop, self._clock.now_us / US_PER_S)
        self.is_open = False

    def farewell(self) -> Request:
        """What takes all that it has open out of the market."""
        return self._door.mass_cancel()

    def _set_timer(self, part: float = 1.0) -> None:
        interval_s = self.strategy.interval_s()
        if interval_s is None or interval_s == float("inf"):
            return
        if not interval_s >= 0:
            raise ValueError(f"an interval of {interval_s} s")
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

    def tell(self, event: Event) -> None:
        """Send something to the bot, which it hears when it has travelled; what is sent first, comes first."""
        if not self.is_open:
            return
        due_us = self._clock.now_us + self._latency.feed_us + self._jitter_us()
        self._told_us = due_us = max(due_us, self._told_us)
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
        self._outbox.append(self._door.take())
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

    # -- the one way into the strategy -------------------------------------------------------------------------------

    def _call(self, step: Callable[..., object], *arguments: object) -> None:
        """Let the strategy act."""
        door = self._door
        door.begin()
        try:
            self._watch.call(self._number, step, *arguments)
        except Problem as problem:
            self.refusals[problem.code] += 1
        except KeyboardInterrupt:
            raise  # of the person at the keyboard
        except BaseException as fault:  # noqa: BLE001 - whatever it is, it is the bot's, and its end
            self._end(fault)
            return
        if door.flooded:
            self._end(Flooded("it caught what told it so, and went on"))
        elif door.sent:
            self._send()

    def _end(self, fault: BaseException) -> None:
        kind: Literal["raised", "hung", "flooded"] = "raised"
        if self._door.flooded:
            kind = "flooded"
        elif isinstance(fault, Hung):
            kind = "hung"
        self._door.drop()
        self.failure = Failure(
            kind,
            self._clock.now_us / US_PER_S,
            _line_of(fault),
            clean("".join(traceback.format_exception(fault))),
        )
        self.is_open = False
        self._inbox.clear()
        self._out(self)
