"""One shard in a worker: its engine, kept in step with the log, and the events that are not published yet.

The log is the truth. The shard applies a delivered command with the next number as it is, so that no order waits for
the log to be read. Only order entry may publish to the matching queues, and it publishes what it has committed. Once a
second, before the shard moves its mark or saves a snapshot, it compares these commands with the log. It reads all other
commands from the log, or refuses them. An engine that differs from the log stops its worker.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import structlog

from celery_app.faults import InvariantBroken
from db.clearing_data import snapshots
from db.clearing_data.listing import moves
from db.connect import Database
from tasks.matching.log_reader import PAGE, LogReader
from tasks.matching.outbox import Outbox, Sender
from tasks.matching.rules.engine import Engine
from tasks.matching.snapshot import SnapshotWriter, newest_engine
from tasks.messages import Command, CommandBatch, Expire, MassCancel

log = structlog.get_logger()


class CommandsRefused(Exception):
    """Order entry cannot have sent these commands; the shard has applied none of them."""


class Shard:
    """The engine of a shard and its outbox. The events of commands up to `published_seq` are on the queues."""

    def __init__(self, shard: int, clearing_data: Database) -> None:
        self.shard = shard
        self.published_seq = 0
        self._marked_seq = 0  # published_seq in the database
        self._clearing_data = clearing_data
        self._log = LogReader(shard, clearing_data)
        self._unchecked: list[Command] = []  # the last commands applied, which came in messages
        self._snapshots = SnapshotWriter(shard, clearing_data)
        self._engine = Engine(shard)
        self._outbox = Outbox(shard)
        self._securities: Collection[str] = ()
        self._publishes_whole_books = True

    @property
    def seq(self) -> int:
        """The last command that the engine has applied."""
        return self._engine.seq

    @property
    def commands_since_snapshot(self) -> int:
        """The number of commands applied since the last snapshot, or since the one being written."""
        return self.seq - self._snapshots.begun_seq

    @property
    def unsent(self) -> int:
        """The number of events and updates that wait to be published."""
        return len(self._outbox)

    @property
    def changes_phase(self) -> bool:
        """Whether a change of a phase waits to be published."""
        return self._outbox.has_phase

    # -- start -------------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Restore the newest good snapshot and replay the log after it; put unpublished events into the outbox.

        raises  sqlalchemy.exc.NoResultFound  the database has no such shard
                InvariantBroken               the log is damaged
        """
        with _no_collections():
            with self._clearing_data.transaction() as tx:
                self._securities = moves.ever_on_shard(tx, self.shard)
                self.published_seq = self._marked_seq = snapshots.published_mark(tx, self.shard)
                # The engine must make the events after the mark again, so it starts from a snapshot before the mark.
                restored = newest_engine(tx, self.shard, at_most=self.published_seq)
            self._engine = restored or Engine(self.shard)
            self._outbox = Outbox(self.shard, published_seq=self.published_seq)
            self._unchecked = []
            self._snapshots.begun_seq = self._snapshots.kept_seq = snapshot_seq = self.seq
            self.follow_log()
        log.info("shard_recovered", shard=self.shard, snapshot=snapshot_seq, seq=self.seq, mark=self.published_seq)

    # -- commands ----------------------------------------------------------------------------------------------------

    def take(self, batch: CommandBatch) -> None:
        """Apply the commands of a delivered batch that are new, after reading the ones before them from the log.

        raises  CommandsRefused  they differ from the log, or name a security of another shard
        """
        self._check_securities(batch.commands)
        if batch.first_seq > self.seq + 1:
            self._take_from_log(batch)
        fresh = batch.commands[self.seq + 1 - batch.first_seq :]
        for seq, command in enumerate(fresh, self.seq + 1):
            self._apply(seq, command)
        self._unchecked += fresh
        self._outbox.add_reports(batch)

    def _check_securities(self, commands: list[Command]) -> None:
        named = {command.security_id for command in commands if not isinstance(command, MassCancel | Expire)}
        unknown = named.difference(self._securities)
        if unknown:
            with self._clearing_data.transaction() as tx:
                self._securities = moves.ever_on_shard(tx, self.shard)
            if not unknown.issubset(self._securities):
                self._log.require_primary()
                raise CommandsRefused(f"shard {self.shard} has no security of that name")

    def _take_from_log(self, batch: CommandBatch) -> None:
        """Fill the gap before a batch; the log also contains the batch, because order entry commits before it sends."""
        differing = self.follow_log(dict(enumerate(batch.commands, batch.first_seq)))
        if batch.first_seq + len(batch.commands) - 1 > self.seq:
            self._log.require_primary()
            raise CommandsRefused(f"command {batch.first_seq} of shard {self.shard} is beyond the end of the log")
        if differing:
            raise CommandsRefused(f"commands {differing} of shard {self.shard} differ from the log")

    def check_log(self) -> None:
        """Compare the commands that were applied from messages with the log.

        raises  InvariantBroken  they differ
        """
        if self._unchecked:
            self._log.check(self.seq + 1 - len(self._unchecked), self._unchecked)
            self._unchecked = []

    def follow_log(self, delivered: dict[int, Command] | None = None) -> list[int]:
        """Apply the commands of the log after the last applied one.

        delivered  commands that came in a message, by number
        returns    the numbers of those that differ from the log, which is applied
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

    def publish_whole_books(self) -> None:
        """Publish the next changes of the books as snapshots: another engine may have published in between."""
        self._publishes_whole_books = True

    def publish(self, sender: Sender, *, began_us: int, now_us: int) -> None:
        """Publish all events and changes of the books; after a failure they stay in the outbox and go first next time.

        began_us  when the batch that publishes them began [us since 1970, UTC]
        now_us    the time
        """
        engine = self._engine
        whole = self._publishes_whole_books
        self._outbox.add_books(engine.book_snapshots() if whole else engine.book_updates())
        self._outbox.add_auctions(engine.auction_snapshots() if whole else engine.auction_updates())
        self._publishes_whole_books = False
        self._outbox.send(sender, seq=self.seq, began_us=began_us, now_us=now_us)
        self.published_seq = max(self.published_seq, self.seq)

    def cover(self, sender: Sender, *, now_us: int) -> None:
        """Publish to each queue without a recent message how far there was no event for it.

        now_us  the time [us since 1970, UTC]
        """
        self._outbox.cover(sender, now_us=now_us)

    # -- state in the database ---------------------------------------------------------------------------------------

    def read_mark(self) -> bool:
        """Forget the events that another engine of the shard has published; return whether its mark has moved."""
        with self._clearing_data.transaction() as tx:
            mark = snapshots.published_mark(tx, self.shard)
        moved = mark > self._marked_seq
        self._marked_seq = mark
        self.published_seq = max(self.published_seq, mark)
        self._outbox.drop_published(mark)
        return moved

    def write_mark(self) -> None:
        """Store the command up to which this worker has published, if it has changed."""
        if self.published_seq > self._marked_seq:
            with self._clearing_data.transaction() as tx:
                snapshots.move_mark(tx, self.shard, self.published_seq)
            self._marked_seq = self.published_seq

    def begin_snapshot(self, *, now_us: int) -> None:
        """Start to save the state while matching goes on; everything must be published.

        now_us  the time [us since 1970, UTC]
        """
        self._snapshots.begin(self._engine, now_us=now_us)

    def end_snapshot(self) -> None:
        """Note whether the snapshot that was started is complete."""
        self._snapshots.poll()

    def save_snapshot(self, *, now_us: int) -> None:
        """Save the state and wait for it, as the last act of this worker; everything must be published.

        now_us  the time [us since 1970, UTC]
        """
        self._snapshots.save(self._engine, now_us=now_us)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Turn the garbage collector off in the block, which makes no garbage; exempt objects made in it for good."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
