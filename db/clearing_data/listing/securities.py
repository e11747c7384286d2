"""The securities, as those see them who only look."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from tasks.shared.rules.securities import Security

_SECURITIES = (
    "SELECT security_id, shard, tick_cents, min_price_cents, max_price_cents, issued_shares, price_cents, "
    "maker_fee_ppm, taker_fee_ppm, phase, phase_cause, phase_ends_us, reference_price_cents, band_ppm "
    "FROM securities LEFT JOIN last_prices USING (security_id) "
)


def listed(tx: Connection) -> list[Security]:
    """Return the listed securities in the order of their names, settled ones too."""
    query = _SECURITIES + "WHERE delisted_us IS NULL ORDER BY security_id"
    return [Security(*row) for row in tx.exec_driver_sql(query)]


def ever_listed(tx: Connection) -> list[Security]:
    """Those that are listed or were, in the order of their names."""
    return [Security(*row) for row in tx.exec_driver_sql(_SECURITIES + "ORDER BY security_id")]


def ids_ever_listed(tx: Connection) -> set[str]:
    """Return the ids of the securities that are listed or were."""
    return set(tx.exec_driver_sql("SELECT security_id FROM securities").scalars())


class FinalSettlement(NamedTuple):
    """What a security is settled at [cents/share], by a transfer with this id."""

    transfer_id: str
    value_cents: int


def final_settlement(tx: Connection, security_id: str) -> FinalSettlement | None:
    """What was sequenced of the final settlement of a security; None when there is none."""
    row = tx.exec_driver_sql(
        "SELECT settlement_transfer_id, settlement_cents FROM securities "
        "WHERE security_id = %s AND settlement_transfer_id IS NOT NULL",
        (security_id,),
    ).first()
    return FinalSettlement(*row) if row else None
