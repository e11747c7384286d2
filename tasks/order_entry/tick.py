"""A tick of the scheduler in one transaction: everything due by now goes into the logs, in the order of its time.

A tick reads all its state from the database, so ticks may come twice, late, or from two schedulers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from sqlalchemy import Connection

from celery_app import fail_points
from db.clearing_data.lending import buy_ins
from db.clearing_data.listing import securities, security_entry, trading_day
from db.clearing_data.log import admission, command_numbers
from db.clearing_data.log.admission import SecurityMoved
from db.connect import Database
from db.statements import Statements
from tasks.messages import Command, CommandBatch, Expire, OrderReport, PlaceOrder, SetPhase, event_id
from tasks.order_entry.rules.buy_ins import REASON, BoughtIn, BuyIns, is_due, plan, report
from tasks.order_entry.rules.day import DuePhase, Step, phases_due, steps_due
from tasks.order_entry.rules.decisions import Limits
from tasks.order_entry.rules.outcome import batches_of
from tasks.order_entry.rules.security_changes import NewPhase
from tasks.order_entry.rules.trading_rows import ExpiredOrder, Progress, Range

# At most this many orders expire in one tick; the next tick comes soon.
MAX_EXPIRED = 10_000


@dataclass(frozen=True, slots=True)
class Ticked:
    """The commands that the engines must get; `ranges` is the same in the form that the database stores.

    reports  reports of the purchases of buy-ins
    """

    batches: list[CommandBatch]
    ranges: list[Range]
    reports: list[OrderReport] = field(default_factory=list)


def tick(clearing_data: Database, *, limits: Limits, now_us: int) -> Ticked:
    """Sequence what is due, and return it together with commands that an earlier tick may not have sent.

    raises  sqlalchemy.exc.DBAPIError, psycopg2.OperationalError  Postgres is away, or two transactions met
    """
    while True:
        try:
            return _tick(clearing_data, limits=limits, now_us=now_us)
        except SecurityMoved:
            continue


def _tick(clearing_data: Database, *, limits: Limits, now_us: int) -> Ticked:
    with clearing_data.transaction() as tx:
        progress = trading_day.lock(tx)
        if progress is None:
            return Ticked([], [])
        moves = admission.shards(tx)  # before anything that says which shard has which security
        # Accounts are locked before securities and shards.
        clients = buy_ins.lock(tx)
        steps = steps_due(progress.day, last=progress.step, ends_us=progress.step_ends_us, now_us=now_us)
        phases = phases_due(
            trading_day.phases(tx, now_us=now_us, of_all=bool(steps)),
            steps,
            is_scheduled=progress.day.is_scheduled,
            first_auction_us=progress.first_auction_us,
            now_us=now_us,
        )
        expired = trading_day.take_expired(tx, now_us=now_us, limit=MAX_EXPIRED)
        ranges = progress.unsent
        batches = [
            batch
            for part in ranges
            for batch in batches_of(part.shard, part.first_seq, trading_day.commands_of(tx, part))
        ]
        bought_in = _buy_in(tx, clients, phases, limits=limits, now_us=now_us) if clients else BuyIns()
        if not (steps or phases or expired or bought_in.tried):
            return _with_reports(Ticked(batches, ranges), now_us)
        commands = _commands(tx, phases, expired, now_us)
        _add_buy_ins(tx, commands, bought_in, now_us)
        sequenced = _sequence(tx, progress, steps, commands, bought_in, moves, now_us)
        fail_points.reach("order_entry.tick_sequenced")
    return _with_reports(Ticked([*batches, *sequenced.batches], [*ranges, *sequenced.ranges]), now_us)


def _with_reports(ticked: Ticked, now_us: int) -> Ticked:
    """Report the purchases, also those of an earlier tick that may have ended before it sent them."""
    placed = [order for batch in ticked.batches for order in batch.commands if type(order) is PlaceOrder]
    return replace(ticked, reports=[report(order, now_us) for order in placed])


def _buy_in(
    tx: Connection, clients: Sequence[BoughtIn], phases: Sequence[DuePhase], *, limits: Limits, now_us: int
) -> BuyIns:
    """Plan the actions for clients that are being bought in, in the phases that begin with this tick.

    The caller holds the locks on their accounts.
    """
    if not any(is_due(client, now_us) for client in clients):
        return BuyIns()
    listed = {security.security_id: security for security in securities.listed(tx)}
    for one in phases:
        if one.security_id in listed:
            listed[one.security_id] = replace(listed[one.security_id], phase=one.phase)
    numbers = command_numbers.take(tx, sum(len(client.owed) for client in clients))
    return plan(clients, listed, numbers, limits=limits, now_us=now_us)


def _add_buy_ins(tx: Connection, commands: dict[int, list[Command]], bought_in: BuyIns, now_us: int) -> None:
    """Add the cancels and purchases to the commands by shard, after the phases, because the book then accepts them."""
    numbers = iter(command_numbers.take(tx, len(bought_in.cancels)))
    for shard, order_ids in bought_in.cancels.items():
        commands.setdefault(shard, []).append(Expire(next(numbers), order_ids, now_us, REASON))
    for shard, order, _ in bought_in.purchases:
        commands.setdefault(shard, []).append(order)


def _commands(
    tx: Connection, phases: Sequence[DuePhase], expired: Sequence[ExpiredOrder], now_us: int
) -> dict[int, list[Command]]:
    """Return the commands by shard, in the order of their due times; at one time, expiries come first."""
    numbers = iter(command_numbers.take(tx, len(phases) + len(expired)))
    due: list[DuePhase | ExpiredOrder] = sorted([*expired, *phases], key=lambda one: one[0])
    commands: dict[int, list[Command]] = {}
    for shard in sorted({one.shard for one in due}):
        of_shard = [one for one in due if one.shard == shard]
        commands[shard] = list(_commands_of_shard(of_shard, numbers, now_us))
    return commands


def _commands_of_shard(
    due: Iterable[DuePhase | ExpiredOrder], numbers: Iterator[int], now_us: int
) -> Iterator[Command]:
    for are_expired, run in groupby(due, key=lambda one: isinstance(one, ExpiredOrder)):
        if are_expired:
            order_ids = [one.order_id for one in run if isinstance(one, ExpiredOrder)]
            yield Expire(next(numbers), order_ids, now_us)
        else:
            for one in run:
                assert isinstance(one, DuePhase)
                yield SetPhase(next(numbers), one.security_id, one.phase, one.cause, one.ends_us, now_us)


def _sequence(
    tx: Connection,
    progress: Progress,
    steps: Sequence[Step],
    commands: dict[int, list[Command]],
    bought_in: BuyIns,
    moves: Mapping[int, int],
    now_us: int,
) -> Ticked:
    statements = Statements(tx)
    if bought_in.tried:
        buy_ins.write(statements, bought_in, now_us=now_us)
    first_seq = admission.append(statements, commands, moves=moves)
    ticked = Ticked([], [])
    latest: dict[str, tuple[NewPhase, int]] = {}
    for shard, first in first_seq.items():
        ticked.batches.extend(batches_of(shard, first, commands[shard]))
        ticked.ranges.append(Range(shard, first, first + len(commands[shard]) - 1))
        for seq, command in enumerate(commands[shard], first):
            if isinstance(command, SetPhase):
                phase = NewPhase(command.command_id, command.phase, command.cause, command.ends_us)
                latest[command.security_id] = phase, event_id(shard, seq, 0)
    for security_id, (phase, event) in latest.items():
        security_entry.set_phase(statements, security_id, phase, event_id=event)
    if steps:
        progress = progress._replace(step=steps[-1].place, step_ends_us=steps[-1].ends_us)
    trading_day.save(statements, progress._replace(unsent=[*progress.unsent, *ticked.ranges]))
    statements.run()
    return ticked
