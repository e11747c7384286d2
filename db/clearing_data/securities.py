"""The listed securities."""

from __future__ import annotations

from sqlalchemy import Connection

from tasks.shared.rules.securities import Security

_LISTED = (
    "SELECT security_id, shard, tick_cents, min_price_cents, max_price_cents, issued_shares, halted, price_cents, "
    "maker_fee_ppm, taker_fee_ppm FROM securities LEFT JOIN last_prices USING (security_id) ORDER BY security_id"
)


def listed(tx: Connection) -> list[Security]:
    """All listed securities in the order of their names."""
    return [Security(*row) for row in tx.exec_driver_sql(_LISTED)]
