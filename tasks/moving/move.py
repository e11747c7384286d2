"""Moves a security to another shard in one transaction: the last command of one log, and the first of the other.

The book follows from the log, so no worker has to hand it over: this process replays the log of the old shard up to
its end while the exchange trades, then locks the security and both shards, replays the few commands that came in
between, and appends the two commands. While it holds the locks, no command about any security of the two shards is
sequenced. A process that dies leaves the security where it was, or where it should be.

A security moves to a shard with a higher number only: event ids begin with the shard, and of two events of a security
the one with the higher id is the later everywhere.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from celery_app import fail_points
from celery_app.faults import InvariantBroken
from celery_app.publisher import Parcel
from celery_app.topology import matching_queue
from db.clearing_data.listing import moves
from db.clearing_data.listing.moves import SecurityMove
from db.clearing_data.log import admission, command_numbers
from db.clearing_data.log.order_log import last_seq, read_commands
from db.connect import Database
from db.statements import Statements
from tasks.matching.rules.engine import Engine
from tasks.matching.snapshot import newest_engine
from tasks.messages import AdoptSecurity, CommandBatch, FeedBatch, ReleaseSecurity, encode
from tasks.shared.rules import coverage

# Commands read at a time, and how many may be left to replay while the shards are locked.
PAGE = 10_000
NEARLY_THERE = 200


class MoveRefused(Exception):
    """The security cannot move there; nothing has changed."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A move that has happened, and for how long no command of the two shards was sequenced [s]."""

    move: SecurityMove
    orders: int
    paused_s: float


def move(clearing_data: Database, security_id: str, to_shard: int, *, now_us: int) -> Moved | None:
    """Move a security; None if it is on that shard already.

    raises  MoveRefused                 it cannot move there
            InvariantBroken             the log of its shard is damaged
            sqlalchemy.exc.DBAPIError, psycopg2.Error  Postgres is away; the security is on either shard
    """
    with clearing_data.transaction() as tx:
        shards = admission.shards(tx)
        from_shard = moves.shard_of(tx, security_id)
    if from_shard is None:
        raise MoveRefused(f"no security has ever been called {security_id}")
    if from_shard == to_shard:
        return None
    if to_shard not in shards:
        raise MoveRefused(f"there is no shard {to_shard}: add shards with `make shards N={to_shard + 1}`")
    if to_shard < from_shard:
        raise MoveRefused(
            f"{security_id} is on shard {from_shard} and moves to a higher one only, because event ids begin with the "
            "shard; `make shards` adds shards"
        )
    engine = _nearly_replayed(clearing_data, from_shard)
    fail_points.reach("moving.replayed")
    with clearing_data.transaction() as tx:
        moved = _move(tx, engine, security_id, to_shard, now_us)
        fail_points.reach("moving.sequenced")
    fail_points.reach("moving.committed")
    return moved


def _nearly_replayed(clearing_data: Database, shard: int) -> Engine:
    """Return an engine of the shard that is at most a few commands behind the end of the log."""
    with clearing_data.transaction() as tx:
        engine = newest_engine(tx, shard, at_most=last_seq(tx, shard)) or Engine(shard)
    while True:
        with clearing_data.transaction() as tx:
            _replay(tx, engine, PAGE)
            if last_seq(tx, shard) - engine.seq <= NEARLY_THERE:
                return engine


def _replay(tx: Connection, engine: Engine, limit: int) -> None:
    try:
        commands = read_commands(tx, engine.shard, after_seq=engine.seq, limit=limit)
    except msgspec.MsgspecError as damage:
        raise InvariantBroken(f"the log of shard {engine.shard} contains an invalid command") from damage
    for seq, command in commands:
        if seq != engine.seq + 1:
            raise InvariantBroken(f"command {engine.seq + 1} is missing in the log of shard {engine.shard}")
        engine.apply(seq, command)


def _move(tx: Connection, engine: Engine, security_id: str, to_shard: int, now_us: int) -> Moved:
    from_shard = engine.shard
    if moves.lock_security(tx, security_id) != from_shard:
        raise MoveRefused(f"{security_id} is delisted or settled, or another process has just moved it")
    last = moves.lock_shards(tx, from_shard, to_shard)
    began_s = time.monotonic()
    fail_points.reach("moving.locked")
    _replay(tx, engine, last[from_shard] - engine.seq)
    if engine.seq != last[from_shard]:
        raise InvariantBroken(f"the log of shard {from_shard} ends before command {last[from_shard]}")
    book = engine.book_state(security_id)
    closed = moves.still_open(tx, security_id, engine.recently_closed())
    release, adopt = command_numbers.take(tx, 2)
    statements = Statements(tx)
    first = admission.append(
        statements,
        {
            from_shard: [ReleaseSecurity(release, security_id, to_shard, now_us)],
            to_shard: [AdoptSecurity(adopt, security_id, from_shard, book, closed, now_us)],
        },
    )
    statements.run()
    done = SecurityMove(security_id, from_shard, first[from_shard], to_shard, first[to_shard])
    moves.record(tx, done, now_us=now_us)
    orders = sum(len(some) for some in (book.bids, book.asks, book.stops, book.for_auction))
    return Moved(done, orders, time.monotonic() - began_s)


def notices(done: SecurityMove, *, now_us: int) -> list[Parcel]:
    """Return the messages that let both engines read the two commands from the log at once.

    They contain no command, because a book may be larger than a message should be. Engines read the log every second
    in any case.
    """
    return [
        Parcel(matching_queue(shard), CommandBatch(shard, seq + 1, [], [_report(shard, seq, now_us)]), 1)
        for shard, seq in ((done.from_shard, done.from_seq), (done.to_shard, done.to_seq))
    ]


def _report(shard: int, seq: int, now_us: int) -> msgspec.Raw:
    """Return order entry's message to the feed that there is nothing to report of a command."""
    covers = [coverage.commands(shard, seq, seq + 1)]
    return msgspec.Raw(encode(FeedBatch("order_entry", now_us, began_us=now_us, covers=covers)))
