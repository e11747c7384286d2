"""The records of a competition: the orders and ledger entries of its accounts, read in parts and in order."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection


class KeptOrder(NamedTuple):
    """An order of an account."""

    order_id: int
    client_id: str
    security_id: str
    type: str
    side: str
    quantity: int
    price_cents: int | None
    time_in_force: str
    status: str
    reason: str | None
    filled_quantity: int
    filled_cents: int
    created_us: int
    updated_us: int


class KeptEntry(NamedTuple):
    """An entry of the ledger of an account."""

    entry_id: int
    account: str
    kind: str
    security_id: str | None
    cash_cents: int
    shares: int
    event_id: int | None
    transfer_id: str | None
    booked_us: int


# Fees name no security, so an entry belongs to the round of its event; see the recount in bots.competition.
_ORDERS = f"""
    SELECT {", ".join(KeptOrder._fields)} FROM orders
    WHERE client_id = %s AND order_id > %s ORDER BY order_id LIMIT %s
"""  # noqa: S608
_LEDGER = f"""
    SELECT {", ".join(KeptEntry._fields)} FROM ledger
    WHERE account = %s AND (booked_us, entry_id) > (%s, %s) ORDER BY booked_us, entry_id LIMIT %s
"""  # noqa: S608


def orders_after(tx: Connection, client_id: str, *, order_id: int, limit: int) -> list[KeptOrder]:
    """Return the orders of an account above an id, in their order."""
    return [KeptOrder(*row) for row in tx.exec_driver_sql(_ORDERS, (client_id, order_id, limit))]


def entries_after(tx: Connection, account: str, *, booked_us: int, entry_id: int, limit: int) -> list[KeptEntry]:
    """Return the entries of an account after a given one, in their order."""
    return [KeptEntry(*row) for row in tx.exec_driver_sql(_LEDGER, (account, booked_us, entry_id, limit))]
