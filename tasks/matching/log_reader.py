"""Reads a shard's log for its engine: the log is right, and an engine that differs from it stops the worker."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec

from celery_app.stage import InvariantBroken
from db.clearing_data.log import order_log
from db.connect import Database
from tasks.messages import Command

# Commands read at a time.
PAGE: Final = 20_000


class LogReader:
    """The log of one shard."""

    def __init__(self, shard: int, clearing_data: Database) -> None:
        self._shard = shard
        self._clearing_data = clearing_data

    def page(self, *, after_seq: int, limit: int = PAGE) -> list[tuple[int, Command]]:
        """Return the next commands with their numbers; fewer than the limit at the end of the log.

        raises  InvariantBroken  a line is not a valid command, or the log ends before `after_seq`
        """
        with self._clearing_data.transaction() as tx:
            try:
                commands = order_log.read_commands(tx, self._shard, after_seq=after_seq, limit=limit)
            except msgspec.MsgspecError as damage:
                raise InvariantBroken(f"the log of shard {self._shard} contains an invalid command") from damage
            if not commands and order_log.last_seq(tx, self._shard) < after_seq:
                raise InvariantBroken(self._ahead(after_seq))
        return commands

    def check(self, first_seq: int, commands: Sequence[Command]) -> None:
        """Compare commands that were applied from messages with the log.

        raises  InvariantBroken  one of them differs from the log, or is missing there
        """
        last_seq = first_seq + len(commands) - 1
        with self._clearing_data.transaction() as tx:
            found = order_log.digest(tx, self._shard, first_seq=first_seq, last_seq=last_seq)
        if found == sha256(order_log.lines(commands)).digest():
            return
        # Lines of another version may have another form and the same meaning.
        logged = self.page(after_seq=first_seq - 1, limit=len(commands))
        for (seq, command), (number, truth) in zip(enumerate(commands, first_seq), logged, strict=False):
            if (seq, command) != (number, truth):
                raise InvariantBroken(f"command {seq} of shard {self._shard} differs from the log")
        if len(logged) < len(commands):
            raise InvariantBroken(self._ahead(first_seq + len(logged)))

    def _ahead(self, seq: int) -> str:
        return f"command {seq} of shard {self._shard} is ahead of the log, which does not have it"
