"""Reads a shard's log for its engine: the log is right, and an engine that differs from it stops the worker."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec
from psycopg2 import OperationalError
from sqlalchemy import Connection

from celery_app.faults import InvariantBroken
from db.clearing_data.log import order_log
from db.connect import Database
from tasks.messages import Command

# Commands read at a time.
PAGE: Final = 20_000


class LogLags(OperationalError):
    """The database is a standby that lags behind what the engine has applied; waiting helps, as with one that is away.

    On a primary the same is a loss of acknowledged commits, and the engine must not go on.
    """


class LogReader:
    """The log of one shard."""

    def __init__(self, shard: int, clearing_data: Database) -> None:
        self._shard = shard
        self._clearing_data = clearing_data

    def page(self, *, after_seq: int, limit: int = PAGE) -> list[tuple[int, Command]]:
        """Return the next commands with their numbers; fewer than the limit at the end of the log.

        raises  InvariantBroken  a line is not a valid command, or the log ends before `after_seq`
                LogLags          it ends there on a standby, which may receive the rest
        """
        with self._clearing_data.transaction() as tx:
            try:
                commands = order_log.read_commands(tx, self._shard, after_seq=after_seq, limit=limit)
            except msgspec.MsgspecError as damage:
                raise InvariantBroken(f"the log of shard {self._shard} contains an invalid command") from damage
            if not commands and order_log.last_seq(tx, self._shard) < after_seq:
                self._require_primary(tx)
                raise InvariantBroken(self._ahead(after_seq))
        return commands

    def check(self, first_seq: int, commands: Sequence[Command]) -> None:
        """Compare commands that were applied from messages with the log.

        raises  InvariantBroken  one of them differs from the log, or is missing there
                LogLags          it is missing on a standby, which may receive it
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
            self.require_primary()
            raise InvariantBroken(self._ahead(first_seq + len(logged)))

    def require_primary(self) -> None:
        """Check that what is missing in the database is not only late there. Raises LogLags."""
        with self._clearing_data.transaction() as tx:
            self._require_primary(tx)

    def _require_primary(self, tx: Connection) -> None:
        if order_log.is_standby(tx):
            tx.invalidate()  # the next connection may find the primary
            raise LogLags(f"a standby of clearing_data does not have all commands of shard {self._shard} yet")

    def _ahead(self, seq: int) -> str:
        return f"command {seq} of shard {self._shard} is ahead of the log, which does not have it"
