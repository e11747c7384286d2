"""The process of a bot: reads the market's messages from its standard input, and answers on its standard output.

The process confines itself before it looks at the bot's file. A bot may do what it likes in here: what it prints
travels with the answers, its clock is the match's, and what it breaks is its own.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import time
import traceback
from random import Random
from typing import Any, NoReturn

from msgspec import Struct

from bots.league.sandbox.confinement import confine
from bots.league.sandbox.wire import (
    KINDS,
    LENGTH_BYTES,
    Answer,
    Load,
    Loaded,
    Message,
    Reply,
    Sit,
    Start,
    Stop,
    Wake,
    event_decoders,
    framed,
    framed_quiet,
    message_decoder,
)
from bots.loading import NoStrategy, options_of, strategy_of
from bots.simulated.clock import US_PER_S
from bots.simulated.garbage import YOUNG_OBJECTS
from bots.simulated.market_time import START_US
from bots.simulated.player import StrategyPlayer, clean, waking_events
from bots.simulated.watch import Watch
from bots.strategy import Strategy

_IN, _OUT = 0, 3
_READ_BYTES = 8_192


class _Printed:
    """Standard output and error: text in parts that waits for the next answer."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, text: str) -> int:
        self.parts.append(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: the next answer takes it along."""

    def taken(self) -> str:
        """Return what was printed since the last answer."""
        if not self.parts:
            return ""
        said, self.parts = clean("".join(self.parts)), []
        return said


def main() -> NoReturn:
    """Play until the market closes the pipe."""
    os.dup2(1, _OUT)
    os.dup2(2, 1)  # what a library prints must not get between the answers
    printed = _Printed()
    message = _received()
    assert isinstance(message, Load), "the first message names the strategy"
    # Not to interrupt the market when it has woken several bots: they take their turns when it waits for them.
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    confine()
    sys.stdout = sys.stderr = printed  # print needs no more than this
    strategy, loaded = _load(message)
    _send(loaded)
    watch = Watch(message.patience_s)
    player = StrategyPlayer(strategy, watch)
    _set_clock(player)
    gc.freeze()  # the collector need not visit what was loaded
    gc.set_threshold(YOUNG_OBJECTS)
    with watch.watching():
        _play(player, printed)


def _play(player: StrategyPlayer, printed: _Printed) -> NoReturn:
    """Answer the market.

    A message finds the caches of the processor full of what other bots have done since the last one, so this loop
    takes as few steps as it can for a wake-up in which the bot does nothing, as in most.
    """
    read, write, decode, decoders = os.read, os.write, message_decoder.decode, event_decoders
    while True:
        text = read(_IN, _READ_BYTES)
        if int.from_bytes(text[:LENGTH_BYTES], "big") != len(text) - LENGTH_BYTES:
            text = _whole(text)
        message = decode(text[LENGTH_BYTES:])
        if type(message) is not Wake:
            _send(_answer(player, message, printed))
            continue
        events = []
        for due_us, kind, event in message.events:
            events.append((due_us, decoders[kind].decode(event)))
        player.wake(message.now_us, message.until_us, events, message.value)
        turn = player.acted()
        if player.is_quiet and not printed.parts:
            write(_OUT, framed_quiet(turn.timer_us))
        else:
            _send(Answer(turn, printed.taken()))


def _load(message: Load) -> tuple[Strategy, Loaded]:
    """Make the strategy; in place of one that cannot be made, make one that does nothing."""
    try:
        kind = strategy_of(message.target)
    except NoStrategy as fault:
        return Strategy(), Loaded("", "", [], [], [], [f"strategy: {fault}"], "")
    except BaseException as fault:  # noqa: BLE001 - a bot's file may raise anything
        place = message.target.rpartition("/")[2]
        said = clean(f"strategy: {place} cannot be loaded: {type(fault).__name__}: {fault}")
        return Strategy(), Loaded("", "", [], [], [], [said], clean(traceback.format_exc()))
    names = [option.name for option in options_of(kind)]
    try:
        strategy = kind(**message.options)
    except BaseException as fault:  # noqa: BLE001 - as above
        said = clean(f"options: {type(fault).__name__}: {fault}")
        return Strategy(), Loaded(kind.__name__, str(kind.name), [], [], names, [said], clean(traceback.format_exc()))
    wakes_on = sorted(KINDS[event] for event in waking_events(kind))
    return strategy, Loaded(kind.__name__, str(kind.name), sorted(kind.channels()), wakes_on, names, [], "")


def _answer(player: StrategyPlayer, message: Message, printed: _Printed) -> Reply:
    """Answer a message that is no wake-up."""
    if isinstance(message, Sit):
        rng = Random()
        random.seed(repr(message.state[:4]))  # the module's own numbers are a function of the seed as well
        rng.setstate((3, tuple(message.state), None))  # 3 is the version of the form
        turn = player.sit(message.terms, rng)
    elif isinstance(message, Start):
        turn = player.start(message.now_us, message.value)
    else:
        assert isinstance(message, Stop), "a strategy is loaded once"
        turn = player.stop(message.now_us, message.value)
    said = printed.taken()
    return Answer(turn, said) if said or turn.has_content else turn.timer_us


def _set_clock(player: StrategyPlayer) -> None:
    """Let the clocks of the module `time` show the time of the match, in which a callback takes none."""

    def now_us() -> int:
        return START_US + player.now_us

    clocks: dict[str, Any] = {
        "time": lambda: now_us() / US_PER_S,
        "time_ns": lambda: now_us() * 1_000,
        "sleep": lambda _seconds: None,
    }
    for name in ("monotonic", "perf_counter", "process_time", "thread_time"):
        clocks[name] = lambda: player.now_us / US_PER_S
        clocks[f"{name}_ns"] = lambda: player.now_us * 1_000
    for name, clock in clocks.items():
        setattr(time, name, clock)


# -- the pipe ----------------------------------------------------------------------------------------------------------


def _received() -> Message:
    return message_decoder.decode(_whole(os.read(_IN, _READ_BYTES))[LENGTH_BYTES:])


def _whole(text: bytes) -> bytes:
    """Read the rest of a message; end this process when the market has closed the pipe."""
    if not text:
        os._exit(0)
    parts, missing = [text], int.from_bytes(text[:LENGTH_BYTES], "big") + LENGTH_BYTES - len(text)
    while missing:
        parts.append(os.read(_IN, missing))
        missing -= len(parts[-1])
    return b"".join(parts)


def _send(answer: Struct | int) -> None:
    frame = framed(answer)
    while (sent := os.write(_OUT, frame)) < len(frame):
        frame = frame[sent:]


if __name__ == "__main__":
    main()
