"""Netting: the cash and shares that clients owe and are owed by the trades of a window of time."""

from __future__ import annotations

from sqlalchemy import Connection, text

from tasks.order_execution.rules.netting import Turnover

_TURNOVERS = text(
    """
    SELECT account, security_id, count(*),
        CAST(COALESCE(sum(shares) FILTER (WHERE shares > 0), 0) AS bigint),
        CAST(COALESCE(-sum(cash_cents) FILTER (WHERE shares > 0), 0) AS bigint),
        CAST(COALESCE(-sum(shares) FILTER (WHERE shares < 0), 0) AS bigint),
        CAST(COALESCE(sum(cash_cents) FILTER (WHERE shares < 0), 0) AS bigint)
    FROM ledger WHERE kind = 'trade' AND booked_us >= :from_us AND booked_us < :to_us
    GROUP BY account, security_id ORDER BY account, security_id
    """
)


def turnovers(tx: Connection, *, from_us: int, to_us: int) -> list[Turnover]:
    """Return each client's purchases and sales of each security in trades settled in [from_us, to_us)."""
    return [Turnover(*row) for row in tx.execute(_TURNOVERS, {"from_us": from_us, "to_us": to_us})]
