"""Figures of the data feed whose cost does not depend on how much is stored: heads, and the latest reports."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

# The number of latest messages whose reports are read, and the number of events of each.
MESSAGES = 60
EVENTS_OF_EACH = 20


@dataclass(frozen=True, slots=True)
class Latency:
    """The latency of one report: from its cause until the stage sent it, and from then until it was stored [us].

    stored_us  when it was stored [us since 1970, UTC]
    """

    event_type: str
    stage_us: int
    feed_us: int
    stored_us: int


@dataclass(frozen=True, slots=True)
class FeedFigures:
    """Figures of the pipeline from `market_data`.

    traded     number of stored trades of each security
    reports    number of stored reports
    latencies  latencies of the latest reports
    """

    traded: dict[str, int]
    reports: int
    latencies: list[Latency]


def figures(tx: Connection, *, since_us: int) -> FeedFigures:
    """Return the current figures, with the latencies of reports stored since a time."""
    traded = tx.execute(
        text(
            "SELECT security_id, trade.sequence FROM books JOIN report_securities USING (security_id) "
            "CROSS JOIN LATERAL (SELECT sequence FROM trade_reports "
            "WHERE trade_reports.security = report_securities.security AND stamp IS NOT NULL "
            "ORDER BY sequence DESC LIMIT 1) AS trade ORDER BY security_id"
        )
    )
    latencies = tx.execute(
        text(
            """
            SELECT event_type, sent_us - event_us AS stage_us, stored_us - sent_us AS feed_us, stored_us
            FROM (
                SELECT * FROM report_stamps WHERE stored_us >= :since_us ORDER BY stamp DESC LIMIT :messages
            ) AS message
            CROSS JOIN LATERAL (
                (SELECT 'order' AS event_type, event_us FROM order_reports
                 WHERE order_reports.stamp = message.stamp LIMIT :events)
                UNION ALL
                (SELECT 'trade', traded_us FROM trade_reports WHERE trade_reports.stamp = message.stamp LIMIT :events)
                UNION ALL
                (SELECT 'settlement', traded_us FROM settlement_reports
                 WHERE settlement_reports.stamp = message.stamp LIMIT :events)
            ) AS event
            """
        ),
        {"messages": MESSAGES, "events": EVENTS_OF_EACH, "since_us": since_us},
    )
    return FeedFigures(
        traded={row.security_id: row.sequence for row in traded},
        reports=int(tx.execute(text("SELECT coalesce(sum(sequence), 0) FROM report_heads")).scalar_one()),
        latencies=[Latency(*row) for row in latencies],
    )
