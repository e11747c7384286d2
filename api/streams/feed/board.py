"""A channel about the whole exchange: its data is read again every second while it has subscribers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
import structlog
from gevent.event import Event as Flag
from msgspec import Raw

from api.streams.feed.forms import Event, Kind, content_of
from api.streams.sockets.rooms import Rooms
from api.wire.outgoing import time_of
from api.wire.problems import Problem
from celery_app.clock import now_us

log = structlog.get_logger()

# The time between two reads; slow reads are spaced out so that they take at most this part of the time [s; 1].
EVERY_S = 1.0
BUSY = 0.1
# The time between two reads of a board with a history while it has no subscribers; its snapshots show the past [s].
IDLE_S = 5.0


class Board:
    """The data that its subscribers see, sent whenever it has changed; while it cannot be read, nothing is sent.

    channel  also the room of its subscribers
    read     returns the data; raises Problem when it cannot
    nothing  the data until the first read
    history  members that only snapshots have; a board with any is read even while it has no subscribers
    """

    def __init__(
        self,
        channel: str,
        rooms: Rooms,
        read: Callable[[], Any],
        *,
        nothing: Any,
        history: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        self.channel = channel
        self._rooms = rooms
        self._read = read
        self._history = history
        self._data = nothing
        self._sequence = 0
        self._read_us = 0
        self._wanted = Flag()
        self._snapshot: Raw | None = None  # made once for all subscribers that come before the next change

    @property
    def sequence(self) -> int:
        """The number of changes so far."""
        return self._sequence

    def snapshot(self) -> Raw:
        """Return what a subscriber begins with: the latest data read, however old. Wakes `run` to read again."""
        self._wanted.set()
        if self._snapshot is None:
            self._snapshot = content_of(self._event("snapshot", 0))
        return self._snapshot

    def run(self) -> None:
        """Read and send, for ever."""
        while True:
            if self._rooms.is_empty(self.channel):
                self._wanted.clear()
                self._wanted.wait(timeout=None if self._history is None else IDLE_S)
            began_s = time.monotonic()
            self._look()
            gevent.sleep(max(EVERY_S, (time.monotonic() - began_s) / BUSY))

    def _look(self) -> None:
        try:
            data = self._read()
        except Problem as problem:
            log.warning("board_not_read", channel=self.channel, fault=problem.detail)
            return
        if data == self._data and self._sequence:
            return
        self._snapshot = None
        self._data, self._sequence, self._read_us = data, self._sequence + 1, now_us()
        if not self._rooms.is_empty(self.channel):
            self._rooms.send(self.channel, content_of(self._event("update", self._sequence - 1)), self.channel)

    def _event(self, kind: Kind, previous_sequence: int) -> Event:
        return Event(
            channel=self.channel,
            security_id=None,
            type=kind,
            sequence=self._sequence,
            previous_sequence=previous_sequence,
            timestamp=time_of(self._read_us) if self._read_us else None,
            data=self._data if kind == "update" or self._history is None else {**self._data, **self._history()},
        )
