"""Reads the reports of an order's life: of its request, of the first event after that, and of its settlement."""

from __future__ import annotations

from sqlalchemy import Connection, text

from db.market_data.reads import FIRST_EVENT
from tasks.data_feed.rules.rows import Report

# The busiest clients whose latest reports are searched for an order that has traded, and how many reports of each.
CLIENTS = 20
REPORTS_OF_EACH = 40

_COLUMNS = ", ".join(Report.__struct_fields__)
_OF_ORDER = """
    order_id = :order_id AND security_id = :security_id
    AND (CAST(:client_id AS text) IS NULL OR client_id = :client_id)
"""
_LIFE = text(
    # An order may have thousands of fills and settlements; this reads only three of its rows.
    f"""
    WITH first AS (
        SELECT report_id FROM reports
        WHERE {_OF_ORDER} AND report_id >= {FIRST_EVENT} AND side IS NOT NULL ORDER BY report_id LIMIT 1
    )
    SELECT {_COLUMNS} FROM reports
    WHERE {_OF_ORDER} AND report_id = ANY(ARRAY[
        :order_id, (SELECT report_id FROM first), (SELECT -report_id FROM first)])
    """  # noqa: S608 - the names are ours
)
_TRADES = text(
    f"""
    SELECT report_id FROM reports
    WHERE order_id = :order_id AND client_id = :client_id AND report_id >= {FIRST_EVENT} AND event_type = 'trade'
    ORDER BY report_id LIMIT :limit
    """  # noqa: S608 - a number of ours
)
# The life of an order that rests depends on when another order arrives, so this finds one that traded at once.
_TRADED = text(
    """
    SELECT latest.security_id, latest.order_id
    FROM (SELECT client_id FROM report_heads ORDER BY sequence DESC LIMIT :clients) AS busiest
    CROSS JOIN LATERAL (
        SELECT security_id, order_id, event_type, event_us, stored_us FROM reports
        WHERE reports.client_id = busiest.client_id ORDER BY sequence DESC LIMIT :reports
    ) AS latest
    JOIN reports AS placed ON placed.order_id = latest.order_id AND placed.report_id = latest.order_id
        -- It was placed just before it traded, so the reports are in the partitions of one day or two.
        AND placed.event_us BETWEEN latest.event_us - 60000000 AND latest.event_us + 60000000
    WHERE latest.event_type = 'settlement' AND placed.sent_us >= latest.event_us AND placed.began_us IS NOT NULL
    ORDER BY latest.stored_us DESC LIMIT 1
    """
)


def life_reports(tx: Connection, security_id: str, order_id: int, *, client_id: str | None) -> list[Report]:
    """Return the reports of the life of an order of `client_id`, or of any client with None; empty if unknown."""
    asked = {"security_id": security_id, "order_id": order_id, "client_id": client_id}
    return [Report(*row) for row in tx.execute(_LIFE, asked)]


def trades_of(tx: Connection, order_id: int, *, client_id: str, limit: int) -> list[int]:
    """Return the event ids of the first trades of a client's order."""
    asked = {"order_id": order_id, "client_id": client_id, "limit": limit}
    return list(tx.execute(_TRADES, asked).scalars())


def traded_order(tx: Connection) -> tuple[str, int] | None:
    """Return security and id of a recent order that traded as soon as it came; None if no recent order did."""
    row = tx.execute(_TRADED, {"clients": CLIENTS, "reports": REPORTS_OF_EACH}).first()
    return (row.security_id, row.order_id) if row else None
