"""The listed securities and their last prices."""

from __future__ import annotations

from sqlalchemy import Connection, text

from db.clearing_data.rows import Security

_LISTED = text(
    "SELECT security_id, shard, tick_cents, min_price_cents, max_price_cents, issued_shares, halted "
    "FROM securities ORDER BY security_id"
)


def listed(tx: Connection) -> list[Security]:
    """All listed securities in the order of their names."""
    return [Security(*row) for row in tx.execute(_LISTED)]


def last_prices(tx: Connection) -> dict[str, int]:
    """The last price of each security that has one, at first its reference price [cents/share]."""
    return {row.security_id: row.price_cents for row in tx.execute(text("SELECT * FROM last_prices"))}
