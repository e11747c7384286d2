"""Reads of the referee outside its own tables."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from tasks.referee.rules.duty import Resting


def phase_events(tx: Connection, security_ids: Collection[str]) -> list[int]:
    """Return the event with which each security entered its phase."""
    rows = tx.exec_driver_sql(
        "SELECT phase_event_id FROM securities WHERE security_id = ANY(%s)", (list(security_ids),)
    )
    return list(rows.scalars())


_RESTING = """
    SELECT client_id, security_id, side, price_cents, quantity - filled_quantity - closed_quantity
    FROM open_orders JOIN orders USING (client_id, order_id)
    WHERE client_id = ANY(%s) AND price_cents IS NOT NULL AND stop_price_cents IS NULL
"""


def resting(tx: Connection, client_ids: Collection[str]) -> dict[str, list[Resting]]:
    """Return the open limit orders of clients, by client."""
    found: dict[str, list[Resting]] = {client_id: [] for client_id in client_ids}
    for client_id, *order in tx.exec_driver_sql(_RESTING, (list(client_ids),)):
        found[client_id].append(Resting(*order))
    return found
