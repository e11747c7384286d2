"""Rule 8: order entry's decision on every request, confirmed or denied, is reported once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from db.connect import Database
from db.market_data.partitions import ORDER_REPORTS, dropped_before, dropped_denials
from tasks.audit.feed.reports import Reports

# A bucket has 2 to the power of this many requests.
BITS: Final = 10

# The log records when a cancel was sequenced, which is less than this time after the api accepted it [us].
_LONGEST_WAY_US: Final = 3_600_000_000


class _ExpectedReports:
    """The reports that follow from the registers of orders and denials and from the log.

    A replaced order has new terms; the terms with which it was confirmed are in the log. For a denied request that is
    not an order only the reason is stored, and the security of a mass cancel is not.
    Requests about a security and those of the scheduler belong to no client.
    """

    query = f"""
        SELECT orders.order_id AS report_id, orders.order_id, 'order' AS event_type,
            denials.command_id IS NULL AS confirmed, client_id, security_id, side, quantity, price_cents,
            CASE WHEN buy_in THEN 'buy_in' ELSE denials.reason END, created_us AS event_us, false AS is_optional
        FROM orders LEFT JOIN denials ON denials.command_id = orders.order_id
        WHERE terms_event_id IS NULL AND created_us >= :floor_us
        UNION ALL
        SELECT orders.order_id, orders.order_id, 'order', true, client_id, security_id, side,
            CAST(CAST(command AS json) ->> 6 AS bigint),
            CASE WHEN price_cents IS NOT NULL THEN CAST(CAST(command AS json) ->> 7 AS bigint) END,
            NULL, created_us, false
        FROM orders JOIN order_log ON order_log.command_id = orders.order_id
        WHERE terms_event_id IS NOT NULL AND created_us >= :floor_us
        UNION ALL
        SELECT command_id, CASE kind WHEN 'mass_cancel' THEN command_id ELSE CAST(command ->> 4 AS bigint) END,
            'order', true, command ->> 2, CASE WHEN kind <> 'mass_cancel' THEN command ->> 3 END, NULL,
            CASE kind WHEN 'replace' THEN CAST(command ->> 6 AS bigint) END,
            CASE kind WHEN 'replace' THEN CAST(command ->> 7 AS bigint) END,
            NULL, NULL, sequenced_us < :floor_us + {_LONGEST_WAY_US}
        FROM (
            SELECT command_id, command ->> 0 AS kind, command,
                CAST(command ->> (CASE command ->> 0 WHEN 'cancel' THEN 5 WHEN 'replace' THEN 10 ELSE 4 END) AS bigint)
                    AS sequenced_us
            FROM (
                SELECT command_id, CAST(command AS json) AS command FROM order_log
                WHERE starts_with(command, '["cancel",') OR starts_with(command, '["replace",')
                    OR starts_with(command, '["mass_cancel",')
            ) AS parsed
        ) AS others
        WHERE sequenced_us >= :floor_us
        UNION ALL
        SELECT denials.command_id, NULL, 'order', false, NULL, NULL, NULL, NULL, NULL, denials.reason, NULL, false
        FROM denials LEFT JOIN orders ON orders.order_id = denials.command_id
        LEFT JOIN unnest(CAST(:dropped AS bigint[])) AS dropped (command_id) ON dropped.command_id = denials.command_id
        WHERE orders.order_id IS NULL AND dropped.command_id IS NULL
            AND (denials.denied_us IS NULL OR denials.report IS NOT NULL)
    """  # noqa: S608 - the text is ours

    def __init__(self, market_data: Database) -> None:
        self._market_data = market_data

    def parameters(self) -> Mapping[str, object]:
        """Return the time before which reports were dropped, and the denials among them."""
        with self._market_data.snapshot() as tx:
            return {"floor_us": dropped_before(tx, ORDER_REPORTS), "dropped": list(dropped_denials(tx))}


class _StoredReports:
    """The stored reports of requests, without columns that cannot be derived. Their numbers are below event ids."""

    query = """
        SELECT report_id, CASE WHEN is_order OR confirmed THEN order_id END AS order_id, event_type, confirmed,
            CASE WHEN is_order OR confirmed THEN client_id END AS client_id,
            CASE WHEN is_order OR (confirmed AND order_id <> report_id) THEN security_id END AS security_id, side,
            CASE WHEN is_order OR confirmed THEN quantity END AS quantity,
            CASE WHEN is_order OR confirmed THEN price_cents END AS price_cents, reason,
            CASE WHEN is_order THEN event_us END AS event_us, false AS is_optional
        FROM (
            SELECT *, order_id = report_id AND side IS NOT NULL AS is_order FROM reports
            WHERE abs(report_id) < CAST(2 ^ 57 AS bigint)
        ) AS of_requests
    """

    def parameters(self) -> Mapping[str, object]:
        """Return no parameters."""
        return {}


def reports_of_requests(clearing_data: Database, market_data: Database) -> tuple[Reports, Reports]:
    """Return the expected reports and the stored ones."""
    expected = Reports(clearing_data, _ExpectedReports(market_data), bits=BITS)
    return expected, Reports(market_data, _StoredReports(), bits=BITS)
