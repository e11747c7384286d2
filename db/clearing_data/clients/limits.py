"""Limits of a single account, which replace those of the exchange."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from db.clearing_data.tables import DTCC, EXCHANGE


class AccountLimits(NamedTuple):
    """The limits in a row; None where the exchange's limit applies."""

    max_order_quantity: int | None = None
    max_order_notional_cents: int | None = None
    max_open_orders: int | None = None
    max_position: int | None = None
    short_limit: int | None = None
    orders_per_s: int | None = None


_COLUMNS = ", ".join(AccountLimits._fields)


def limits(tx: Connection, client_id: str) -> AccountLimits | None:
    """Return the limits of an account; None when there is no such account."""
    query = f"SELECT {_COLUMNS} FROM accounts WHERE client_id = %s"  # noqa: S608 - the text is ours
    row = tx.exec_driver_sql(query, (client_id,)).first()
    return AccountLimits(*row) if row else None


def of_all(tx: Connection) -> dict[str, AccountLimits]:
    """Return the limits of the accounts that have any of their own."""
    query = f"SELECT client_id, {_COLUMNS} FROM accounts WHERE num_nonnulls({_COLUMNS}) > 0"  # noqa: S608
    return {client_id: AccountLimits(*own) for client_id, *own in tx.exec_driver_sql(query)}


def change(tx: Connection, client_id: str, changes: Mapping[str, int | None]) -> AccountLimits | None:
    """Change some of the limits, by their fields; return all limits afterwards, None when there is no such trader.

    The row is locked as order entry locks it, so each order is either admitted before the change or sees it. A limit
    below what an account already holds or has open closes nothing.
    """
    wrong = changes.keys() - set(AccountLimits._fields)
    if wrong:
        raise ValueError(f"there are no limits {sorted(wrong)}")
    assignments = ", ".join(f"{name} = %s" for name in changes) or "state = state"
    row = tx.exec_driver_sql(
        f"UPDATE accounts SET {assignments} "  # noqa: S608 - the names are ours
        f"WHERE client_id = %s AND client_id <> ALL(%s) RETURNING {_COLUMNS}",
        (*changes.values(), client_id, [DTCC, EXCHANGE]),
    ).first()
    return AccountLimits(*row) if row else None
