"""Plays a bot in a process of its own: the market's end of the pipe.

The market trusts nothing that comes back. An answer that is late, too long or not what our own code would give ends
the bot, as does the end of its process; the match goes on without it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct, structs

from bots.interfaces import Event
from bots.league.sandbox import bubblewrap
from bots.league.sandbox.wire import (
    EVENTS,
    KINDS,
    LENGTH_BYTES,
    Answer,
    Load,
    Loaded,
    Sit,
    Start,
    Stop,
    Wake,
    answer_decoder,
    encoder,
    framed,
    loaded_decoder,
)
from bots.simulated.clock import FOREVER_US, US_PER_S
from bots.simulated.inspection import ForgedTurn, Inspector
from bots.simulated.player import Failure, Terms, Turn
from bots.strategy import Channel

# The longest answer, and what a bot may print and log in a match [bytes].
LONGEST_ANSWER = 4 * 1024**2
MOST_OUTPUT = 1024**2
# Of the last words of a bot [characters].
LONGEST_ERROR, LONGEST_TRACEBACK = 500, 20_000
# Interval between two looks at a bot that has not answered [s].
LOOK_EVERY_S = 0.5
# How long a process may take to load its strategy [s].
LOADING_S = 30.0

_SIGNALS = {one.value: one.name for one in signal.Signals}
_READ_BYTES = 8_192
# How long a process that has closed its pipe may take to end [s].
_ENDING_S = 2.0
_LOOK_EVERY_MS = round(LOOK_EVERY_S * 1_000)
# States of a process, in /proc, in which it does not wait for itself: it runs, or waits for a processor or a disk.
_BUSY = frozenset("RD")


class GuestFailed(Exception):
    """The process of a bot has ended, hangs, or breaks the rules of the pipe."""

    def __init__(self, kind: Literal["hung", "flooded", "crashed"], error: str) -> None:
        super().__init__(error)
        self.kind = kind


class EncodedEvents:
    """The encoded forms of recent events: most of them go to several bots."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Event, Raw]] = {}

    def of(self, event: Event) -> Raw:
        """Return the encoded form of an event."""
        known = self._known.get(id(event))
        if known is None:
            if len(self._known) > 1_000:
                self._known.clear()
            # It keeps the event, so that no other object gets its id.
            known = self._known[id(event)] = event, Raw(encoder.encode(event))
        return known[1]


class Guest:
    """The process of a bot, and the pipe to it."""

    def __init__(self, file: Path | None) -> None:
        self._process = bubblewrap.start(file)
        assert self._process.stdin is not None, "it was asked for"
        assert self._process.stdout is not None, "it was asked for"
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)  # a bot that does not read must not stop the match
        self._answers, self._room = select.poll(), select.poll()
        self._answers.register(self._from, select.POLLIN)
        self._room.register(self._to, select.POLLOUT)
        self._counted_s = 0.0  # of waiting for this message
        self._used_s = 0.0  # by its process, at the last look

    def send(self, message: Struct, *, patience_s: float) -> None:
        """Send a message. Raises GuestFailed."""
        frame = framed(message)
        self._counted_s = 0.0
        while frame:
            try:
                sent = os.write(self._to, frame)
                if sent == len(frame):
                    return
                frame = frame[sent:]
            except BlockingIOError:
                if not self._room.poll(_LOOK_EVERY_MS):
                    self._wait_longer(patience_s)
            except BrokenPipeError:
                raise self._ended() from None

    def receive(self, *, patience_s: float) -> bytes:
        """Return the content of the next answer. Raises GuestFailed."""
        self._counted_s = 0.0
        text = self._read(_READ_BYTES, patience_s)
        while len(text) < LENGTH_BYTES:
            text += self._read(_READ_BYTES, patience_s)
        length = int.from_bytes(text[:LENGTH_BYTES], "big") + LENGTH_BYTES
        if length > LONGEST_ANSWER:
            raise GuestFailed("flooded", f"an answer has more than {LONGEST_ANSWER // 1024**2} MiB")
        if len(text) < length:
            parts, missing = [text], length - len(text)
            while missing > 0:
                parts.append(self._read(missing, patience_s))
                missing -= len(parts[-1])
            text = b"".join(parts)
        if len(text) > length:
            raise GuestFailed("crashed", "it has sent more than its answer")
        return text[LENGTH_BYTES:]

    def _read(self, most: int, patience_s: float) -> bytes:
        while not self._answers.poll(_LOOK_EVERY_MS):
            self._wait_longer(patience_s)
        if text := os.read(self._from, most):
            return text
        raise self._ended()

    def _wait_longer(self, patience_s: float) -> None:
        """Count another look at a bot that does not answer, unless it waits for its turn on a busy machine."""
        self._counted_s += LOOK_EVERY_S if self._is_to_blame() else LOOK_EVERY_S / 20
        if self._counted_s > patience_s:
            raise GuestFailed("hung", f"a callback did not return within {patience_s:g} s")

    def _is_to_blame(self) -> bool:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        try:
            child = children.read_text().split()[0]
            state, *_ = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            used_s = sum(map(int, Path(f"/proc/{child}/schedstat").read_text().split()[:1])) / 1e9
        except (OSError, IndexError):
            return True
        used_s, self._used_s = used_s - self._used_s, used_s
        return state not in _BUSY or used_s > LOOK_EVERY_S / 4

    def _ended(self) -> GuestFailed:
        try:
            status = self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            return GuestFailed("crashed", "it has closed its pipe")
        number = -status if status < 0 else status - 128  # bubblewrap reports a signal as a shell does
        if number in _SIGNALS:
            return GuestFailed("crashed", f"the signal {_SIGNALS[number]} ended its process")
        return GuestFailed("crashed", f"it ended its process with status {status}")

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class GuestPlayer:
    """Plays a bot in a process of its own.

    file      the bot's own, None for a strategy of the exchange
    printed   receives what the bot prints
    """

    def __init__(
        self,
        target: str,
        file: Path | None,
        options: Mapping[str, Any],
        *,
        events: EncodedEvents,
        patience_s: float,
        printed: Callable[[str], object],
    ) -> None:
        self.kind = ""
        self.channels: frozenset[Channel] = frozenset()
        self.wakes_on: frozenset[type[Event]] = frozenset()
        self._events = events
        # A callback that can be interrupted is interrupted inside, with a traceback that says where it hung.
        self._patience_s = 2 * patience_s
        self._printed = printed
        self._output = 0
        self._guest = Guest(file)
        self._fault: GuestFailed | None = None  # of the last message that could not be sent
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
        encoded = self._events.of
        sent = [(due_us, KINDS[type(event)], encoded(event)) for due_us, event in events]
        self._send(Wake(now_us, until_us, value, sent))
        self._waking_us = now_us, until_us

    def acted(self) -> Turn:
        """Return the result of the last wake-up."""
        now_us, until_us = self._waking_us
        return self._answer(now_us, until_us, until_us)

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
            answer = answer_decoder.decode(text)
            if type(answer) is int:
                return self._inspector.quiet(answer, timer_from_us=timer_from_us)
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
