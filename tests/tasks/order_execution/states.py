"""What settlement writes, as rows to compare, and a way back to an earlier state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import text

from db.connect import Database
from tasks.messages import Execution, ExecutionBatch
from tasks.order_execution.settle import settle_once
from tests.support.ledger import unprotected
from tests.support.trading import NOW_US

# Everything that settlement writes, except the numbers that Postgres gives to rows.
STATE = {
    "accounts": "SELECT client_id, balance_cents, held_cents, open_orders FROM accounts ORDER BY 1",
    "holdings": "SELECT client_id, security_id, shares, held FROM holdings ORDER BY 1, 2",
    "orders": (
        "SELECT order_id, status, filled_quantity, filled_cents, closed_quantity, reason, updated_us, "
        "quantity, price_cents, hold_cents, largest_quantity, terms_event_id FROM orders ORDER BY 1"
    ),
    "open_orders": "SELECT * FROM open_orders ORDER BY 1, 2",
    "pending_replaces": "SELECT * FROM pending_replaces ORDER BY 1, 2",
    "last_prices": "SELECT * FROM last_prices ORDER BY 1",
    "executions": "SELECT * FROM executions ORDER BY 1",
    "ledger": (
        "SELECT event_id, transfer_id, account, contra_account, security_id, cash_cents, shares "
        "FROM ledger WHERE kind NOT IN ('loan', 'return') ORDER BY 1, 2, 3, 4"
    ),
    # Shares may be lent and returned that another order of arrival nets.
    "loans": (
        "SELECT client_id, security_id, borrowed, located, sold_cents, "
        "(SELECT COALESCE(sum(ledger.shares), 0) FROM ledger WHERE kind IN ('loan', 'return') "
        "AND account = client_id AND ledger.security_id = holdings.security_id) "
        "FROM holdings WHERE borrowed > 0 OR located > 0 OR sold_cents > 0 ORDER BY 1, 2"
    ),
    "collateral": "SELECT client_id, collateral_cents FROM accounts ORDER BY 1",
    "short_sales": "SELECT * FROM short_sales ORDER BY 1, 2, 3",
}


def state(clearing_data: Database) -> dict[str, list[tuple[object, ...]]]:
    with clearing_data.snapshot() as tx:
        return {table: [tuple(row) for row in tx.execute(text(query))] for table, query in STATE.items()}


def account(clearing_data: Database, client_id: str) -> tuple[int, int, int]:
    """(balance, held, open orders)"""
    rows = state(clearing_data)["accounts"]
    return next(row[1:] for row in rows if row[0] == client_id)  # type: ignore[return-value]


def order(clearing_data: Database, order_id: int) -> tuple[object, ...]:
    """(status, filled, closed, reason)"""
    row = next(row for row in state(clearing_data)["orders"] if row[0] == order_id)
    return (row[1], row[2], row[4], row[5])


def executions_of(batches: Sequence[ExecutionBatch]) -> list[Execution]:
    return [execution for batch in batches for execution in batch.executions]


def settle(clearing_data: Database, executions: Sequence[Execution]) -> None:
    settle_once(clearing_data, sorted(executions, key=lambda one: one.event_id), settled_us=NOW_US)


@contextmanager
def restorable(clearing_data: Database) -> Iterator[Callable[[], None]]:
    """Gives a function that undoes all settlement since the beginning of the block."""
    changed = ("accounts", "holdings", "orders", "open_orders", "pending_replaces", "last_prices", "short_sales")
    with clearing_data.transaction() as tx:
        tx.execute(text("DROP SCHEMA IF EXISTS entered CASCADE; CREATE SCHEMA entered"))
        for table in changed:
            tx.execute(text(f"CREATE TABLE entered.{table} AS TABLE {table}"))

    def restore() -> None:
        with clearing_data.transaction() as tx, unprotected(tx):
            tx.execute(text(f"TRUNCATE executions, {', '.join(changed)}"))
            tx.execute(text("DELETE FROM ledger WHERE event_id IS NOT NULL OR kind IN ('loan', 'return')"))
            for table in changed:
                tx.execute(text(f"INSERT INTO {table} TABLE entered.{table}"))

    yield restore
    with clearing_data.transaction() as tx:
        tx.execute(text("DROP SCHEMA entered CASCADE"))
