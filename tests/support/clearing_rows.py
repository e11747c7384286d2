"""Reads and changes of clearing_data that only tests need."""

from __future__ import annotations

from sqlalchemy import Connection, text

from db.clearing_data.log import orders
from db.clearing_data.rows import Order


def order_by_client_order_id(tx: Connection, client_id: str, client_order_id: str) -> Order | None:
    """Return an order by its client's own id; None when order entry has not decided it."""
    found = tx.execute(
        text("SELECT order_id FROM orders WHERE client_id = :client_id AND client_order_id = :client_order_id"),
        {"client_id": client_id, "client_order_id": client_order_id},
    ).scalar()
    return None if found is None else orders.order(tx, found)


def revoke_keys(tx: Connection, client_id: str, *, now_us: int) -> int:
    """Revoke all keys of a client, and return their number."""
    return tx.execute(
        text("UPDATE api_keys SET revoked_us = :now_us WHERE client_id = :client_id AND revoked_us IS NULL"),
        {"client_id": client_id, "now_us": now_us},
    ).rowcount
