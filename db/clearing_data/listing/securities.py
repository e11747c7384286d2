"""Reads of securities, for callers that do not change them."""

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
    """Return the listed securities, including settled ones, in the order of their names."""
    query = _SECURITIES + "WHERE delisted_us IS NULL ORDER BY security_id"
    return [Security(*row) for row in tx.exec_driver_sql(query)]


def ever_listed(tx: Connection) -> list[Security]:
    """Return the securities that are or were listed, in the order of their names."""
    return [Security(*row) for row in tx.exec_driver_sql(_SECURITIES + "ORDER BY security_id")]


def ids_ever_listed(tx: Connection) -> set[str]:
    """Return the ids of the securities that are or were listed."""
    return set(tx.exec_driver_sql("SELECT security_id FROM securities").scalars())


class FinalSettlement(NamedTuple):
    """The value at which a security is settled [cents/share], and the id of the transfer."""

    transfer_id: str
    value_cents: int


def final_settlement(tx: Connection, security_id: str) -> FinalSettlement | None:
    """Return the sequenced final settlement of a security; None when there is none."""
    row = tx.exec_driver_sql(
        "SELECT settlement_transfer_id, settlement_cents FROM securities "
        "WHERE security_id = %s AND settlement_transfer_id IS NOT NULL",
        (security_id,),
    ).first()
    return FinalSettlement(*row) if row else None
