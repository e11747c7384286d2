"""What the referee reads of the exchange besides its own tables."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection


def phase_events(tx: Connection, security_ids: Collection[str]) -> list[int]:
    """Return the event from which on each security has its phase."""
    rows = tx.exec_driver_sql(
        "SELECT phase_event_id FROM securities WHERE security_id = ANY(%s)", (list(security_ids),)
    )
    return list(rows.scalars())
