"""Writes reports, trades and candles to `market_data`: in bulk, and each row once.

Every worker locks rows in this order, so that workers never wait for each other in a circle: heads of the clients by
name, trades, candles by key, books by name, their levels, reports. The locks on the heads keep two workers from storing
the same report or trade at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import astuple
from sqlalchemy import Connection, text

from db import coverage
from db.arrays import array, arrays
from db.connect import copy_rows
from db.market_data.partitions import REPORTS, TRADES, dropped_before
from db.statements import Statements
from tasks.data_feed.rules.rows import Candle, Report, Trade
from tasks.messages import OrderReport
from tasks.shared.rules.coverage import Interval

# -- reports and trades --------------------------------------------------------------------------------------------

_ADVANCE_HEADS = """
    INSERT INTO report_heads AS head (client_id, sequence)
    SELECT * FROM unnest($1::text[], $2::bigint[])
    ON CONFLICT (client_id) DO UPDATE SET sequence = head.sequence + excluded.sequence
    RETURNING client_id, sequence
"""
# The time identifies the partition.
_KNOWN_REPORTS = text("""
    SELECT order_id, report_id FROM reports
    JOIN unnest(CAST(:orders AS bigint[]), CAST(:reports AS bigint[]), CAST(:times AS bigint[]))
        AS asked (order_id, report_id, event_us)
    USING (order_id, report_id, event_us)
""")
_KNOWN_TRADES = text("""
    SELECT security_id, sequence FROM trades
    JOIN unnest(CAST(:securities AS text[]), CAST(:sequences AS bigint[]), CAST(:times AS bigint[]))
        AS asked (security_id, sequence, traded_us)
    USING (security_id, sequence, traded_us)
""")


def cover(statements: Statements, covers: Iterable[tuple[str, Sequence[Interval]]]) -> None:
    """Add the intervals that messages of stages cover; the next statement that runs sends them along."""
    by_stage: dict[str, list[Interval]] = {}
    for stage, intervals in covers:
        by_stage.setdefault(stage, []).extend(intervals)
    for stage, intervals in by_stage.items():
        coverage.add(statements, stage, intervals)


def advance_heads(statements: Statements, counts: Mapping[str, int]) -> dict[str, int]:
    """Reserve the next report numbers of clients, and lock their heads until the end of the transaction.

    statements  waiting statements run first
    counts      how many numbers each client's reports need; 0 only locks
    returns     the last number of each client
    """
    clients = sorted(counts)
    statements.add_prepared(
        "advance_heads", _ADVANCE_HEADS, (array(clients), array(counts[client] for client in clients))
    )
    return dict(statements.run())


def number_reports(statements: Statements, reports: Iterable[Report]) -> dict[str, list[Report]]:
    """Number the reports of each client, and lock the clients' heads; return the reports by client.

    statements  waiting statements run first
    """
    by_client: dict[str, list[Report]] = {}
    for report in reports:
        by_client.setdefault(report.client_id, []).append(report)
    if not by_client:
        statements.run()
        return {}
    heads = advance_heads(statements, {client: len(of_client) for client, of_client in by_client.items()})
    for client, of_client in by_client.items():
        for sequence, report in enumerate(of_client, heads[client] - len(of_client) + 1):
            report.sequence = sequence
    return by_client


def store_reports(tx: Connection, reports: Sequence[Report], *, taken_us: int, stored_us: int) -> None:
    """Store numbered reports.

    taken_us   when the batch that stores them began [us since 1970, UTC]
    stored_us  the time
    raises     psycopg2.errors.UniqueViolation  one of them is stored already
               psycopg2.errors.CheckViolation   the day of one of them was dropped
    """
    for report in reports:
        report.taken_us = taken_us
        report.stored_us = stored_us
    if reports:
        copy_rows(tx, "reports", Report.__struct_fields__, reports)


def store_trades(tx: Connection, trades: Sequence[Trade]) -> None:
    """Store trades; raises as `store_reports`."""
    if trades:
        copy_rows(tx, "trades", Trade.__struct_fields__, trades)


def without_known_reports(tx: Connection, reports: Iterable[Report]) -> list[Report]:
    """Return the reports that are not stored, once each, without those of dropped days.

    The caller has locked the heads of their clients.
    """
    floor_us = dropped_before(tx, REPORTS)
    fresh = {(report.order_id, report.report_id): report for report in reports if report.event_us >= floor_us}
    if not fresh:
        return []
    names = ("orders", "reports", "times")
    known = tx.execute(_KNOWN_REPORTS, arrays(names, ((*key, report.event_us) for key, report in fresh.items())))
    for order_id, report_id in known:
        del fresh[order_id, report_id]
    return list(fresh.values())


def without_known_requests(tx: Connection, reports: Sequence[OrderReport]) -> list[OrderReport]:
    """Return order entry's reports that are not stored, without those of dropped days."""
    floor_us = dropped_before(tx, REPORTS)
    kept = [report for report in reports if report.received_us >= floor_us]
    if not kept:
        return []
    rows = ((report.order_id, report.event_id, report.received_us) for report in kept)
    known = {tuple(key) for key in tx.execute(_KNOWN_REPORTS, arrays(("orders", "reports", "times"), rows))}
    return [report for report in kept if (report.order_id, report.event_id) not in known]


def without_known_trades(tx: Connection, trades: Iterable[Trade]) -> list[Trade]:
    """Return the trades that are not stored, once each, without those of dropped days; as `without_known_reports`."""
    floor_us = dropped_before(tx, TRADES)
    fresh = {(trade.security_id, trade.sequence): trade for trade in trades if trade.traded_us >= floor_us}
    if not fresh:
        return []
    names = ("securities", "sequences", "times")
    known = tx.execute(_KNOWN_TRADES, arrays(names, ((*key, trade.traded_us) for key, trade in fresh.items())))
    for security_id, sequence in known:
        del fresh[security_id, sequence]
    return list(fresh.values())


# -- candles -------------------------------------------------------------------------------------------------------

_MERGE_CANDLES = text("""
    INSERT INTO candles AS old
    SELECT * FROM unnest(
        CAST(:security_id AS text[]), CAST(:interval_s AS int[]), CAST(:start_s AS bigint[]),
        CAST(:open_cents AS bigint[]), CAST(:high_cents AS bigint[]), CAST(:low_cents AS bigint[]),
        CAST(:close_cents AS bigint[]), CAST(:volume AS bigint[]),
        CAST(:first_sequence AS bigint[]), CAST(:last_sequence AS bigint[]))
    ON CONFLICT (security_id, interval_s, start_s) DO UPDATE SET
        open_cents = CASE WHEN excluded.first_sequence < old.first_sequence
                          THEN excluded.open_cents ELSE old.open_cents END,
        high_cents = greatest(old.high_cents, excluded.high_cents),
        low_cents = least(old.low_cents, excluded.low_cents),
        close_cents = CASE WHEN excluded.last_sequence > old.last_sequence
                           THEN excluded.close_cents ELSE old.close_cents END,
        volume = old.volume + excluded.volume,
        first_sequence = least(old.first_sequence, excluded.first_sequence),
        last_sequence = greatest(old.last_sequence, excluded.last_sequence)
""")


def merge_candles(tx: Connection, candles: Iterable[Candle]) -> None:
    """Merge candles of new trades into the stored ones."""
    in_order = sorted(candles, key=lambda c: (c.security_id, c.interval_s, c.start_s))
    if in_order:
        tx.execute(_MERGE_CANDLES, arrays(Candle.__struct_fields__, map(astuple, in_order)))
