"""Reads the reports of an order's life: of its request, of the first event after that, and of its settlement."""

from __future__ import annotations

from sqlalchemy import Connection

from db.market_data import reports_view
from db.market_data.reads import FIRST_EVENT, of_order
from db.statements import PreparedQuery
from tasks.data_feed.rules.rows import Report

# The number of latest messages searched for the settlement of an order that traded at once, and the number of
# settlements of each.
MESSAGES = 200
SETTLEMENTS_OF_EACH = 20

_OF_ORDER = f"""
    {reports_view.reports("{order} = :order_id", times="{time} >= :from_us")}
    AND listed.security_id = :security_id AND message.stamp >= :from_stamp
    AND (CAST(:client_id AS text) IS NULL OR head.client_id = :client_id)
"""
_LIFE = PreparedQuery(
    "life",
    f"""
    WITH of_order AS ({_OF_ORDER}), first AS (
        SELECT min(report_id) AS report_id FROM of_order WHERE report_id >= {FIRST_EVENT} AND side IS NOT NULL
    )
    SELECT of_order.* FROM of_order, first
    WHERE of_order.report_id IN (CAST(:order_id AS bigint), first.report_id, -first.report_id)
    """,  # noqa: S608 - the names are ours
)
_TRADES = PreparedQuery(
    "trades_of_order",
    """
    SELECT event_id FROM (
        SELECT event_id, buyer AS client FROM trade_reports WHERE buy_order_id = :order_id AND stamp IS NOT NULL
        UNION ALL
        SELECT event_id, seller FROM trade_reports WHERE sell_order_id = :order_id AND stamp IS NOT NULL
    ) AS trade JOIN report_heads USING (client)
    WHERE client_id = :client_id ORDER BY event_id LIMIT :limit
    """,
)
# The life of an order that rests depends on when another order arrives, so this finds one that traded at once.
_TRADED = PreparedQuery(
    "traded_order",
    """
    SELECT security_id, placed.order_id
    FROM (SELECT stamp, stored_us FROM report_stamps ORDER BY stamp DESC LIMIT :messages) AS message
    CROSS JOIN LATERAL (
        SELECT security, sequence, traded_us FROM settlement_reports
        WHERE settlement_reports.stamp = message.stamp LIMIT :settlements
    ) AS settled
    JOIN trade_reports AS trade USING (security, sequence, traded_us)
    JOIN report_securities USING (security)
    CROSS JOIN LATERAL (VALUES (trade.buy_order_id), (trade.sell_order_id)) AS leg (order_id)
    JOIN order_reports AS placed ON placed.order_id = leg.order_id AND placed.report_id = leg.order_id
        -- It was placed just before it traded, so the reports are in the partitions of one day or two.
        AND placed.event_us BETWEEN traded_us - 60000000 AND traded_us + 60000000
    JOIN report_stamps AS entered ON entered.stamp = placed.stamp
    WHERE entered.sent_us >= traded_us AND entered.began_us IS NOT NULL
    ORDER BY message.stored_us DESC LIMIT 1
    """,
)


def life_reports(tx: Connection, security_id: str, order_id: int, *, client_id: str | None) -> list[Report]:
    """Return the reports of the life of an order of `client_id`, or of any client with None; empty if unknown."""
    asked = of_order(tx, security_id, order_id, client_id)
    return [Report(*row) for row in _LIFE.run(tx, asked)]


def trades_of(tx: Connection, order_id: int, *, client_id: str, limit: int) -> list[int]:
    """Return the event ids of the first trades of a client's order."""
    asked = {"order_id": order_id, "client_id": client_id, "limit": limit}
    return [row[0] for row in _TRADES.run(tx, asked)]


def traded_order(tx: Connection) -> tuple[str, int] | None:
    """Return the security and id of a recent order that traded on arrival; None if no recent order did."""
    row = _TRADED.run(tx, {"messages": MESSAGES, "settlements": SETTLEMENTS_OF_EACH})
    return (row[0][0], row[0][1]) if row else None
