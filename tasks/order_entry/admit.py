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

from db.clearing_data import admission, securities
from db.clearing_data.rows import Account
from db.connect import Database
from tasks.messages import CancelRequest, Command, CommandBatch, OrderReport, OrderRequest
from tasks.order_entry.outcome import batches_of, batches_of_earlier, order_row, report
from tasks.order_entry.risk import Funds, Shares
from tasks.order_entry.rules import Admitted, Denied, EntryDesk, Limits, Request, number_of


@dataclass(frozen=True, slots=True)
class Admission:
    """What the stages behind are to be told of a unit."""

    commands: list[CommandBatch]
    reports: list[OrderReport]


def admit(clearing_data: Database, requests: Iterable[Request], *, limits: Limits, now_us: int) -> Admission:
    """Decide the requests and make it last; what was decided before is told as it was.

    raises  psycopg2.errors.UniqueViolation  one number stands for two requests
            sqlalchemy.exc.DBAPIError, psycopg2.OperationalError  Postgres is away, or two transactions met
    """
    unit = {number_of(request): request for request in requests}
    if not unit:
        return Admission([], [])
    try:
        # What comes twice collides in the register. To look beforehand would cost every unit for the rare one's sake.
        with clearing_data.transaction() as tx:
            return _admit(tx, unit, collided=False, limits=limits, now_us=now_us)
    except UniqueViolation:
        with clearing_data.transaction() as tx:
            return _admit(tx, unit, collided=True, limits=limits, now_us=now_us)


def _admit(tx: Connection, unit: dict[int, Request], *, collided: bool, limits: Limits, now_us: int) -> Admission:
    # All requests of a client wait here for each other, so nobody else decides one of these in the meantime.
    accounts = admission.lock_accounts(tx, {request.client_id for request in unit.values()})
    # A cancel's fate depends on when it is looked at: admitted once and denied the second time, it would not collide.
    doubtful = list(unit) if collided else [n for n, request in unit.items() if isinstance(request, CancelRequest)]
    sequenced = admission.sequenced(tx, doubtful)
    denied = admission.denied(tx, doubtful)
    fresh = [request for number, request in unit.items() if number not in sequenced and number not in denied]

    desk = _desk(tx, accounts, fresh, limits=limits, now_us=now_us)
    if collided:
        names = [(r.client_id, r.client_order_id) for r in fresh if isinstance(r, OrderRequest) and r.client_order_id]
        desk.taken |= admission.taken_client_order_ids(tx, names)
    decisions = [desk.decide(request) for request in fresh]
    batches = _record(tx, desk, decisions, now_us)

    reports = [report(d.request, d.reason if isinstance(d, Denied) else None, now_us) for d in decisions]
    reports += [report(unit[number], None, now_us) for number in sequenced]
    reports += [report(unit[number], reason, now_us) for number, reason in denied.items()]
    return Admission(batches + batches_of_earlier(sequenced.values()), reports)


def _desk(
    tx: Connection, accounts: Sequence[Account], requests: Sequence[Request], *, limits: Limits, now_us: int
) -> EntryDesk:
    """Everything that the rules need to know to decide these requests."""
    sellers = {r.client_id for r in requests if isinstance(r, OrderRequest) and r.side == "sell"}
    cancelled = {r.order_id for r in requests if isinstance(r, CancelRequest)}
    held = admission.holdings(tx, sellers)
    return EntryDesk(
        funds={account.client_id: Funds(account.available_cents, account.open_orders) for account in accounts},
        shares={(holding.client_id, holding.security_id): Shares(holding.available) for holding in held},
        securities={security.security_id: security for security in securities.listed(tx)},
        orders=admission.known_orders(tx, cancelled),
        issued_below=admission.issued_below(tx) if cancelled else 0,
        limits=limits,
        now_us=now_us,
    )


def _record(tx: Connection, desk: EntryDesk, decisions: Sequence[Admitted | Denied], now_us: int) -> list[CommandBatch]:
    """Write what was decided; the shards, which everyone needs, are locked last and for the shortest time."""
    orders = [order_row(d.request, d, now_us) for d in decisions if isinstance(d.request, OrderRequest)]
    admission.register(tx, orders)
    admission.deny(tx, [(number_of(d.request), d.reason) for d in decisions if isinstance(d, Denied)])
    cash = {client: (f.newly_held_cents, f.newly_open) for client, f in desk.funds.items() if f.newly_open}
    admission.hold_cash(tx, cash)
    admission.hold_shares(tx, {owned: s.newly_held for owned, s in desk.shares.items() if s.newly_held})
    commands: dict[int, list[Command]] = defaultdict(list)
    for decision in decisions:
        if isinstance(decision, Admitted):
            commands[decision.shard].append(decision.command)
    first_seq = admission.append(tx, commands)
    return [batch for shard, seq in first_seq.items() for batch in batches_of(shard, seq, commands[shard])]
