"""Writes what a unit of executions changes: one statement a table, whatever the size of the unit.

The order of the locks is that of the whole exchange: executions, accounts, and under a client's account row its
orders and holdings; last prices last. The rows of DTCC are never locked; it is flat over every trade.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from psycopg2.errors import CheckViolation
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from db.arrays import array
from db.clearing_data.changes import (
    AccountChange,
    ChangedOrder,
    HoldingChange,
    LastPrice,
    LedgerEntry,
    OrderChange,
    Settlement,
)
from db.clearing_data.tables import DTCC
from db.connect import copy_rows


class BooksBroken(Exception):
    """Accounts or holdings do not cover what their own open orders need."""


_LOCK_ACCOUNTS = text("SELECT 1 FROM accounts WHERE client_id = ANY(:client_ids) ORDER BY client_id FOR UPDATE")


def lock_accounts(tx: Connection, clients: Iterable[str]) -> None:
    """Lock the accounts of clients, always in the same order; so their orders and holdings are ours, too."""
    tx.execute(_LOCK_ACCOUNTS, {"client_ids": list(clients)})


# An order is closed when fills and closes add up to its quantity, in whichever order they came. A close of the whole
# order says whether it was cancelled or rejected; with a fill before or after it, it was cancelled.
_CHANGE_ORDERS = text(
    """
    WITH changed AS (
        UPDATE orders SET
            filled_quantity = orders.filled_quantity + change.filled_quantity,
            filled_cents = orders.filled_cents + change.filled_cents,
            closed_quantity = orders.closed_quantity + change.closed_quantity,
            status = CASE
                WHEN orders.filled_quantity + change.filled_quantity = orders.quantity THEN 'filled'
                WHEN change.closed_quantity = orders.quantity AND change.rejected THEN 'rejected'
                WHEN orders.filled_quantity + change.filled_quantity
                   + orders.closed_quantity + change.closed_quantity = orders.quantity THEN 'cancelled'
                WHEN orders.filled_quantity + change.filled_quantity > 0 THEN 'partially_filled'
                ELSE 'new'
            END,
            reason = COALESCE(change.reason, orders.reason),
            updated_us = GREATEST(orders.updated_us, change.updated_us)
        FROM unnest(
            CAST(:order_ids AS bigint[]), CAST(:filled_quantities AS bigint[]), CAST(:filled_cents AS bigint[]),
            CAST(:closed_quantities AS bigint[]), CAST(:rejected AS boolean[]), CAST(:reasons AS text[]),
            CAST(:updated_us AS bigint[])
        ) AS change (order_id, filled_quantity, filled_cents, closed_quantity, rejected, reason, updated_us)
        WHERE orders.order_id = change.order_id
            AND orders.status IN ('new', 'partially_filled')
            AND orders.filled_quantity + change.filled_quantity
              + orders.closed_quantity + change.closed_quantity <= orders.quantity
        RETURNING orders.order_id, orders.client_id, orders.security_id, orders.side, orders.hold_cents,
            orders.filled_quantity + orders.closed_quantity = orders.quantity AS is_closed
    ), no_longer_open AS (
        DELETE FROM open_orders USING changed
        WHERE changed.is_closed
            AND open_orders.client_id = changed.client_id AND open_orders.order_id = changed.order_id
    )
    SELECT order_id, client_id, security_id, side, hold_cents, is_closed FROM changed
    """
)


def change_orders(tx: Connection, changes: Mapping[int, OrderChange]) -> list[ChangedOrder]:
    """Write what happened to open orders; returns those that were open for as much as the change says."""
    rows = tx.execute(
        _CHANGE_ORDERS,
        {
            "order_ids": array(changes),
            "filled_quantities": array([change.filled_quantity for change in changes.values()]),
            "filled_cents": array([change.filled_cents for change in changes.values()]),
            "closed_quantities": array([change.closed_quantity for change in changes.values()]),
            "rejected": array([change.rejected for change in changes.values()]),
            "reasons": [change.reason for change in changes.values()],
            "updated_us": array([change.updated_us for change in changes.values()]),
        },
    )
    return [ChangedOrder(*row) for row in rows]


def write(tx: Connection, settlement: Settlement, closed_orders: Mapping[str, int], *, booked_us: int) -> None:
    """Write what a unit changes beside the orders.

    closed_orders  how many orders of each client are open no more

    raises  BooksBroken  and then the transaction is lost
    """
    try:
        _change_accounts(tx, settlement.accounts, closed_orders)
        _change_holdings(tx, settlement.holdings)
    except IntegrityError as violation:
        if isinstance(violation.orig, CheckViolation):
            raise BooksBroken(str(violation.orig)) from violation
        raise
    _book(tx, settlement.ledger, booked_us)
    _set_last_prices(tx, settlement.last_prices)


_CHANGE_ACCOUNTS = text(
    """
    UPDATE accounts SET
        balance_cents = accounts.balance_cents + change.balance_cents,
        held_cents = accounts.held_cents + change.held_cents,
        open_orders = accounts.open_orders - change.closed_orders
    FROM unnest(
        CAST(:client_ids AS text[]), CAST(:balance_cents AS bigint[]), CAST(:held_cents AS bigint[]),
        CAST(:closed_orders AS bigint[])
    ) AS change (client_id, balance_cents, held_cents, closed_orders)
    WHERE accounts.client_id = change.client_id
    """
)


def _change_accounts(tx: Connection, changes: Mapping[str, AccountChange], closed_orders: Mapping[str, int]) -> None:
    changed = tx.execute(
        _CHANGE_ACCOUNTS,
        {
            "client_ids": list(changes),
            "balance_cents": array([change.balance_cents for change in changes.values()]),
            "held_cents": array([change.held_cents for change in changes.values()]),
            "closed_orders": array([closed_orders.get(client_id, 0) for client_id in changes]),
        },
    )
    if changed.rowcount != len(changes):
        raise BooksBroken(f"an order without an account, of one of {sorted(changes)[:10]}")


_CHANGE_HOLDINGS = text(
    """
    UPDATE holdings SET shares = holdings.shares + change.shares, held = holdings.held + change.held
    FROM unnest(
        CAST(:client_ids AS text[]), CAST(:security_ids AS text[]), CAST(:shares AS bigint[]), CAST(:held AS bigint[])
    ) AS change (client_id, security_id, shares, held)
    WHERE holdings.client_id = change.client_id AND holdings.security_id = change.security_id
    RETURNING holdings.client_id, holdings.security_id
    """
)

_OPEN_HOLDINGS = text(
    """
    INSERT INTO holdings (client_id, security_id, shares, held)
    SELECT * FROM unnest(
        CAST(:client_ids AS text[]), CAST(:security_ids AS text[]), CAST(:shares AS bigint[]), CAST(:held AS bigint[])
    )
    """
)


def _change_holdings(tx: Connection, changes: Mapping[tuple[str, str], HoldingChange]) -> None:
    """Change holdings, and open one for a buyer who never had the security.

    An upsert would not do: it holds the proposed row, a seller's negative difference, against the CHECK first.
    """
    changed = {tuple(row) for row in tx.execute(_CHANGE_HOLDINGS, _columns_of(changes))}
    if len(changed) < len(changes):
        tx.execute(_OPEN_HOLDINGS, _columns_of({key: changes[key] for key in changes.keys() - changed}))


def _columns_of(changes: Mapping[tuple[str, str], HoldingChange]) -> dict[str, object]:
    return {
        "client_ids": [client_id for client_id, _ in changes],
        "security_ids": [security_id for _, security_id in changes],
        "shares": array([change.shares for change in changes.values()]),
        "held": array([change.held for change in changes.values()]),
    }


def _book(tx: Connection, entries: Iterable[LedgerEntry], booked_us: int) -> None:
    """Enter the legs of trades in the ledger, each against DTCC."""
    copy_rows(
        tx,
        "ledger",
        ("kind", "contra_account", "booked_us", *LedgerEntry._fields),
        [("trade", DTCC, booked_us, *entry) for entry in entries],
    )


# The rows are locked in the order of the securities, or two units could block each other.
_SET_LAST_PRICES = text(
    """
    WITH newer AS (
        SELECT security_id, trade.event_id, trade.price_cents
        FROM last_prices
        JOIN unnest(
            CAST(:security_ids AS text[]), CAST(:event_ids AS bigint[]), CAST(:price_cents AS bigint[])
        ) AS trade (security_id, event_id, price_cents) USING (security_id)
        WHERE trade.event_id > last_prices.event_id
        ORDER BY security_id
        FOR UPDATE OF last_prices
    )
    UPDATE last_prices SET event_id = newer.event_id, price_cents = newer.price_cents
    FROM newer WHERE last_prices.security_id = newer.security_id
    """
)


def _set_last_prices(tx: Connection, prices: Mapping[str, LastPrice]) -> None:
    if not prices:
        return
    tx.execute(
        _SET_LAST_PRICES,
        {
            "security_ids": list(prices),
            "event_ids": array([price.event_id for price in prices.values()]),
            "price_cents": array([price.price_cents for price in prices.values()]),
        },
    )
