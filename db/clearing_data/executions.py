"""The register of executions: every event that was cleared, once, with all that its message said.

An event delivered again falls out by the primary key, and because its whole content is stored, another content
under a known id is seen, and the audit can hold each row against a replay of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg2.errors import UniqueViolation
from sqlalchemy import Connection, text

from db.connect import copy_rows
from tasks.messages import Execution, OrderClosed, TradeMade

TRADE = "trade"

COLUMNS = (
    "event_id",
    "kind",
    "security_id",
    "sequence",
    "price_cents",
    "quantity",
    "aggressor_side",
    "buy_order_id",
    "buyer",
    "hold_cents",
    "sell_order_id",
    "seller",
    "reason",
    "executed_us",
)


class AlreadySettled(Exception):
    """Some of the executions are in the register; the transaction is lost, and it may be tried without them."""


def register(tx: Connection, executions: Iterable[Execution], *, settled_us: int) -> None:
    """Enter executions, in the order of their ids, so that two who enter the same ones cannot block each other.

    raises  AlreadySettled
    """
    try:
        copy_rows(tx, "executions", (*COLUMNS, "settled_us"), [(*_row(one), settled_us) for one in executions])
    except UniqueViolation as violation:
        raise AlreadySettled from violation


def known(tx: Connection, executions: Iterable[Execution]) -> dict[int, Execution]:
    """Those events of the executions that are in the register, by id, as they stand there."""
    rows = tx.execute(
        text(f"SELECT {', '.join(COLUMNS)} FROM executions WHERE event_id = ANY(:ids)"),  # noqa: S608  # constants
        {"ids": [one.event_id for one in executions]},
    )
    return {row.event_id: _execution(row) for row in rows}


def between(tx: Connection, first_id: int, end_id: int) -> dict[int, Execution]:
    """The executions with first_id <= event id < end_id, by id."""
    rows = tx.execute(
        text(
            f"SELECT {', '.join(COLUMNS)} FROM executions "  # noqa: S608  # constants
            "WHERE event_id >= :first_id AND event_id < :end_id"
        ),
        {"first_id": first_id, "end_id": end_id},
    )
    return {row.event_id: _execution(row) for row in rows}


def _row(execution: Execution) -> tuple[object, ...]:
    if type(execution) is TradeMade:
        return (
            execution.event_id,
            TRADE,
            execution.security_id,
            execution.sequence,
            execution.price_cents,
            execution.quantity,
            execution.aggressor_side,
            execution.buy_order_id,
            execution.buyer,
            execution.buy_hold_cents,
            execution.sell_order_id,
            execution.seller,
            None,
            execution.traded_us,
        )
    assert type(execution) is OrderClosed
    order = (execution.order_id, execution.client_id, execution.hold_cents)
    return (
        execution.event_id,
        execution.status,
        execution.security_id,
        None,
        None,
        execution.quantity,
        None,
        *(order if execution.side == "buy" else (None, None, execution.hold_cents)),
        *(order[:2] if execution.side == "sell" else (None, None)),
        execution.reason,
        execution.closed_us,
    )


def _execution(row: Sequence[Any]) -> Execution:
    """The execution of a row with COLUMNS."""
    (
        event_id,
        kind,
        security_id,
        sequence,
        price_cents,
        quantity,
        aggressor_side,
        buy_order_id,
        buyer,
        hold_cents,
        sell_order_id,
        seller,
        reason,
        executed_us,
    ) = row
    if kind == TRADE:
        return TradeMade(
            event_id=event_id,
            security_id=security_id,
            sequence=sequence,
            price_cents=price_cents,
            quantity=quantity,
            aggressor_side=aggressor_side,
            buy_order_id=buy_order_id,
            buyer=buyer,
            buy_hold_cents=hold_cents,
            sell_order_id=sell_order_id,
            seller=seller,
            traded_us=executed_us,
        )
    return OrderClosed(
        event_id=event_id,
        order_id=buy_order_id or sell_order_id,
        client_id=buyer or seller,
        security_id=security_id,
        side="buy" if buy_order_id else "sell",
        quantity=quantity,
        hold_cents=hold_cents,
        status=kind,
        reason=reason,
        closed_us=executed_us,
    )
