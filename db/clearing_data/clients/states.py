"""The state of an account: open, stopped by the admin for now, or closed for good."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection, text

from db.clearing_data.tables import DTCC, EXCHANGE

AccountState = Literal["open", "stopped", "closed"]


def set_stopped(tx: Connection, client_id: str, *, stopped: bool) -> AccountState | None:
    """Stop an account, or open it again; return its state afterwards, None when there is no such trader.

    The row is locked as order entry locks it, so each order is either admitted before the change or sees it.
    A closed account stays closed.
    """
    row = tx.execute(
        text(
            "UPDATE accounts SET state = CASE WHEN state = 'closed' THEN state ELSE :state END "
            "WHERE client_id = :client_id AND client_id <> ALL(:not_traders) RETURNING state"
        ),
        {
            "client_id": client_id,
            "state": "stopped" if stopped else "open",
            "not_traders": [DTCC, EXCHANGE],
        },
    ).first()
    return row.state if row else None


def close(tx: Connection, client_id: str) -> Literal["closed", "owes_shares"] | None:
    """Close an account for good, unless it owes shares; None when there is no such trader.

    Its content still belongs to the client and can be withdrawn. Trades of it that are not settled yet will fail.
    """
    row = tx.execute(
        text(
            "UPDATE accounts SET state = CASE WHEN collateral_cents = 0 THEN 'closed' ELSE state END "
            "WHERE client_id = :client_id AND client_id <> ALL(:not_traders) RETURNING collateral_cents"
        ),
        {"client_id": client_id, "not_traders": [DTCC, EXCHANGE]},
    ).first()
    if row is None:
        return None
    return "owes_shares" if row.collateral_cents else "closed"
