"""What the guests of a match share in the market's process: encoded events, and the answers that are due."""

from __future__ import annotations

from typing import Protocol

from msgspec import Raw

from bots.interfaces import Event
from bots.league.sandbox.wire import KINDS, encoder

# Recent events that are kept.
_MOST_EVENTS = 1_000

EncodedEvent = tuple[Event, int, Raw]


class Woken(Protocol):
    """A guest that owes the market an answer."""

    def hear(self) -> None:
        """Wait for the answer and keep it."""


class Room:
    """The guests of a match.

    events  encoded forms of recent events by the id of the event, with the number of its kind: most of them go to
            several bots. An entry keeps its event, so that no other object gets the id
    woken   guests that owe an answer, in the order in which they were woken
    """

    def __init__(self) -> None:
        self.events: dict[int, EncodedEvent] = {}
        self.woken: list[Woken] = []

    def encode(self, event: Event) -> EncodedEvent:
        """Encode an event that is not among the recent ones."""
        if len(self.events) > _MOST_EVENTS:
            self.events.clear()
        entry = self.events[id(event)] = event, KINDS[type(event)], Raw(encoder.encode(event))
        return entry

    def hear_all(self) -> None:
        """Wait for the answers of all woken guests, the one that was woken last first.

        The guests take turns on one core. While the market waits for the last one, all of them run before the market
        does; otherwise the processor would switch to the market and back after each of them.
        """
        woken = self.woken
        while woken:
            woken.pop().hear()
