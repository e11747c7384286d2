"""A bot's seat in the market: the delays of its messages, its wake-ups, and its failure.

A bot acts only when the market wakes it. One that raises, never returns or floods the exchange disqualifies itself and
no other.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial

from bots.chance import chance_of
from bots.contract import Auction, Book, Price
from bots.fundamental import Fundamental
from bots.interfaces import Event
from bots.simulated.clock import FOREVER_US, US_PER_S, Clock
from bots.simulated.configuration import Latency
from bots.simulated.player import Failure, Note, Player, Terms, Turn
from bots.strategy import Channel
from tasks.messages import ClientRequest

# Events of which the newest replaces the earlier ones; once a price has a last trade, all later ones have one as well.
_STATES: dict[Channel, type[Event]] = {"price": Price, "book": Book, "auction": Auction}


class Seat:
    """One bot in the market.

    is_open   whether it has started and not ended
    failure   the reason for its disqualification, or None
    refusals  requests refused before they reached the exchange, by code
    notes     lines that the strategy has logged
    """

    def __init__(
        self,
        player: Player,
        terms: Terms,
        *,
        latency: Latency,
        chance: str,
        value: Fundamental | None,
        end_us: int,
        clock: Clock,
        greet: Callable[[Seat], None],
        receive: Callable[[Seat, Sequence[ClientRequest]], None],
        out: Callable[[Seat], None],
    ) -> None:
        client_id = terms.client_id
        self.client_id = client_id
        self.player = player
        self.failure: Failure | None = None
        self.refusals: Counter[str] = Counter()
        self.notes: list[Note] = []
        self.is_open = False
        self._value = value
        self._end_us = end_us
        self._clock = clock
        self._greet = greet
        self._receive = receive
        self._out = out
        self._latency = latency
        self._feed_us, self._jitter_us = latency.feed_us, latency.jitter_us
        # Each direction has its own delays, so those of a bot's orders do not depend on what it hears meanwhile.
        self._delays_in = chance_of(chance, f"{client_id}:feed").random
        self._delays_out = chance_of(chance, f"{client_id}:orders").random
        self._inbox: deque[tuple[int, Event]] = deque()
        self._outbox: deque[list[ClientRequest]] = deque()
        self._delivered_us = 0
        self._sent_us = 0
        self._timer_us = FOREVER_US
        self._waking_us = FOREVER_US  # when the first event arrives that leads to a callback
        self._alarm_us = FOREVER_US
        self._is_acting = False
        self._is_failing = False
        self._take(player.sit(terms, chance_of(chance, client_id)))
        # States that the bot listens to without a callback.
        self._silent = {_STATES[name] for name in player.channels & _STATES.keys()} - player.wakes_on

    # -- start, wake-ups and end -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the strategy and its timer."""
        self.is_open = True
        self._greet(self)
        now_us = self._clock.now_us
        self._take(self.player.start(now_us, self._seen(now_us)))
        self._set_alarm()

    def _wake(self) -> None:
        """Let the bot act on all that reaches it before anything that happens from now on can.

        An event that the exchange publishes from now on travels for at least the latency of the feed. Up to then the
        inbox is complete, so one wake-up covers all of it.
        """
        now_us = self._clock.now_us
        if now_us != self._alarm_us or self._is_failing or not self.is_open:
            return  # another wake-up has done this one's work
        self._alarm_us = FOREVER_US
        until_us = now_us + (self._feed_us or 1)
        if until_us > self._end_us:
            until_us = self._end_us
        value = None
        if self._value is not None:
            value = self._seen(now_us)
            until_us = min(until_us, max(round(self._value.changes_after(now_us / US_PER_S) * US_PER_S), now_us + 1))
        inbox, events = self._inbox, []
        while inbox and inbox[0][0] < until_us:
            events.append(inbox.popleft())
        if len(events) > 1 and self._silent:
            events = self._without_older_states(events, now_us)
        self._waking_us = FOREVER_US
        if inbox:
            wakes_on = self.player.wakes_on
            for due_us, event in inbox:
                if type(event) in wakes_on:
                    self._waking_us = due_us
                    break
        self.player.wake(now_us, until_us, events, value)
        # Nothing needs the answer before the first request could arrive: other bots may act in the meantime.
        self._is_acting = True
        answer_us = now_us + self._latency.order_us
        self._clock.at(answer_us if answer_us < until_us else until_us, self._collect)

    def _without_older_states(self, events: list[tuple[int, Event]], now_us: int) -> list[tuple[int, Event]]:
        """Leave out states that the bot has no callback for and that a newer one replaces before its next callback."""
        silent, newest, kept = self._silent, set(), []
        for entry in reversed(events):
            event = entry[1]
            if type(event) in silent and entry[0] < now_us:
                state = type(event), event.security_id
                if state in newest:
                    continue
                newest.add(state)
            kept.append(entry)
        return kept[::-1]

    def _collect(self) -> None:
        if self._is_acting:
            self._is_acting = False
            self._take(self.player.acted())
            self._set_alarm()

    def _seen(self, now_us: int) -> float | None:
        """Return the hidden value if the bot is informed."""
        return None if self._value is None else self._value.value(now_us / US_PER_S)

    def _set_alarm(self) -> None:
        due_us, waking_us = self._timer_us, self._waking_us
        if waking_us < due_us:
            due_us = waking_us
        if due_us < self._alarm_us and self.is_open and not self._is_failing:
            self._alarm_us = due_us
            self._clock.at(due_us, self._wake)

    def stop(self) -> None:
        """Stop the strategy; no event is delivered afterwards."""
        if self.failure is None and self.is_open:
            now_us = self._clock.now_us
            self._collect()
            if events := [(due_us, event) for due_us, event in self._inbox if due_us < now_us]:
                self.player.wake(now_us - 1, now_us, events, self._seen(now_us))
                self._take(self.player.acted())
            self._take(self.player.stop(now_us, self._seen(now_us)))
        self.is_open = False

    # -- from the exchange -------------------------------------------------------------------------------------------

    def deliver(self, event: Event) -> None:
        """Send an event to the bot; it arrives after the latency, in the order of sending."""
        if not self.is_open or self._is_failing:
            return
        due_us = self._clock.now_us + self._feed_us
        if self._jitter_us:
            due_us += int(self._delays_in() * self._jitter_us)
        if due_us < self._delivered_us:
            due_us = self._delivered_us
        self._delivered_us = due_us
        self._inbox.append((due_us, event))
        if due_us < self._waking_us and type(event) in self.player.wakes_on:
            self._waking_us = due_us
            if due_us >= self._alarm_us or self._is_acting:
                return
            self._alarm_us = due_us
            self._clock.at(due_us, self._wake)

    # -- to the exchange ---------------------------------------------------------------------------------------------

    def _take(self, turn: Turn) -> None:
        """Send the requests of a turn at their times, and disqualify the bot when it fails."""
        if turn.notes:
            self.notes += turn.notes
        if turn.refusals:
            self.refusals.update(turn.refusals)
        self._timer_us = turn.timer_us
        for call in turn.calls:
            self._send(call.time_us, call.requests)
        if turn.failure is not None:
            self._is_failing = True
            self._inbox.clear()
            if turn.failure.time_s * US_PER_S <= self._clock.now_us:
                self._end(turn.failure)
            else:
                self._clock.at(round(turn.failure.time_s * US_PER_S), partial(self._end, turn.failure))

    def _send(self, time_us: int, requests: list[ClientRequest]) -> None:
        latency = self._latency
        due_us = time_us + latency.order_us
        if latency.jitter_us:
            due_us += int(self._delays_out() * latency.jitter_us)
        self._sent_us = due_us = max(due_us, self._sent_us)
        self._outbox.append(requests)
        self._clock.at(due_us, self._arrive)

    def _arrive(self) -> None:
        requests = self._outbox.popleft()
        if self.failure is None:
            self._receive(self, requests)

    def _end(self, failure: Failure) -> None:
        self.failure = failure
        self.is_open = False
        self._out(self)
