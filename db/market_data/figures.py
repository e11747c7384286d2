"""Figures of the data feed that cost the same however much is stored: heads, and the latest reports."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

# Whose latest reports are looked at, the busiest clients, and how many of each.
CLIENTS = 20
REPORTS_OF_EACH = 50


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one report took: from its cause to the stage's word, and from there to being stored [us]."""

    event_type: str
    stage_us: int
    feed_us: int


@dataclass(frozen=True, slots=True)
class FeedFigures:
    """What `market_data` tells about the pipeline.

    traded     trades of each security that are stored
    reports    reports that are stored
    latencies  of the latest reports
    """

    traded: dict[str, int]
    reports: int
    latencies: list[Latency]


def figures(tx: Connection, *, since_us: int) -> FeedFigures:
    """The figures as they are now; latencies of what was stored since a time."""
    traded = tx.execute(
        text(
            "SELECT security_id, trade.sequence FROM books CROSS JOIN LATERAL (SELECT sequence FROM trades "
            "WHERE trades.security_id = books.security_id ORDER BY sequence DESC LIMIT 1) AS trade ORDER BY security_id"
        )
    )
    latencies = tx.execute(
        text(
            """
            SELECT event_type, sent_us - event_us AS stage_us, stored_us - sent_us AS feed_us
            FROM (SELECT client_id FROM report_heads ORDER BY sequence DESC LIMIT :clients) AS busiest
            CROSS JOIN LATERAL (
                SELECT event_type, event_us, sent_us, stored_us FROM reports
                WHERE reports.client_id = busiest.client_id ORDER BY sequence DESC LIMIT :reports
            ) AS latest
            WHERE stored_us >= :since_us
            """
        ),
        {"clients": CLIENTS, "reports": REPORTS_OF_EACH, "since_us": since_us},
    )
    return FeedFigures(
        traded={row.security_id: row.sequence for row in traded},
        reports=int(tx.execute(text("SELECT coalesce(sum(sequence), 0) FROM report_heads")).scalar_one()),
        latencies=[Latency(*row) for row in latencies],
    )
