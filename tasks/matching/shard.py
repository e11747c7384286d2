"""One shard as a worker has it: its engine, kept in step with the log, and what the engine made and nobody has yet.

The log is the truth. A delivered command whose number is the next one is applied as it came, without a look at the
log: only order entry may publish to the matching queues (RabbitMQ's users see to that), and it publishes what it has
committed. Everything else is read from the log or refused, and an engine that is ahead of the log stops its worker.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec
import structlog

from celery_app import fail_points
from celery_app.stage import InvariantBroken
from db.clearing_data import order_log, securities, snapshots
from db.connect import Database
from tasks.matching.engine import Engine
from tasks.matching.outbox import Outbox, Sender
from tasks.matching.state import decode, digest, encode
from tasks.messages import Command, CommandBatch, MassCancel

log = structlog.get_logger()

# Commands read from the log at a time.
_PAGE: Final = 10_000


class CommandsRefused(Exception):
    """Commands that order entry cannot have sent; nothing of them was applied."""


class Shard:
    """The engine of a shard and its outbox. Events up to `published_seq` are surely on the queues."""

    def __init__(self, shard: int, clearing_data: Database) -> None:
        self.shard = shard
        self.published_seq = 0
        self.snapshot_seq = 0
        self._marked_seq = 0  # what the database says of published_seq
        self._clearing_data = clearing_data
        self._engine = Engine(shard)
        self._outbox = Outbox(shard)
        self._securities: Collection[str] = ()
        self._tells_whole_books = True

    @property
    def seq(self) -> int:
        """The last command that was applied."""
        return self._engine.seq

    @property
    def unsent(self) -> int:
        """How many events wait to be published."""
        return len(self._outbox)

    # -- start -------------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Begin from the last good snapshot and replay the log behind it; what may be unpublished is in the outbox.

        raises  sqlalchemy.exc.NoResultFound  the database has no such shard
                InvariantBroken               the log is damaged
        """
        with self._clearing_data.transaction() as tx:
            listed = securities.listed(tx)
            self.published_seq = self._marked_seq = snapshots.published_mark(tx, self.shard)
            # An event after the mark has to be made again, so the engine may not begin behind it.
            for snapshot in snapshots.newest_first(tx, self.shard, at_most=self.published_seq):
                engine = _restored(snapshot, self.shard)
                if engine is not None:
                    self._engine = engine
                    break
        self._securities = {security.security_id for security in listed if security.shard == self.shard}
        self._outbox = Outbox(self.shard)
        self.snapshot_seq = self.seq
        self.follow_log()
        log.info("shard_recovered", shard=self.shard, snapshot=self.snapshot_seq, seq=self.seq, mark=self.published_seq)

    # -- commands ----------------------------------------------------------------------------------------------------

    def take(self, batch: CommandBatch) -> None:
        """Apply the commands of a delivered batch that were not applied yet, and from the log those before them.

        raises  CommandsRefused  they are not what stands in the log, or of a security that is none of this shard's
        """
        self._check_securities(batch.commands)
        if batch.first_seq > self.seq + 1:
            self._take_from_log(batch)
        for seq, command in enumerate(batch.commands[self.seq + 1 - batch.first_seq :], self.seq + 1):
            self._apply(seq, command)

    def _check_securities(self, commands: list[Command]) -> None:
        named = {command.security_id for command in commands if not isinstance(command, MassCancel)}
        unknown = named.difference(self._securities)
        if unknown:
            with self._clearing_data.transaction() as tx:
                self._securities = {one.security_id for one in securities.listed(tx) if one.shard == self.shard}
            if not unknown.issubset(self._securities):
                raise CommandsRefused(f"shard {self.shard} has no security of that name")

    def _take_from_log(self, batch: CommandBatch) -> None:
        """Fill the gap before a batch; the log has the batch itself, too, as it was committed before it was sent."""
        differing = self.follow_log(dict(enumerate(batch.commands, batch.first_seq)))
        if batch.first_seq + len(batch.commands) - 1 > self.seq:
            raise CommandsRefused(f"command {batch.first_seq} of shard {self.shard} is beyond the end of the log")
        if differing:
            raise CommandsRefused(f"commands {differing} of shard {self.shard} are others in the log")

    def follow_log(self, delivered: dict[int, Command] | None = None) -> list[int]:
        """Apply what the log has after the last applied command.

        delivered  commands by number that came in a message
        returns    the numbers of those that are others in the log, whose word counts
        raises     InvariantBroken  the log has a hole, is damaged, or ends before what was applied
        """
        delivered = delivered or {}
        differing: list[int] = []
        while True:
            commands = self._read_log()
            for seq, command in commands:
                if seq != self.seq + 1:
                    raise InvariantBroken(f"command {self.seq + 1} is missing in the log of shard {self.shard}")
                if seq in delivered and delivered[seq] != command:
                    differing.append(seq)
                self._apply(seq, command)
            if len(commands) < _PAGE:
                return differing

    def _read_log(self) -> list[tuple[int, Command]]:
        with self._clearing_data.transaction() as tx:
            try:
                commands = order_log.read_commands(tx, self.shard, after_seq=self.seq, limit=_PAGE)
            except msgspec.MsgspecError as damage:
                raise InvariantBroken(f"the log of shard {self.shard} holds what is no command") from damage
            if not commands and order_log.last_seq(tx, self.shard) < self.seq:
                raise InvariantBroken(f"command {self.seq} of shard {self.shard} is ahead of the log: it is not there")
        return commands

    def _apply(self, seq: int, command: Command) -> None:
        events = self._engine.apply(seq, command)
        if events and seq > self.published_seq:
            self._outbox.add(events)

    # -- events ------------------------------------------------------------------------------------------------------

    def tell_whole_books(self) -> None:
        """Send the next changes of the books as snapshots: another engine may have told others in between."""
        self._tells_whole_books = True

    def publish(self, sender: Sender, *, now_us: int) -> None:
        """Send all events and changes of the books; after a failure they stay, and go first next time.

        now_us  the time [us since 1970, UTC]
        """
        engine = self._engine
        self._outbox.add_books(engine.book_snapshots() if self._tells_whole_books else engine.book_updates())
        self._tells_whole_books = False
        self._outbox.send(sender, now_us=now_us)
        self.published_seq = max(self.published_seq, self.seq)

    # -- what is kept in the database --------------------------------------------------------------------------------

    def read_mark(self) -> bool:
        """Learn what another engine of the shard has published, and forget it; whether there was something new."""
        with self._clearing_data.transaction() as tx:
            mark = snapshots.published_mark(tx, self.shard)
        moved = mark > self._marked_seq
        self._marked_seq = mark
        self.published_seq = max(self.published_seq, mark)
        self._outbox.drop_published(mark)
        return moved

    def write_mark(self) -> None:
        """Say up to where this worker has published, if that is news."""
        if self.published_seq > self._marked_seq:
            with self._clearing_data.transaction() as tx:
                snapshots.move_mark(tx, self.shard, self.published_seq)
            self._marked_seq = self.published_seq

    def write_snapshot(self, *, now_us: int) -> None:
        """Put the state away; everything has to be published.

        now_us  the time [us since 1970, UTC]
        """
        assert self.published_seq >= self.seq, "a snapshot of what was not published"
        fail_points.reach("matching.snapshot_begun")
        body = encode(self._engine.state())
        state_hash = digest(body).hex()
        with self._clearing_data.transaction() as tx:
            snapshots.write(tx, self.shard, seq=self.seq, state_hash=state_hash, body=body, now_us=now_us)
            fail_points.reach("matching.snapshot_written")
        fail_points.reach("matching.snapshot_kept")
        self.snapshot_seq = self._marked_seq = self.seq
        log.info("snapshot_written", shard=self.shard, seq=self.seq, bytes=len(body), state_hash=state_hash)


def _restored(snapshot: snapshots.Snapshot, shard: int) -> Engine | None:
    """The engine of a snapshot; None when it is damaged or was written by another version."""
    fault = "its checksum is wrong"
    if snapshot.is_intact:
        try:
            state = decode(snapshot.body)
        except msgspec.MsgspecError as unreadable:
            fault = str(unreadable)
        else:
            if (state.shard, state.seq) == (shard, snapshot.seq):
                return Engine.restored(state)
            fault = "it is of another shard or command"
    log.error("snapshot_damaged", shard=shard, seq=snapshot.seq, fault=fault)
    return None
