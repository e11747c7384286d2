"""One unit of requests in one transaction: lock, decide, hold, append to the log.

A unit may come twice, wholly or in parts, from RabbitMQ or from an api that sent again. What was decided stays
decided: it falls out, and what was told of it is told again, for the first telling may have been lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg2.errors import UniqueViolation
from sqlalchemy import Connection

from db.clearing_data import admission, open_orders
from db.connect import Database
from db.statements import Statements
from tasks.messages import Command, CommandBatch, OrderReport, OrderRequest, Request
from tasks.order_entry.decisions import Admitted, Denied, Limits, number_of
from tasks.order_entry.desk import Desk
from tasks.order_entry.earlier import AnotherRequest, require_same
from tasks.order_entry.known import desk_for, lock
from tasks.order_entry.outcome import asked_of, batches_of, batches_of_earlier, denial_row, order_row, report
from tasks.order_entry.rules import decide


@dataclass(frozen=True, slots=True)
class Admission:
    """What the stages behind are to be told of a unit."""

    commands: list[CommandBatch]
    reports: list[OrderReport]


def admit(clearing_data: Database, requests: Iterable[Request], *, limits: Limits, now_us: int) -> Admission:
    """Decide the requests and make it last; what was decided before is told as it was.

    raises  AnotherRequest, psycopg2.errors.UniqueViolation  one number stands for two requests
            UnknownSecurity  of a halt
            sqlalchemy.exc.DBAPIError, psycopg2.OperationalError  Postgres is away, or two transactions met
    """
    unit = _once_each(list(requests))
    if not unit:
        return Admission([], [])
    try:
        # What comes twice collides in the register. To look beforehand would cost every unit for the rare one's sake.
        with clearing_data.transaction() as tx:
            return _admit(tx, unit, collided=False, limits=limits, now_us=now_us)
    except UniqueViolation:
        with clearing_data.transaction() as tx:
            return _admit(tx, unit, collided=True, limits=limits, now_us=now_us)


def _once_each(requests: Sequence[Request]) -> dict[int, Request]:
    """Requests by their numbers; what comes twice counts once."""
    unit = {number_of(request): request for request in requests}
    if len(unit) < len(requests) and any(unit[number_of(request)] != request for request in requests):
        raise AnotherRequest("two requests of a unit have the same number")
    return unit


def _admit(tx: Connection, unit: dict[int, Request], *, collided: bool, limits: Limits, now_us: int) -> Admission:
    # Nobody else decides one of these in the meantime.
    known = lock(tx, unit.values())
    # The fate of what is no order depends on when it is looked at: admitted once and denied the second time, it would
    # not collide.
    doubtful = list(unit) if collided else [n for n, request in unit.items() if type(request) is not OrderRequest]
    sequenced = admission.sequenced(tx, doubtful)
    for number, earlier in sequenced.items():
        require_same(unit[number], earlier.command)
    denied = admission.denied(tx, doubtful)
    fresh = [request for number, request in unit.items() if number not in sequenced and number not in denied]

    desk = desk_for(tx, known, fresh, limits=limits, now_us=now_us)
    if collided:
        names = [(r.client_id, r.client_order_id) for r in fresh if isinstance(r, OrderRequest) and r.client_order_id]
        desk.taken |= admission.taken_client_order_ids(tx, names)
    decisions = [decide(desk, request) for request in fresh]
    batches = _record(tx, desk, decisions, now_us)

    told = [report(d.request, d.reason if isinstance(d, Denied) else None, now_us) for d in decisions]
    told += [report(unit[number], None, now_us) for number in sequenced]
    told += [report(unit[number], reason, now_us) for number, reason in denied.items()]
    return Admission(batches + batches_of_earlier(sequenced.values()), [one for one in told if one is not None])


def _record(tx: Connection, desk: Desk, decisions: Sequence[Admitted | Denied], now_us: int) -> list[CommandBatch]:
    """Write what was decided; the shards, which everyone needs, are locked last and for the shortest time."""
    orders = []
    denials = []
    asked = {}
    commands: dict[int, list[Command]] = defaultdict(list)
    for decision in decisions:
        if isinstance(decision.request, OrderRequest):
            orders.append(order_row(decision.request, decision, now_us))
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
    statements = Statements(tx)
    admission.register(statements, orders)
    admission.deny(statements, denials)
    open_orders.reserve(statements, desk.replaced)
    admission.hold_cash(statements, cash)
    admission.hold_shares(statements, {owned: s.newly_held for owned, s in desk.shares.items() if s.newly_held})
    admission.set_halts(statements, desk.halts)
    first_seq = admission.append(statements, commands, asked)
    return [batch for shard, seq in first_seq.items() for batch in batches_of(shard, seq, commands[shard])]
