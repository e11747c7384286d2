"""Rule 8: every trade, and its settlement or failure, is reported once to the buyer and once to the seller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from db.connect import Database
from db.market_data.partitions import SETTLEMENT_REPORTS, TRADE_REPORTS, dropped_before
from tasks.audit.feed.reports import Reports

# A bucket has the events of 1,024 commands: the low 21 bits of an event id count the events of one command.
BITS: Final = 31


class _ExpectedReports:
    """The reports that follow from the register of executions, which rules 3 and 6 compare with the log."""

    query = """
        SELECT leg.report_id, leg.order_id, leg.event_type, leg.confirmed, leg.client_id, security_id, leg.side,
            quantity, price_cents, leg.reason, executed_us AS event_us, false AS is_optional
        FROM executions CROSS JOIN LATERAL (VALUES
            (event_id, buy_order_id, 'trade', true, buyer, 'buy', NULL),
            (event_id, sell_order_id, 'trade', true, seller, 'sell', NULL),
            (-event_id, buy_order_id, 'settlement', kind = 'trade', buyer, 'buy', reason),
            (-event_id, sell_order_id, 'settlement', kind = 'trade', seller, 'sell', reason)
        ) AS leg (report_id, order_id, event_type, confirmed, client_id, side, reason)
        WHERE kind IN ('trade', 'failed')
            AND executed_us >= CASE leg.event_type WHEN 'trade' THEN :trades_us ELSE :settlements_us END
    """

    def __init__(self, market_data: Database) -> None:
        self._market_data = market_data

    def parameters(self) -> Mapping[str, object]:
        """Return the time before which reports were dropped."""
        with self._market_data.snapshot() as tx:
            return {
                "trades_us": dropped_before(tx, TRADE_REPORTS),
                "settlements_us": dropped_before(tx, SETTLEMENT_REPORTS),
            }


class _StoredReports:
    """The stored reports of events, except those of single orders, which tasks.audit.feed.events compares."""

    query = """
        SELECT *, false AS is_optional FROM reports
        WHERE abs(report_id) >= CAST(2 ^ 57 AS bigint) AND (event_type <> 'order' OR report_id < 0)
    """

    def parameters(self) -> Mapping[str, object]:
        """Return no parameters."""
        return {}


def reports_of_trades(clearing_data: Database, market_data: Database) -> tuple[Reports, Reports]:
    """Return the expected reports and the stored ones."""
    expected = Reports(clearing_data, _ExpectedReports(market_data), bits=BITS)
    return expected, Reports(market_data, _StoredReports(), bits=BITS)
