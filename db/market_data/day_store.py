"""Writes and reads phases and auctions of securities: the last of each security, with a count of its changes."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import astuple
from sqlalchemy import Connection, text

from db.arrays import arrays
from tasks.data_feed.rules.day import AuctionState, PhaseState

_PHASE = f"SELECT {', '.join(PhaseState.__struct_fields__)} FROM phases "  # noqa: S608 - the names are ours
_AUCTION = f"SELECT {', '.join(AuctionState.__struct_fields__)} FROM auctions "  # noqa: S608

_MERGE_PHASES = text("""
    INSERT INTO phases AS old (security_id, sequence, event_id, phase, cause, ends_us, changed_us)
    SELECT security_id, 1, event_id, phase, cause, ends_us, changed_us FROM unnest(
        CAST(:security_id AS text[]), CAST(:sequence AS bigint[]), CAST(:event_id AS bigint[]),
        CAST(:phase AS text[]), CAST(:cause AS text[]), CAST(:ends_us AS bigint[]), CAST(:changed_us AS bigint[])
    ) AS new (security_id, sequence, event_id, phase, cause, ends_us, changed_us)
    ON CONFLICT (security_id) DO UPDATE SET sequence = old.sequence + 1, event_id = excluded.event_id,
        phase = excluded.phase, cause = excluded.cause, ends_us = excluded.ends_us, changed_us = excluded.changed_us
    WHERE old.event_id < excluded.event_id
    RETURNING security_id, sequence, event_id, phase, cause, ends_us, changed_us
""")
# Updates of one batch of the engine have one time; of these, the one that arrives last counts as the last.
_MERGE_AUCTIONS = text("""
    INSERT INTO auctions AS old (security_id, sequence, price_cents, volume, surplus, surplus_side, updated_us)
    SELECT security_id, 1, price_cents, volume, surplus, surplus_side, updated_us FROM unnest(
        CAST(:security_id AS text[]), CAST(:sequence AS bigint[]), CAST(:price_cents AS bigint[]),
        CAST(:volume AS bigint[]), CAST(:surplus AS bigint[]), CAST(:surplus_side AS text[]),
        CAST(:updated_us AS bigint[])
    ) AS new (security_id, sequence, price_cents, volume, surplus, surplus_side, updated_us)
    ON CONFLICT (security_id) DO UPDATE SET sequence = old.sequence + 1, price_cents = excluded.price_cents,
        volume = excluded.volume, surplus = excluded.surplus, surplus_side = excluded.surplus_side,
        updated_us = excluded.updated_us
    WHERE old.updated_us <= excluded.updated_us
        AND (old.price_cents, old.volume, old.surplus, old.surplus_side, old.updated_us) IS DISTINCT FROM
            (excluded.price_cents, excluded.volume, excluded.surplus, excluded.surplus_side, excluded.updated_us)
    RETURNING security_id, sequence, price_cents, volume, surplus, surplus_side, updated_us
""")


def store_phases(tx: Connection, phases: Sequence[PhaseState]) -> list[PhaseState]:
    """Store phases of different securities, in the order of their names; return those that changed."""
    if not phases:
        return []
    rows = tx.execute(_MERGE_PHASES, arrays(PhaseState.__struct_fields__, map(astuple, phases)))
    return [PhaseState(*row) for row in rows]


def store_auctions(tx: Connection, auctions: Sequence[AuctionState]) -> list[AuctionState]:
    """Store auctions of different securities, in the order of their names; return those that changed."""
    if not auctions:
        return []
    rows = tx.execute(_MERGE_AUCTIONS, arrays(AuctionState.__struct_fields__, map(astuple, auctions)))
    return [AuctionState(*row) for row in rows]


def phases(tx: Connection) -> list[PhaseState]:
    """Return the phases of all securities whose phase has ever changed, in the order of their names."""
    return [PhaseState(*row) for row in tx.execute(text(_PHASE + "ORDER BY security_id"))]


def auctions(tx: Connection) -> list[AuctionState]:
    """Return the last auction states of all securities, in the order of their names."""
    return [AuctionState(*row) for row in tx.execute(text(_AUCTION + "ORDER BY security_id"))]


def auction(tx: Connection, security_id: str) -> AuctionState | None:
    """Return the last auction state of a security; None before its first order in an auction."""
    row = tx.execute(text(_AUCTION + "WHERE security_id = :security_id"), {"security_id": security_id}).first()
    return AuctionState(*row) if row else None
