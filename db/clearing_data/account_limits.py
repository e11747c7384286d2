"""The limits of an account; one that it has not stands for the exchange's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from db.clearing_data.tables import DTCC, EXCHANGE


class AccountLimits(NamedTuple):
    """Limits of an account: columns of `accounts`, with these names; None stands for the exchange's default."""

    max_order_quantity: int | None = None
    max_order_notional_cents: int | None = None
    max_open_orders: int | None = None
    max_position: int | None = None
    short_limit: int | None = None
    orders_per_s: int | None = None


_COLUMNS = ", ".join(AccountLimits._fields)


def limits(tx: Connection, client_id: str) -> AccountLimits | None:
    """The limits of an account; None when there is no such account."""
    query = f"SELECT {_COLUMNS} FROM accounts WHERE client_id = %s"  # noqa: S608 - the names are ours
    row = tx.exec_driver_sql(query, (client_id,)).first()
    return AccountLimits(*row) if row else None


def change_limits(tx: Connection, client_id: str, changes: Mapping[str, int | None]) -> AccountLimits | None:
    """Change some limits of a trader, at least one, and return all; None when there is no such trader.

    The row is locked as order entry locks it: an order is admitted before this or sees it.
    """
    unknown = changes.keys() - set(AccountLimits._fields)
    if unknown:
        raise ValueError(f"not limits of an account: {unknown}")
    assignments = ", ".join(f"{name} = %({name})s" for name in changes)
    row = tx.exec_driver_sql(
        f"UPDATE accounts SET {assignments} "  # noqa: S608 - the names are ours
        f"WHERE client_id = %(client_id)s AND client_id <> ALL(%(not_traders)s) RETURNING {_COLUMNS}",
        {**changes, "client_id": client_id, "not_traders": [DTCC, EXCHANGE]},
    ).first()
    return AccountLimits(*row) if row else None
