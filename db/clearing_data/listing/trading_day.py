"""Reads and writes of the scheduler's tick: the progress of the day, phases that end, orders that expire.

The row of the day is locked first, by one worker at a time, then securities and shards, as everywhere. Locked rows of
open orders are skipped without waiting: the transaction that has locked such a row is closing the order.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from db.clearing_data.log.order_log import commands_between
from db.statements import Statements
from tasks.messages import Command
from tasks.order_entry.rules.trading_rows import ExpiredOrder, PhaseOfSecurity, Progress, Range
from tasks.shared.rules.market import Day

_LOCK = """
    SELECT opening_auction_us, continuous_us, closing_auction_us, closed_us,
        first_auction_us, step, step_ends_us, COALESCE(unsent, '[]')
    FROM trading_day FOR UPDATE SKIP LOCKED
"""
_PHASES = """
    SELECT security_id, shard, phase, phase_cause, phase_ends_us FROM securities
    WHERE delisted_us IS NULL AND settlement_transfer_id IS NULL AND (
        (%(all)s AND competition IS NULL) OR phase_ends_us <= %(now_us)s
        OR (phase = 'auction' AND phase_cause = 'schedule' AND phase_ends_us IS NULL)
    ) ORDER BY security_id FOR UPDATE
"""
# The register may know less of a replaced order than the engine; when the order is opened again, its expiry is written
# again.
_TAKE_EXPIRED = """
    WITH due AS (
        SELECT client_id, order_id, expires_us FROM open_orders
        WHERE expires_us <= %s ORDER BY expires_us, order_id LIMIT %s FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE open_orders SET expires_us = NULL FROM due
        WHERE open_orders.client_id = due.client_id AND open_orders.order_id = due.order_id
    )
    SELECT due.expires_us, order_id, shard FROM due JOIN orders USING (order_id) JOIN securities USING (security_id)
    ORDER BY due.expires_us, order_id
"""

_ranges_of = msgspec.json.Decoder(list[Range]).decode


def lock(tx: Connection) -> Progress | None:
    """Return the day, locked until the end of the transaction; None while another worker has it."""
    row = tx.exec_driver_sql(_LOCK).first()
    if row is None:
        return None
    *durations, first_auction_us, step, step_ends_us, unsent = row
    return Progress(Day(*durations), first_auction_us, step, step_ends_us, _ranges_of(unsent))


def phases(tx: Connection, *, now_us: int, of_all: bool) -> list[PhaseOfSecurity]:
    """Lock and return the securities whose phases end by now, or have no end yet and need one; or all of them."""
    return [PhaseOfSecurity(*row) for row in tx.exec_driver_sql(_PHASES, {"now_us": now_us, "all": of_all})]


def take_expired(tx: Connection, *, now_us: int, limit: int) -> list[ExpiredOrder]:
    """Take the open orders that have expired by now, each once, in the order of their times."""
    return [ExpiredOrder(*row) for row in tx.exec_driver_sql(_TAKE_EXPIRED, (now_us, limit))]


def commands_of(tx: Connection, part: Range) -> list[Command]:
    """Return the commands of a range, as the log has them."""
    return commands_between(tx, part.shard, first_seq=part.first_seq, last_seq=part.last_seq)


def save(statements: Statements, progress: Progress) -> None:
    """Store the progress of the day."""
    statements.add(
        "UPDATE trading_day SET step = %s, step_ends_us = %s, unsent = %s",
        (progress.step, progress.step_ends_us, _text(progress.unsent)),
    )


def forget_unsent(tx: Connection, ranges: list[Range]) -> None:
    """Forget commands that are now on the queues of the engines; commands sequenced in the meantime stay."""
    tx.exec_driver_sql("UPDATE trading_day SET unsent = NULL WHERE unsent = %s", (_text(ranges),))


def _text(ranges: list[Range]) -> str | None:
    return msgspec.json.encode(ranges).decode() if ranges else None
