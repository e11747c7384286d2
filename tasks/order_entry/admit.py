"""Handles one batch of requests in one transaction: lock, decide, hold, append to the log.

A batch may come twice, wholly or in parts, from RabbitMQ or from an api that sent it again. A decision is final: a
request that was decided before is not decided again but reported again, because the first report may have been lost.
No request decides the fate of another: one that cannot be decided is dropped alone, and an exception means that
something is wrong with Postgres or with our own code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from psycopg2.errors import UniqueViolation

from celery_app import fail_points
from db.clearing_data.lending import loans
from db.clearing_data.listing import security_entry
from db.clearing_data.log import admission, open_orders, waiting_replaces
from db.clearing_data.log.admission import SecurityMoved
from db.connect import Database
from db.statements import Statements, one_transaction
from tasks.messages import (
    Command,
    CommandBatch,
    OrderReport,
    OrderRequest,
    ReplaceRequest,
    Request,
    SecurityCommand,
    event_id,
)
from tasks.order_entry.decided import decided_before
from tasks.order_entry.known import desk_for, lock
from tasks.order_entry.rules.decide import decide
from tasks.order_entry.rules.decisions import Admitted, Decision, Denied, Dropped, Limits, Waiting, number_of
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.earlier import once_each, without_control_characters
from tasks.order_entry.rules.outcome import asked_of, batches_of, batches_of_earlier, denial_row, order_row, report

# Each collision after the first means that another worker decided a request of the batch in between. That cannot happen
# to requests of one client, because they wait for each other.
MAX_COLLISIONS = 5


@dataclass(frozen=True, slots=True)
class Admission:
    """The outcome of a batch: the messages for later stages, and the requests that were dropped."""

    commands: list[CommandBatch]
    reports: list[OrderReport]
    dropped: list[Dropped] = field(default_factory=list)


def admit(
    clearing_data: Database, requests: Iterable[Request], *, limits: Limits, now_us: int, patient: bool = True
) -> Admission:
    """Decide the requests and commit the decisions; report requests that were decided before as they were decided then.

    patient  whether replacements of orders that have not arrived may wait for them

    raises  sqlalchemy.exc.DBAPIError, psycopg2.OperationalError  Postgres is away, or two transactions met
            psycopg2.errors.UniqueViolation  the register holds an order that was never decided
    """
    batch, dropped = once_each(list(requests))
    # The tables refuse such an order; they store no names of other requests.
    dropped += without_control_characters(
        batch, [n for n, request in batch.items() if type(request) is not OrderRequest]
    )
    collisions = 0
    while batch:
        try:
            # Copies collide in the register. Looking beforehand would make every batch pay for a rare case.
            with one_transaction(clearing_data) as statements:
                admitted = _admit(
                    statements, batch, collided=collisions > 0, limits=limits, now_us=now_us, patient=patient
                )
            return Admission(admitted.commands, admitted.reports, dropped + admitted.dropped)
        except SecurityMoved:
            continue  # decided again, now for its new shard
        except UniqueViolation:
            collisions += 1
            if collisions > MAX_COLLISIONS:
                raise
        except ValueError:
            unstorable = without_control_characters(batch, list(batch))
            if not unstorable:
                raise
            dropped += unstorable
    return Admission([], [], dropped)


def _admit(
    statements: Statements, batch: dict[int, Request], *, collided: bool, limits: Limits, now_us: int, patient: bool
) -> Admission:
    """Decide and record a batch, in three round trips if it consists of a few orders."""
    tx = statements.tx
    # From here on no other worker decides any of these.
    known = lock(statements, batch.values())
    # The decision about a request that is not an order depends on when it is made: a request that was admitted the
    # first time and is denied the second time would not collide.
    doubtful = list(batch) if collided else [n for n, request in batch.items() if type(request) is not OrderRequest]
    decided = decided_before(tx, batch, doubtful, now_us=now_us)
    fresh = [request for number, request in batch.items() if number not in decided.numbers]
    if known.waiting:
        fresh = _with_waiting(fresh, known.waiting)

    desk = desk_for(tx, known, fresh, limits=limits, now_us=now_us, patient=patient)
    if collided:
        names = [(r.client_id, r.client_order_id) for r in fresh if isinstance(r, OrderRequest) and r.client_order_id]
        desk.taken |= admission.taken_client_order_ids(tx, names)
    decisions = [decide(desk, request) for request in fresh]
    batches = _record(statements, desk, decisions, known.moves, now_us)

    known_reports = [
        report(d.request, d.reason if isinstance(d, Denied) else None, now_us)
        for d in decisions
        if not isinstance(d, Waiting)
    ]
    reports = [one for one in known_reports if one is not None] + decided.reports
    return Admission(batches + batches_of_earlier(decided.sequenced), reports, decided.dropped)


def _with_waiting(fresh: Sequence[Request], waiting: Iterable[ReplaceRequest]) -> list[Request]:
    """Return the requests of a batch with the replacements that wait for its orders, each after its order."""
    by_order: dict[int, list[ReplaceRequest]] = defaultdict(list)
    for one in waiting:
        by_order[one.order_id].append(one)
    numbers = {number_of(request) for request in fresh}
    requests: list[Request] = []
    for request in fresh:
        requests.append(request)
        if isinstance(request, OrderRequest):
            requests += [one for one in by_order.get(request.order_id, ()) if one.command_id not in numbers]
    return requests


def _record(
    statements: Statements, desk: Desk, decisions: Sequence[Decision], moves: Mapping[int, int], now_us: int
) -> list[CommandBatch]:
    """Write the decisions; lock the shards last and for the shortest time, because every worker needs them."""
    orders = []
    denials = []
    asked = {}
    commands: dict[int, list[Command]] = defaultdict(list)
    for decision in decisions:
        if isinstance(decision, Waiting):
            continue
        if isinstance(decision.request, OrderRequest):
            security = desk.securities.get(decision.request.security_id)
            owned = margin_price = None
            if desk.owned:
                owned, margin_price = (of.get(decision.request.order_id) for of in (desk.owned, desk.margin_prices))
            orders.append(order_row(decision.request, decision, now_us, security, owned, margin_price))
        else:
            asked[number_of(decision.request)] = asked_of(decision.request)
        if isinstance(decision, Admitted):
            commands[decision.shard].append(decision.command)
        else:
            denials.append(denial_row(decision, now_us))
    cash = {
        client: (funds.newly_held_cents, funds.newly_open)
        for client, funds in desk.funds.items()
        if funds.newly_open or funds.newly_held_cents
    }
    admission.register(statements, orders)
    admission.deny(statements, denials)
    replaces = [decision for decision in decisions if isinstance(decision.request, ReplaceRequest)]
    if replaces:
        _let_wait(statements, replaces, now_us)
    admission.mark_cancelled(statements, desk.new_marks.values())
    open_orders.reserve(statements, desk.replaced, desk.widened)
    admission.hold_cash(statements, cash)
    admission.hold_shares(statements, {owned: s.newly_held for owned, s in desk.shares.items() if s.newly_held})
    if desk.lendable:
        loans.locate(
            statements,
            {owned: s.newly_located for owned, s in desk.shares.items() if s.newly_located},
            {security_id: one.newly_located for security_id, one in desk.lendable.items() if one.newly_located},
        )
    first_seq = admission.append(statements, commands, asked, moves=moves)
    if desk.changes.are_any:
        security_entry.write(statements, desk.changes, _first_events(first_seq, commands), now_us=now_us)
        statements.run()
        fail_points.reach("order_entry.security_changed")
    return [batch for shard, seq in first_seq.items() for batch in batches_of(shard, seq, commands[shard])]


def _first_events(first_seq: Mapping[int, int], commands: Mapping[int, Sequence[Command]]) -> dict[int, int]:
    """Return the first event that each command about a security could have, by its number."""
    return {
        command.command_id: event_id(shard, seq, 0)
        for shard, first in first_seq.items()
        for seq, command in enumerate(commands[shard], first)
        if isinstance(command, SecurityCommand)
    }


def _let_wait(statements: Statements, replaces: Sequence[Decision], now_us: int) -> None:
    waiting = [decision.request for decision in replaces if isinstance(decision, Waiting)]
    waiting_replaces.enter(statements, waiting, since_us=now_us)
    waiting_replaces.leave(statements, [number_of(d.request) for d in replaces if not isinstance(d, Waiting)])
