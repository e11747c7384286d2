"""A channel about the whole exchange: what is read again every second, as long as somebody listens."""

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

# Between two looks; one that takes long is made so seldom that it takes no more than this part of the time [s; 1].
EVERY_S = 1.0
BUSY = 0.1
# Between two looks of a board with a history while nobody listens: its snapshots show the time before [s].
IDLE_S = 5.0


class Board:
    """What its subscribers see, told whenever it has changed; while it cannot be read they hear nothing.

    channel  also the room of its subscribers
    read     what is to be seen; Problem when that cannot be found out
    nothing  what is to be seen before it was read once
    history  members that only snapshots have; a board that has any is looked at while nobody listens, too
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
        self._snapshot: Raw | None = None  # made once for all who subscribe before a change

    @property
    def sequence(self) -> int:
        """How often it has changed."""
        return self._sequence

    def snapshot(self) -> Raw:
        """What a subscriber begins with: the last that was seen, however old; and have somebody look."""
        self._wanted.set()
        if self._snapshot is None:
            self._snapshot = content_of(self._event("snapshot", 0))
        return self._snapshot

    def run(self) -> None:
        """Look and tell, for ever."""
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
