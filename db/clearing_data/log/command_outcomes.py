"""The decisions of order entry about commands, for senders that wait for them."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sqlalchemy import Connection


class Outcome(NamedTuple):
    """Whether a command is in the log, or was denied with a reason."""

    decision: Literal["logged", "denied"]
    reason: str | None


_OUTCOME = """
    SELECT 'logged', NULL FROM order_log WHERE command_id = %(command_id)s
    UNION ALL SELECT 'denied', reason FROM denials WHERE command_id = %(command_id)s
"""


def outcome(tx: Connection, command_id: int) -> Outcome | None:
    """Return the outcome of a command; None while order entry has not decided it."""
    row = tx.exec_driver_sql(_OUTCOME, {"command_id": command_id}).first()
    return Outcome(*row) if row else None
