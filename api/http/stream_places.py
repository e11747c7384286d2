"""The processes `streams` of a host: each has a place, which is a number with a Unix socket.

The api deals new connections round-robin over the places. A session of Socket.IO that polls has many connections, so
its id begins with the place of the process that knows it.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from api.http.handoff import is_taken, listen_for_connections, send

# A session id as `session_id` makes it, in the query of a request.
_SESSION = re.compile(r"[?&]sid=(\d{1,2})\.")


def session_id(place: int, random: str) -> str:
    """Return the id of a Socket.IO session in which the api can read its place."""
    return f"{place}.{random}"


class StreamPlaces:
    """The places of a host, numbered from 1.

    size  the number of processes
    """

    def __init__(self, run_directory: Path, size: int) -> None:
        self._run_directory = run_directory
        self._size = size
        self._turns = count()

    def address(self, place: int) -> Path:
        """Return the path of the Unix socket on which the process of a place accepts connections."""
        return self._run_directory / (f"streams-{place}.sock" if place > 1 else "streams.sock")

    # -- the api's side --------------------------------------------------------------------------------------------

    def hand_over(self, client: socket.socket, path: str, request: bytes) -> None:
        """Hand a client's socket over to one of the processes. Raises OSError when none of them accepts it."""
        fault: OSError | None = None
        for place in self._candidates(path):
            try:
                send(self.address(place), client, request)
            except OSError as refused:
                fault = refused
            else:
                return
        raise fault or OSError("there is no place")

    def _candidates(self, path: str) -> Iterator[int]:
        """Return the places to try: that of the session or the next in turn, then the others."""
        session = _SESSION.search(path)
        first = int(session[1]) - 1 if session else next(self._turns)
        return ((first + n) % self._size + 1 for n in range(self._size))

    def any_accepts(self) -> bool:
        """Return whether any of the processes accepts connections."""
        return any(is_taken(self.address(place)) for place in range(1, self._size + 1))

    # -- the side of streams ---------------------------------------------------------------------------------------

    def take_one(self) -> tuple[int, socket.socket]:
        """Take a free place for the life of this process, and open its socket.

        raises  OSError  no place is free, or the directory is not writable
        """
        self._run_directory.mkdir(parents=True, exist_ok=True)
        for place in range(1, self._size + 1):
            # The lock decides between processes that start at the same time, and ends with the process.
            lock = os.open(self.address(place).with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            if not is_taken(self.address(place)):
                return place, listen_for_connections(self.address(place))
            os.close(lock)
        raise OSError("another process serves the streams already")
