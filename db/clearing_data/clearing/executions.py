"""The register of executions: every cleared event, once, with the whole content of its message.

The primary key rejects an event that is delivered again. Because the whole content is stored, a different content
under a known id is noticed, and the audit can compare each row with a replay of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from db.statements import Statements
from tasks.messages import Execution, OrderClosed, OrderReplaced, ReplaceRefused, TradeMade

TRADE = "trade"
FAILED = "failed"  # a trade that was not settled
REPLACED = "replaced"
REPLACE_REFUSED = "replace_refused"

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
    "terms",
)


# The columns of a trade's fields in their order, with its tag, which is its kind, before them.
_OTHER_NAMES = {"buy_hold_cents": "hold_cents", "traded_us": "executed_us"}
_TRADE_COLUMNS = ("kind", *(_OTHER_NAMES.get(name, name) for name in TradeMade.__struct_fields__))
assert set(_TRADE_COLUMNS) <= set(COLUMNS), "each field of TradeMade needs a column of executions"


class AlreadySettled(Exception):
    """Some executions are already registered; the transaction must be rolled back and may be retried without them."""


def register(statements: Statements, executions: Sequence[Execution], *, settled_us: int) -> None:
    """Enter executions in the order of their ids, so that two workers that enter the same ones cannot deadlock.

    raises  psycopg2.errors.UniqueViolation  here or when they run: some are already registered
    """
    trades = [one for one in executions if type(one) is TradeMade]
    others = [_row(one) for one in executions if type(one) is not TradeMade]
    of_all = {"settled_us": settled_us}
    # A trade message is already a row of the register. Trades come first in every batch: all workers use one order.
    statements.insert("executions", _TRADE_COLUMNS, trades, of_all)
    statements.insert("executions", COLUMNS, others, of_all)


def known(tx: Connection, executions: Iterable[Execution]) -> dict[int, Execution]:
    """Return the registered events among the executions, by id, with their registered content."""
    rows = tx.execute(
        text(f"SELECT {', '.join(COLUMNS)} FROM executions WHERE event_id = ANY(:ids)"),  # noqa: S608  # constants
        {"ids": [one.event_id for one in executions]},
    )
    return {row.event_id: execution_of(row) for row in rows}


def fail(tx: Connection, trades: Iterable[TradeMade], reason: str) -> None:
    """Mark trades that this transaction enters as failed."""
    tx.execute(
        text("UPDATE executions SET kind = :failed, reason = :reason WHERE event_id = ANY(:ids)"),
        {"failed": FAILED, "reason": reason, "ids": [trade.event_id for trade in trades]},
    )


def failed(tx: Connection, executions: Iterable[Execution]) -> dict[int, str]:
    """Return the reasons of the executions that failed, by id."""
    rows = tx.execute(
        text("SELECT event_id, reason FROM executions WHERE event_id = ANY(:ids) AND kind = :failed"),
        {"failed": FAILED, "ids": [one.event_id for one in executions]},
    )
    return {row.event_id: row.reason for row in rows}


def between(tx: Connection, first_id: int, end_id: int) -> dict[int, Execution]:
    """Return the executions with first_id <= event id < end_id, by id."""
    rows = tx.execute(
        text(
            f"SELECT {', '.join(COLUMNS)} FROM executions "  # noqa: S608  # constants
            "WHERE event_id >= :first_id AND event_id < :end_id"
        ),
        {"first_id": first_id, "end_id": end_id},
    )
    return {row.event_id: execution_of(row) for row in rows}


def of_orders(tx: Connection, order_ids: Sequence[int]) -> Iterator[Execution]:
    """Yield every execution of some orders. There is no index for this, so the query scans all executions."""
    rows = tx.execute(
        text(
            f"SELECT {', '.join(COLUMNS)} FROM executions "  # noqa: S608  # constants
            "WHERE buy_order_id = ANY(:ids) OR sell_order_id = ANY(:ids)"
        ),
        {"ids": order_ids},
    )
    return map(execution_of, rows)


def _row(execution: Execution) -> tuple[object, ...]:
    """Return the row, with COLUMNS, of an execution that is not a trade."""
    if type(execution) is OrderClosed:
        return (
            execution.event_id,
            execution.status,
            execution.security_id,
            None,
            None,
            execution.quantity,
            None,
            *_sides(execution, execution.hold_cents),
            execution.reason,
            execution.closed_us,
            None,
        )
    if type(execution) is OrderReplaced:
        return (
            execution.event_id,
            REPLACED,
            execution.security_id,
            None,
            execution.price_cents,
            execution.quantity,
            None,
            *_sides(execution, execution.hold_cents),
            None,
            execution.replaced_us,
            _terms(execution, "command_id", "old_open", "old_hold_cents", "open_quantity", "reserved"),
        )
    assert type(execution) is ReplaceRefused
    return (
        execution.event_id,
        REPLACE_REFUSED,
        execution.security_id,
        None,
        None,
        0,
        None,
        *_sides(execution, 0),
        execution.reason,
        execution.refused_us,
        _terms(execution, "command_id", "reserved"),
    )


def _sides(execution: OrderClosed | OrderReplaced | ReplaceRefused, hold_cents: int) -> tuple[object, ...]:
    """Return buy_order_id, buyer, hold_cents, sell_order_id, seller for an execution of a single order."""
    order = (execution.order_id, execution.client_id)
    return (*order, hold_cents, None, None) if execution.side == "buy" else (None, None, hold_cents, *order)


def _terms(execution: OrderReplaced | ReplaceRefused, *names: str) -> str:
    return msgspec.json.encode({name: getattr(execution, name) for name in names}).decode()


def execution_of(row: Sequence[Any]) -> Execution:
    """Return the execution of a row with COLUMNS."""
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
        terms,
    ) = row
    if kind in (TRADE, FAILED):
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
    order: dict[str, Any] = {
        "event_id": event_id,
        "order_id": buy_order_id or sell_order_id,
        "client_id": buyer or seller,
        "security_id": security_id,
        "side": "buy" if buy_order_id else "sell",
    }
    if kind == REPLACED:
        return OrderReplaced(
            **order,
            **msgspec.json.decode(terms),
            quantity=quantity,
            price_cents=price_cents,
            hold_cents=hold_cents,
            replaced_us=executed_us,
        )
    if kind == REPLACE_REFUSED:
        return ReplaceRefused(**order, **msgspec.json.decode(terms), reason=reason, refused_us=executed_us)
    return OrderClosed(
        **order, quantity=quantity, hold_cents=hold_cents, status=kind, reason=reason, closed_us=executed_us
    )
