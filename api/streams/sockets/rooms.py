"""The rooms of Socket.IO, as the code that publishes to them sees them."""

from __future__ import annotations

from typing import Protocol

from msgspec import Raw

# The room for the reports of all clients.
EVERYONES_REPORTS = "report"


class Rooms(Protocol):
    """The rooms of the Socket.IO server; nothing here waits."""

    def is_empty(self, room: str) -> bool:
        """Return whether a room is empty."""

    def is_slow(self, room: str) -> bool:
        """Return whether a connection in a room has not yet read what was sent before."""

    def send(self, name: str, content: Raw, room: str | None, *, own: bool = False) -> None:
        """Send an event to every connection in a room, or with None to all connections.

        own  whether it is about the orders of those in the room, and leaves at once
        """


def room_of(channel: str, about: str) -> str:
    """Return the room of a channel for one security or, for reports, for one client."""
    return f"{channel}:{about}"
