"""Defines the messages between a market and the process of a bot, and their frames: four bytes of length, MessagePack.

The market sends an order and waits for its answer; neither side sends anything else.
"""

from __future__ import annotations

from struct import Struct as Layout
from typing import Any, get_args

import msgspec
from msgspec import Raw, Struct

from bots.interfaces import Event
from bots.simulated.player import Terms, Turn
from bots.strategy import Channel

LENGTH_BYTES = 4
EVENTS: tuple[type[Any], ...] = get_args(Event)
KINDS = {kind: number for number, kind in enumerate(EVENTS)}


class Load(Struct, frozen=True, array_like=True, tag=0):
    """Load the strategy `name`, or the only one, from a file or by its name; make it with the options."""

    target: str
    options: dict[str, Any]
    patience_s: float


class Sit(Struct, frozen=True, array_like=True, tag=1):
    """Take the seat; `state` is that of the bot's random numbers."""

    terms: Terms
    state: list[int]


class Start(Struct, frozen=True, array_like=True, tag=2):
    """Start the strategy; `value` is the hidden value, for an informed bot."""

    now_us: int
    value: float | None


class Wake(Struct, frozen=True, array_like=True, tag=3):
    """Play up to a time; each event has its time, the number of its kind, and its content."""

    now_us: int
    until_us: int
    value: float | None
    events: list[tuple[int, int, Raw]]


class Stop(Struct, frozen=True, array_like=True, tag=4):
    """Stop the strategy."""

    now_us: int
    value: float | None


class Loaded(Struct, frozen=True, array_like=True):
    """The answer to Load: a strategy, or what stands against it, with its traceback.

    name      its `name`, which may be empty
    wakes_on  numbers of the kinds of events that lead to a callback
    options   names of its options
    faults    in the words of the report of a configuration
    """

    kind: str
    name: str
    channels: list[Channel]
    wakes_on: list[int]
    options: list[str]
    faults: list[str]
    traceback: str


class Answer(Struct, frozen=True, array_like=True):
    """The answer to everything else; `said` is what the bot has printed."""

    turn: Turn
    said: str


Message = Load | Sit | Start | Wake | Stop
# The time of the next timer alone answers for a turn in which the bot has done nothing else, as in most turns.
Reply = int | Answer

# Such an answer is nearly every second message, so it has one form: the mark of an unsigned integer of eight bytes.
QUIET_MARK, QUIET_BYTES = 0xCF, 9
_QUIET = Layout(">IBQ")

encoder = msgspec.msgpack.Encoder()
message_decoder = msgspec.msgpack.Decoder(Message)
event_decoders = tuple(msgspec.msgpack.Decoder(kind) for kind in EVENTS)
loaded_decoder = msgspec.msgpack.Decoder(Loaded)
answer_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def framed(message: Struct | int) -> bytes:
    """Encode a message with its length."""
    text = encoder.encode(message)
    return len(text).to_bytes(LENGTH_BYTES, "big") + text


def framed_quiet(timer_us: int) -> bytes:
    """Encode the answer of a turn in which only the timer was set, with its length."""
    return _QUIET.pack(QUIET_BYTES, QUIET_MARK, timer_us)
