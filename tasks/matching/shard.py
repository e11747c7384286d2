"""One shard as a worker has it: its engine, kept in step with the log, and what the engine made and nobody has yet.

The log is the truth. A delivered command whose number is the next one is applied as it came, so that no order waits
for a look at the log. Only order entry may publish to the matching queues, and it publishes what it has committed;
and before anything is marked or put away, which is once a second, all that came so is held against the log.
Everything else is read from the log or refused. An engine that differs from the log stops its worker.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import structlog

from celery_app.stage import InvariantBroken
from db.clearing_data import securities, snapshots
from db.connect import Database
from tasks.matching.log_reader import PAGE, LogReader
from tasks.matching.outbox import Outbox, Sender
from tasks.matching.rules.engine import Engine
from tasks.matching.snapshot import SnapshotWriter, newest_engine
from tasks.messages import Command, CommandBatch, Expire, MassCancel

log = structlog.get_logger()


class CommandsRefused(Exception):
    """Commands that order entry cannot have sent; nothing of them was applied."""


class Shard:
    """The engine of a shard and its outbox. Events up to `published_seq` are surely on the queues."""

    def __init__(self, shard: int, clearing_data: Database) -> None:
        self.shard = shard
        self.published_seq = 0
        self._marked_seq = 0  # what the database says of published_seq
        self._clearing_data = clearing_data
        self._log = LogReader(shard, clearing_data)
        self._unchecked: list[Command] = []  # the last ones applied, which came in messages
        self._snapshots = SnapshotWriter(shard, clearing_data)
        self._engine = Engine(shard)
        self._outbox = Outbox(shard)
        self._securities: Collection[str] = ()
        self._tells_whole_books = True

    @property
    def seq(self) -> int:
        """The last command that was applied."""
        return self._engine.seq

    @property
    def commands_since_snapshot(self) -> int:
        """How many commands were applied since the last snapshot, or since that which is being written."""
        return self.seq - self._snapshots.begun_seq

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
        with _no_collections():
            with self._clearing_data.transaction() as tx:
                listed = securities.ever_listed(tx)
                self.published_seq = self._marked_seq = snapshots.published_mark(tx, self.shard)
                # An event after the mark has to be made again, so the engine may not begin behind it.
                restored = newest_engine(tx, self.shard, at_most=self.published_seq)
            self._engine = restored or Engine(self.shard)
            self._securities = {security.security_id for security in listed if security.shard == self.shard}
            self._outbox = Outbox(self.shard, published_seq=self.published_seq)
            self._unchecked = []
            self._snapshots.begun_seq = self._snapshots.kept_seq = snapshot_seq = self.seq
            self.follow_log()
        log.info("shard_recovered", shard=self.shard, snapshot=snapshot_seq, seq=self.seq, mark=self.published_seq)

    # -- commands ----------------------------------------------------------------------------------------------------

    def take(self, batch: CommandBatch) -> None:
        """Apply the commands of a delivered batch that were not applied yet, and from the log those before them.

        raises  CommandsRefused  they are not what stands in the log, or of a security that is none of this shard's
        """
        self._check_securities(batch.commands)
        if batch.first_seq > self.seq + 1:
            self._take_from_log(batch)
        fresh = batch.commands[self.seq + 1 - batch.first_seq :]
        for seq, command in enumerate(fresh, self.seq + 1):
            self._apply(seq, command)
        self._unchecked += fresh

    def _check_securities(self, commands: list[Command]) -> None:
        named = {command.security_id for command in commands if not isinstance(command, MassCancel | Expire)}
        unknown = named.difference(self._securities)
        if unknown:
            with self._clearing_data.transaction() as tx:
                self._securities = {one.security_id for one in securities.ever_listed(tx) if one.shard == self.shard}
            if not unknown.issubset(self._securities):
                raise CommandsRefused(f"shard {self.shard} has no security of that name")

    def _take_from_log(self, batch: CommandBatch) -> None:
        """Fill the gap before a batch; the log has the batch itself, too, as it was committed before it was sent."""
        differing = self.follow_log(dict(enumerate(batch.commands, batch.first_seq)))
        if batch.first_seq + len(batch.commands) - 1 > self.seq:
            raise CommandsRefused(f"command {batch.first_seq} of shard {self.shard} is beyond the end of the log")
        if differing:
            raise CommandsRefused(f"commands {differing} of shard {self.shard} are others in the log")

    def check_log(self) -> None:
        """Hold the commands that were applied as their messages brought them against the log.

        raises  InvariantBroken  the log says otherwise
        """
        if self._unchecked:
            self._log.check(self.seq + 1 - len(self._unchecked), self._unchecked)
            self._unchecked = []

    def follow_log(self, delivered: dict[int, Command] | None = None) -> list[int]:
        """Apply what the log has after the last applied command.

        delivered  commands by number that came in a message
        returns    the numbers of those that are others in the log, whose word counts
        raises     InvariantBroken  the log has a hole, is damaged, or differs from what was applied
        """
        self.check_log()
        delivered = delivered or {}
        differing: list[int] = []
        while True:
            commands = self._log.page(after_seq=self.seq)
            for seq, command in commands:
                if seq != self._engine.seq + 1:
                    raise InvariantBroken(f"command {self.seq + 1} is missing in the log of shard {self.shard}")
                if seq in delivered and delivered[seq] != command:
                    differing.append(seq)
                self._apply(seq, command)
            if len(commands) < PAGE:
                return differing

    def _apply(self, seq: int, command: Command) -> None:
        events = self._engine.apply(seq, command)
        if events and seq > self.published_seq:
            self._outbox.add(events)

    # -- events ------------------------------------------------------------------------------------------------------

    def tell_whole_books(self) -> None:
        """Send the next changes of the books as snapshots: another engine may have told others in between."""
        self._tells_whole_books = True

    def publish(self, sender: Sender, *, began_us: int, now_us: int) -> None:
        """Send all events and changes of the books; after a failure they stay, and go first next time.

        began_us  when the unit began that sends them [us since 1970, UTC]
        now_us    the time
        """
        engine = self._engine
        self._outbox.add_books(engine.book_snapshots() if self._tells_whole_books else engine.book_updates())
        self._outbox.add_auctions(engine.auction_snapshots() if self._tells_whole_books else engine.auction_updates())
        self._tells_whole_books = False
        self._outbox.send(sender, seq=self.seq, began_us=began_us, now_us=now_us)
        self.published_seq = max(self.published_seq, self.seq)

    def cover(self, sender: Sender, *, now_us: int) -> None:
        """Tell each queue that has had no message since up to where there was no event for it.

        now_us  the time [us since 1970, UTC]
        """
        self._outbox.cover(sender, now_us=now_us)

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

    def begin_snapshot(self, *, now_us: int) -> None:
        """Have the state put away while matching goes on; everything has to be published.

        now_us  the time [us since 1970, UTC]
        """
        self._snapshots.begin(self._engine, now_us=now_us)

    def end_snapshot(self) -> None:
        """See whether a snapshot that was begun is written by now."""
        self._snapshots.look()

    def leave_snapshot(self, *, now_us: int) -> None:
        """Put the state away and wait for it, as the last thing that is done; everything has to be published.

        now_us  the time [us since 1970, UTC]
        """
        self._snapshots.leave(self._engine, now_us=now_us)


@contextmanager
def _no_collections() -> Iterator[None]:
    """No garbage is collected inside, as nothing is; and what was made inside is not looked through afterwards."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
