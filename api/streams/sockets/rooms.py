"""Where Socket.IO subscribers are, as those who tell them something see it."""

from __future__ import annotations

from typing import Protocol

from msgspec import Raw

# The room of those who see every client's reports.
EVERYONES_REPORTS = "report"


class Rooms(Protocol):
    """The rooms of the Socket.IO server; nothing here waits."""

    def is_empty(self, room: str) -> bool:
        """Whether nobody is in a room."""

    def is_slow(self, room: str) -> bool:
        """Whether a connection in a room has yet to read what was sent before."""

    def send(self, name: str, content: Raw, room: str | None) -> None:
        """Send an event to whoever is in a room, or with None to everyone."""


def room_of(channel: str, about: str) -> str:
    """The room of a channel of one security or, for reports, of one client."""
    return f"{channel}:{about}"
