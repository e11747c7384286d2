"""Reads and writes of order entry for securities, in its one transaction.

Securities that change are locked in the order of their names, after accounts and before shards.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from db.clearing_data.clients.accounts import ISSUER
from db.clearing_data.tables import DTCC
from db.statements import Statements
from tasks.order_entry.rules.security_changes import NewPhase, NewSecurity, SecurityChanges
from tasks.shared.rules.securities import Security

# A transaction that lists a security holds this lock, so that securities are spread evenly over the shards; the
# number is arbitrary.
_LISTING = 7_266_003

_LOCK = """
    SELECT security_id, shard, tick_cents, min_price_cents, max_price_cents, issued_shares,
        (SELECT price_cents FROM last_prices WHERE last_prices.security_id = securities.security_id),
        maker_fee_ppm, taker_fee_ppm, phase, phase_cause, phase_ends_us, reference_price_cents, band_ppm, competition,
        settlement_transfer_id IS NOT NULL
    FROM securities WHERE security_id = ANY(%s) AND delisted_us IS NULL ORDER BY security_id FOR UPDATE
"""
_BUSY = """
    SELECT DISTINCT security_id FROM orders WHERE security_id = ANY(%s)
        AND order_id IN (SELECT order_id FROM open_orders UNION ALL SELECT order_id FROM pending_replaces)
"""
_LOAD = """
    SELECT shard, count(security_id) AS securities FROM shards
    LEFT JOIN (SELECT shard, security_id FROM securities WHERE delisted_us IS NULL) AS listed USING (shard)
    GROUP BY shard
"""


# From the first moment, accounts outside a competition cannot trade its securities.
_RESERVED_FOR = "(SELECT competition FROM competition_securities WHERE security_id = %s)"


class LockedSecurity(NamedTuple):
    """A listed security that no other transaction changes, and whether its settlement is in the log."""

    security: Security
    is_over: bool


def lock(tx: Connection, security_ids: Collection[str]) -> list[LockedSecurity]:
    """Lock and return the listed securities among these."""
    rows = tx.exec_driver_sql(_LOCK, (list(security_ids),))
    return [LockedSecurity(Security(*row[:-1]), row[-1]) for row in rows]


def busy(tx: Connection, security_ids: Collection[str]) -> set[str]:
    """Return the securities among these that have open orders."""
    return set(tx.exec_driver_sql(_BUSY, (list(security_ids),)).scalars())


def owed(tx: Connection, security_ids: Collection[str]) -> set[str]:
    """Return the securities among these of which clients owe shares."""
    rows = tx.exec_driver_sql(
        "SELECT DISTINCT security_id FROM holdings WHERE security_id = ANY(%s) AND borrowed > 0", (list(security_ids),)
    )
    return set(rows.scalars())


def ever_listed(tx: Connection, security_ids: Collection[str]) -> set[str]:
    """Return the ids among these that a security has or had; no other transaction lists one until this one ends."""
    tx.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LISTING,))
    rows = tx.exec_driver_sql("SELECT security_id FROM securities WHERE security_id = ANY(%s)", (list(security_ids),))
    return set(rows.scalars())


def load(tx: Connection) -> dict[int, int]:
    """Return how many listed securities each shard has."""
    return {row.shard: row.securities for row in tx.exec_driver_sql(_LOAD)}


def write(statements: Statements, changes: SecurityChanges, event_ids: Mapping[int, int], *, now_us: int) -> None:
    """Write the changes of securities, whose rows are locked.

    event_ids  the first event of each command that changes a phase, by its number
    """
    for listed in changes.listed:
        _insert(statements, listed, now_us)
    for security_id, band_ppm in changes.bands.items():
        statements.add("UPDATE securities SET band_ppm = %s WHERE security_id = %s", (band_ppm, security_id))
    for security_id, settlement in changes.settlements.items():
        statements.add(
            "UPDATE securities SET settlement_transfer_id = %s, settlement_cents = %s WHERE security_id = %s",
            (*settlement, security_id),
        )
    for security_id in changes.delisted:
        statements.add("UPDATE securities SET delisted_us = %s WHERE security_id = %s", (now_us, security_id))
    for security_id, phase in changes.phases.items():
        set_phase(statements, security_id, phase, event_id=event_ids[phase.command_id])


def set_phase(statements: Statements, security_id: str, phase: NewPhase, *, event_id: int) -> None:
    """Write the phase of a security as of a command; `event_id` is the first event that the command could have."""
    statements.add(
        "UPDATE securities SET phase = %s, phase_cause = %s, phase_ends_us = %s, phase_event_id = %s "
        "WHERE security_id = %s",
        (phase.phase, phase.cause, phase.ends_us, event_id, security_id),
    )


def _insert(statements: Statements, listed: NewSecurity, now_us: int) -> None:
    """Insert a security, with all of its shares held by DTCC."""
    security_id = listed.security_id
    columns = (
        "security_id, shard, reference_price_cents, tick_cents, min_price_cents, max_price_cents, issued_shares, "
        "maker_fee_ppm, taker_fee_ppm, band_ppm, competition"
    )
    values = f"{', '.join(['%s'] * len(listed))}, {_RESERVED_FOR}"
    statements.add(f"INSERT INTO securities ({columns}) VALUES ({values})", (*listed, security_id))  # noqa: S608
    statements.add("INSERT INTO last_prices VALUES (%s, %s, 0)", (security_id, listed.reference_cents))
    statements.add(
        "INSERT INTO holdings (client_id, security_id, shares) VALUES (%s, %s, %s)",
        (DTCC, security_id, listed.issued_shares),
    )
    statements.add(
        "INSERT INTO ledger (transfer_id, booked_us, kind, account, contra_account, security_id, cash_cents, shares) "
        "VALUES (%s, %s, 'issue', %s, %s, %s, 0, %s)",
        (f"issue:{security_id}", now_us, DTCC, ISSUER, security_id, listed.issued_shares),
    )
    if listed.maker_fee_ppm or listed.taker_fee_ppm:
        statements.add(
            "INSERT INTO fee_rates VALUES (%s, 0, %s, %s, %s)",
            (security_id, now_us, listed.maker_fee_ppm, listed.taker_fee_ppm),
        )
