"""Handles the engine's events about securities: phases, and final settlements once nothing is left to settle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog
from msgspec import structs
from sqlalchemy.exc import DBAPIError

from celery_app import fail_points
from celery_app.faults import is_transient
from db.clearing_data.clearing import final_settlement
from db.clearing_data.listing import phase_events
from db.connect import Database
from tasks.messages import ExecutionBatch, PhaseChanged, SecurityEvent
from tasks.shared.rules.securities import phase_ends_us

log = structlog.get_logger()


def events_of(batches: Iterable[ExecutionBatch], *, volatility_auction_us: int) -> list[SecurityEvent]:
    """Return the security events of all batches; an auction that the engine began itself gets its end time."""
    return [_with_end(event, volatility_auction_us) for batch in batches for event in batch.securities]


def _with_end(event: SecurityEvent, volatility_auction_us: int) -> SecurityEvent:
    if isinstance(event, PhaseChanged):
        return structs.replace(event, ends_us=phase_ends_us(event, volatility_auction_us))
    return event


def record(clearing_data: Database, events: Sequence[SecurityEvent]) -> None:
    """Write the security events; writing them again changes nothing.

    raises  sqlalchemy.exc.DBAPIError  Postgres is away, or two transactions met
    """
    with clearing_data.transaction() as tx:
        phase_events.write(tx, events)
    fail_points.reach("order_execution.security_recorded")


def settle_due(clearing_data: Database, *, now_us: int) -> list[str]:
    """Settle in cash the securities with no trade left to settle, and return their ids.

    One that cannot be settled holds up no other one: the log names it with the fault, and the next tick tries again.

    raises  sqlalchemy.exc.DBAPIError  Postgres is away
    """
    with clearing_data.transaction() as tx:
        waiting = final_settlement.due(tx)
    settled = []
    for one in waiting:
        try:
            with clearing_data.transaction() as tx:
                if final_settlement.settle(tx, one, now_us=now_us):
                    fail_points.reach("order_execution.final_settlement_booked")
                    settled.append(one.security_id)
        except DBAPIError as fault:
            write = log.warning if is_transient(fault) else log.error
            write("security_not_settled", security_id=one.security_id, fault=str(fault).partition("\n")[0][:200])
    return settled
