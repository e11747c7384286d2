"""Messages of order entry that may be ending its workers, and how often each was handled alone."""

from __future__ import annotations

from sqlalchemy import Connection

_ATTEMPT = """
    INSERT INTO suspects AS known (message_id, attempts, last_us) VALUES (%s, 1, %s)
    ON CONFLICT (message_id) DO UPDATE SET attempts = known.attempts + 1, last_us = excluded.last_us
    RETURNING attempts
"""


def attempt(tx: Connection, message_id: str, *, now_us: int) -> int:
    """Note that a worker is about to handle a message; return the number of attempts, including this one."""
    return int(tx.exec_driver_sql(_ATTEMPT, (message_id, now_us)).scalar_one())


def forget(tx: Connection, *, before_us: int) -> None:
    """Delete messages whose last attempt was before a time [us since 1970, UTC]."""
    tx.exec_driver_sql("DELETE FROM suspects WHERE last_us < %s", (before_us,))
