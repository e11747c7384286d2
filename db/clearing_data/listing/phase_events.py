"""Writes of order execution about security events: phases that the engine reports, and final settlements.

Of two reports of a phase the one with the higher event id counts, in whichever order they come; order entry has written
its own sequenced changes with the first event id that they could have.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from tasks.messages import PhaseChanged, SecuritySettled

_CHANGE_PHASE = """
    UPDATE securities SET phase = %s, phase_cause = %s, phase_ends_us = %s, phase_event_id = %s
    WHERE security_id = %s AND phase_event_id < %s AND phase <> 'settled'
"""
_SETTLE = """
    UPDATE securities SET settlement_event_id = %s
    WHERE security_id = %s AND settlement_cents = %s AND settlement_event_id IS NULL
"""


def write(tx: Connection, events: Sequence[PhaseChanged | SecuritySettled]) -> None:
    """Write events, which may have been written before; lock the securities in the order of their names."""
    for event in sorted(events, key=lambda event: (event.security_id, event.event_id)):
        if isinstance(event, PhaseChanged):
            phase = event.phase, event.cause, event.ends_us, event.event_id
            tx.exec_driver_sql(_CHANGE_PHASE, (*phase, event.security_id, event.event_id))
        else:
            tx.exec_driver_sql(_SETTLE, (event.event_id, event.security_id, event.value_cents))
