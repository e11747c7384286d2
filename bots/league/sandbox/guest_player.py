"""Plays a bot in a process of its own: the market's end of the pipe.

The market trusts nothing that comes back. An answer that is late, too long or not what our own code would give ends
the bot, as does the end of its process; the match goes on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from msgspec import Struct, structs

from bots.interfaces import Event
from bots.league.sandbox.guest_process import Guest, GuestFailed
from bots.league.sandbox.room import Room
from bots.league.sandbox.wire import (
    EVENTS,
    QUIET_BYTES,
    QUIET_MARK,
    Answer,
    Load,
    Loaded,
    Sit,
    Start,
    Stop,
    Wake,
    answer_decoder,
    loaded_decoder,
)
from bots.simulated.clock import FOREVER_US, US_PER_S
from bots.simulated.inspection import ForgedTurn, Inspector
from bots.simulated.player import Failure, Terms, Turn
from bots.strategy import Channel

# What a bot may print and log in a match [bytes].
MOST_OUTPUT = 1024**2
# Of the last words of a bot [characters].
LONGEST_ERROR, LONGEST_TRACEBACK = 500, 20_000
# How long a process may take to load its strategy [s].
LOADING_S = 30.0


class GuestPlayer:
    """Plays a bot in a process of its own.

    file      the bot's own, None for a strategy of the exchange
    room      shared by all guests of the match
    printed   receives what the bot prints
    """

    def __init__(
        self,
        target: str,
        file: Path | None,
        options: Mapping[str, Any],
        *,
        room: Room,
        patience_s: float,
        printed: Callable[[str], object],
    ) -> None:
        self.kind = ""
        self.channels: frozenset[Channel] = frozenset()
        self.wakes_on: frozenset[type[Event]] = frozenset()
        self._room = room
        # A callback that can be interrupted is interrupted inside, with a traceback that says where it hung.
        self._patience_s = 2 * patience_s
        self._printed = printed
        self._output = 0
        self._guest = Guest(file)
        self._fault: GuestFailed | None = None  # of the last message that could not be sent
        self._heard: bytes | None = None  # the answer to the last wake-up, once it has come
        self._waking_us = 0, 0
        self._send(Load(target, dict(options), patience_s))

    def loaded(self) -> Loaded:
        """Return what the process found in the file, once; call it before everything else. Raises GuestFailed."""
        if self._fault is not None:
            raise self._fault
        try:
            found = loaded_decoder.decode(self._guest.receive(patience_s=LOADING_S))
        except msgspec.MsgspecError as fault:
            raise GuestFailed("crashed", f"it does not say what it is: {fault}") from None
        self.kind, self.channels = found.kind, frozenset(found.channels)
        self.wakes_on = frozenset(EVENTS[number] for number in found.wakes_on if 0 <= number < len(EVENTS))
        return found

    def sit(self, terms: Terms, rng: Random) -> Turn:
        """Take the seat."""
        self._inspector = Inspector(terms)
        try:
            found = self.loaded()
        except GuestFailed as fault:
            return self._failed(fault, 0)
        if found.faults:
            self._guest.end()
            return Turn([], FOREVER_US, {}, [], Failure("raised", 0.0, found.faults[0], found.traceback))
        return self._ask(Sit(terms, list(rng.getstate()[1])), 0, 1, 0)

    def start(self, now_us: int, value: float | None) -> Turn:
        """Start the strategy and its timer."""
        return self._ask(Start(now_us, value), now_us, now_us + 1, now_us)

    def wake(self, now_us: int, until_us: int, events: Sequence[tuple[int, Event]], value: float | None) -> None:
        """Deliver events at their times [us], and run the timer, up to but not at `until_us`."""
        room = self._room
        recent, sent = room.events, []
        for due_us, event in events:
            _, kind, encoded = recent.get(id(event)) or room.encode(event)
            sent.append((due_us, kind, encoded))
        self._waking_us = now_us, until_us
        self._send(Wake(now_us, until_us, value, sent))
        room.woken.append(self)

    def hear(self) -> None:
        """Wait for the answer to the last wake-up, and keep it for `acted`."""
        if self._fault is None:
            try:
                self._heard = self._guest.receive(patience_s=self._patience_s)
            except GuestFailed as fault:
                self._fault = fault

    def acted(self) -> Turn:
        """Return the result of the last wake-up."""
        if self._heard is None:
            self._room.hear_all()
        text, self._heard = self._heard, None
        now_us, until_us = self._waking_us
        if text is None:
            assert self._fault is not None, "there is no answer for a reason"
            return self._failed(self._fault, now_us)
        if len(text) == QUIET_BYTES and text[0] == QUIET_MARK:
            timer_us = int.from_bytes(text[1:], "big")
            if timer_us >= until_us:
                return self._inspector.quiet(timer_us)
        return self._checked(text, now_us, until_us, until_us)

    def stop(self, now_us: int, value: float | None) -> Turn:
        """Stop the strategy, and end its process."""
        turn = self._ask(Stop(now_us, value), now_us, now_us + 1, now_us)
        self._guest.end()
        return turn

    def end(self) -> None:
        """End the process, whatever it does."""
        self._guest.end()

    def _ask(self, message: Struct, from_us: int, until_us: int, timer_from_us: int) -> Turn:
        self._send(message)
        return self._answer(from_us, until_us, timer_from_us)

    def _send(self, message: Struct) -> None:
        try:
            self._guest.send(message, patience_s=self._patience_s)
        except GuestFailed as fault:
            self._fault = fault

    def _answer(self, from_us: int, until_us: int, timer_from_us: int) -> Turn:
        try:
            if self._fault is not None:
                raise self._fault
            text = self._guest.receive(patience_s=self._patience_s)
        except GuestFailed as fault:
            return self._failed(fault, from_us)
        return self._checked(text, from_us, until_us, timer_from_us)

    def _checked(self, text: bytes, from_us: int, until_us: int, timer_from_us: int) -> Turn:
        """Return the turn of an answer if the market can accept it, and the end of the bot if it cannot."""
        try:
            answer = answer_decoder.decode(text)
            if type(answer) is int:
                self._inspector.check_timer(answer, timer_from_us=timer_from_us)
                return self._inspector.quiet(answer)
            assert isinstance(answer, Answer), "there is no other reply"
            self._inspector.check(answer.turn, from_us=from_us, until_us=until_us, timer_from_us=timer_from_us)
            self._count_output(answer, len(text))
        except GuestFailed as fault:
            return self._failed(fault, from_us)
        except (ForgedTurn, msgspec.MsgspecError) as fault:
            return self._failed(GuestFailed("crashed", f"it has forged an answer: {fault}"), from_us)
        if (failure := answer.turn.failure) is not None:
            self._guest.end()
            answer.turn.failure = structs.replace(
                failure, error=failure.error[:LONGEST_ERROR], traceback=failure.traceback[-LONGEST_TRACEBACK:]
            )
        return answer.turn

    def _count_output(self, answer: Answer, length: int) -> None:
        if answer.said or answer.turn.notes:
            self._output += length
            if self._output > MOST_OUTPUT:
                raise GuestFailed("flooded", f"it prints and logs more than {MOST_OUTPUT // 1024**2} MiB")
        if answer.said:
            self._printed(answer.said)

    def _failed(self, fault: GuestFailed, now_us: int) -> Turn:
        self._guest.end()
        return Turn([], FOREVER_US, {}, [], Failure(fault.kind, now_us / US_PER_S, str(fault), ""))
