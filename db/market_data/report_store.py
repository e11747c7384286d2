"""Writes reports and trades to `market_data`: in bulk, and each event once.

A settlement that arrives before its trade also stores the trade, as one that is not reported yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, text

from db.arrays import array, arrays
from db.connect import Database, refuse_control_characters
from db.market_data.book_store import LOCK_BOOKS, BookHead
from db.market_data.partitions import (
    DAY_S,
    ORDER_REPORTS,
    SETTLEMENT_REPORTS,
    STAMPS_A_DAY,
    TRADE_REPORTS,
    dropped_before,
)
from db.statements import Statements
from tasks.data_feed.rules.rows import Report
from tasks.data_feed.rules.stored import Numbers, OrderRow, Rows, Run, SettlementRow, TradeRow
from tasks.messages import OrderReport, TradeMade

_LOCK_HEADS = "SELECT FROM report_heads WHERE client_id = ANY($1::text[]) ORDER BY client_id FOR UPDATE"
# Rows of five kinds: the heads of clients, numbers of securities, stamps, settled trades that are not stored, and the
# heads of books.
_NO_BOOK = "NULL, NULL, NULL, NULL, NULL"
_NUMBER = f"""
    WITH head AS (
        UPDATE report_heads SET sequence = report_heads.sequence + more.count
        FROM unnest($1::text[], $2::bigint[]) AS more (client_id, count)
        WHERE report_heads.client_id = more.client_id
        RETURNING report_heads.client_id, report_heads.client, report_heads.sequence
    ), book AS MATERIALIZED ({LOCK_BOOKS.format(securities="$10")})
    SELECT 'head', client_id, CAST(client AS bigint), sequence, {_NO_BOOK} FROM head
    UNION ALL
    SELECT 'book', security_id, update_sequence, floor_sequence, price_sequence, bid_cents, ask_cents, last_cents,
        updated_us
    FROM book
    UNION ALL
    SELECT 'security', security_id, security, NULL, {_NO_BOOK} FROM report_securities
    WHERE security_id = ANY($3::text[])
    UNION ALL
    SELECT 'stamp', NULL, $4 * CAST({STAMPS_A_DAY} AS bigint) + nextval('report_stamp_numbers'), NULL, {_NO_BOOK}
    FROM generate_series(1, $5)
    UNION ALL
    SELECT 'absent', NULL, event_id, NULL, {_NO_BOOK}
    FROM unnest($6::text[], $7::bigint[], $8::bigint[], $9::bigint[])
        AS made (security_id, sequence, traded_us, event_id)
    LEFT JOIN report_securities USING (security_id)
    WHERE (
        SELECT trade.event_id FROM trade_reports AS trade WHERE trade.security = report_securities.security
        AND trade.sequence = made.sequence AND trade.traded_us = made.traded_us
    ) IS NULL
"""  # noqa: S608 - the number is ours
_ADD_HEADS = text("""
    INSERT INTO report_heads (client_id, sequence) SELECT name, 0 FROM unnest(CAST(:names AS text[])) AS name
    ON CONFLICT DO NOTHING
""")
_ADD_SECURITIES = text("""
    INSERT INTO report_securities (security_id) SELECT * FROM unnest(CAST(:names AS text[])) ON CONFLICT DO NOTHING
""")
_ADD_BOOKS = text("""
    INSERT INTO books (security_id) SELECT * FROM unnest(CAST(:names AS text[])) ON CONFLICT DO NOTHING
""")
_STAMP_COLUMNS = ("stamp", "sent_us", "stored_us", "began_us", "taken_us")


class NewNames(Exception):
    """Clients, securities and books that have no row yet."""

    def __init__(self, clients: Sequence[str], securities: Sequence[str], books: Sequence[str]) -> None:
        self.clients = clients
        self.securities = securities
        self.books = books


class Numbered(NamedTuple):
    """The numbers for a batch, the events whose trades it settles and that are not stored, and the heads of books."""

    numbers: Numbers
    absent: set[int]
    books: dict[str, BookHead]


class Fresh(NamedTuple):
    """Reports that are not stored, by message, and the events of trades that are stored without their reports."""

    messages: Sequence[Sequence[Report]]
    unreported: Collection[int]


class Stored(NamedTuple):
    """The rows that a batch stores.

    rows        the rows of its reports
    unreported  trades that it settles and that are not reported yet
    runs        the runs of its reports
    stamps      the stamp of each message
    """

    rows: Rows
    unreported: Sequence[TradeRow]
    runs: Sequence[Run]
    stamps: Sequence[int]


def add_names(market_data: Database, new: NewNames) -> None:
    """Add rows for clients, securities and books, in a transaction of its own.

    Within that of a batch, two batches with new clients could lock heads in different orders; and a number is used up
    by each attempt to insert a name.
    """
    with market_data.transaction() as tx:
        if new.clients:
            tx.execute(_ADD_HEADS, {"names": array(new.clients)})
        if new.securities:
            tx.execute(_ADD_SECURITIES, {"names": array(new.securities)})
        if new.books:
            tx.execute(_ADD_BOOKS, {"names": array(new.books)})


def lock_heads(statements: Statements, clients: Collection[str]) -> None:
    """Lock the heads of clients until the end of the transaction; the next statement that runs sends this along."""
    statements.add_prepared("lock_heads", _LOCK_HEADS, (array(sorted(clients)),))


def number(
    statements: Statements,
    *,
    counts: Mapping[str, int],
    securities: Collection[str],
    settled: Sequence[TradeMade],
    stamps: int,
    books: Collection[str],
    now_us: int,
) -> Numbered:
    """Reserve the next report numbers of clients, lock their heads and those of books, and return a batch's numbers.

    statements  waiting statements run first
    counts      how many numbers each client's reports need
    securities  the securities of the reports
    settled     the trades that the batch settles and does not report
    stamps      how many stamps it needs
    books       the securities whose books change
    raises      NewNames    a client, a security or a book has no row yet
                ValueError  a control character in a name
    """
    clients, day = sorted(counts), now_us // (DAY_S * 1_000_000)
    refuse_control_characters(msgspec.json.encode((clients, list(securities), list(books))))
    lock_heads(statements, clients)
    keys = [(made.security_id, made.sequence, made.traded_us, made.event_id) for made in settled]
    columns = list(zip(*keys, strict=True)) or [(), (), (), ()]
    statements.add_prepared(
        "number_reports",
        _NUMBER,
        (
            *(array(clients), array(counts[one] for one in clients), array(securities), day, stamps),
            *map(array, columns),
            array(books),
        ),
    )
    found = _Found(statements.run())
    if len(found.clients) < len(clients) or len(found.securities) < len(securities) or len(found.books) < len(books):
        raise NewNames(
            sorted(counts.keys() - found.clients.keys()),
            sorted(set(securities) - found.securities.keys()),
            sorted(set(books) - found.books.keys()),
        )
    return Numbered(Numbers(found.heads, found.clients, found.securities, found.stamps), found.absent, found.books)


class _Found:
    """The rows of _NUMBER."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self.heads: dict[str, int] = {}
        self.clients: dict[str, int] = {}
        self.securities: dict[str, int] = {}
        self.stamps: list[int] = []
        self.absent: set[int] = set()
        self.books: dict[str, BookHead] = {}
        for kind, name, number, sequence, *of_book in rows:
            if kind == "head":
                self.clients[name], self.heads[name] = number, sequence
            elif kind == "security":
                self.securities[name] = number
            elif kind == "stamp":
                self.stamps.append(number)
            elif kind == "absent":
                self.absent.add(number)
            else:
                self.books[name] = BookHead(name, number, sequence, *of_book)


def store(statements: Statements, stored: Stored, fresh: Fresh, *, taken_us: int, stored_us: int) -> None:
    """Store numbered reports; the next statement that runs sends the last of them along.

    fresh      the reports of the rows
    taken_us   when the batch that stores them began [us since 1970, UTC]
    stored_us  the time
    raises     psycopg2.errors.UniqueViolation  one of them is stored already
               psycopg2.errors.CheckViolation   the day of one of them was dropped
    """
    stamped = []
    for reports, stamp in zip(fresh.messages, stored.stamps, strict=False):
        for report in reports:
            report.taken_us = taken_us
            report.stored_us = stored_us
        if reports:
            stamped.append((stamp, reports[0].sent_us, stored_us, reports[0].began_us, taken_us))
    rows = stored.rows
    new = [row for row in rows.trades if row.event_id not in fresh.unreported] if fresh.unreported else rows.trades
    _report_trades(statements, [row for row in rows.trades if row.event_id in fresh.unreported])
    statements.insert("report_stamps", _STAMP_COLUMNS, stamped)
    statements.insert("report_runs", Run._fields, stored.runs)
    statements.insert("order_reports", OrderRow.__struct_fields__, rows.orders)
    statements.insert("trade_reports", TradeRow.__struct_fields__, [*new, *stored.unreported])
    statements.insert("settlement_reports", SettlementRow.__struct_fields__, rows.settlements)


# -- rows that are stored already ------------------------------------------------------------------------------------

# The time identifies the partition.
_KNOWN_ORDERS = text("""
    SELECT order_id, report_id FROM order_reports
    JOIN unnest(CAST(:orders AS bigint[]), CAST(:reports AS bigint[]), CAST(:times AS bigint[]))
        AS asked (order_id, report_id, event_us)
    USING (order_id, report_id, event_us)
""")
_KNOWN_EVENTS = """
    SELECT made.event_id, stored.{stamp} FROM unnest(
        CAST(:securities AS text[]), CAST(:sequences AS bigint[]), CAST(:times AS bigint[]), CAST(:events AS bigint[])
    ) AS made (security_id, sequence, traded_us, event_id)
    JOIN report_securities USING (security_id) JOIN {table} AS stored USING (security, sequence, traded_us)
"""
_KNOWN_TRADES = text(_KNOWN_EVENTS.format(table="trade_reports", stamp="stamp"))
_KNOWN_SETTLEMENTS = text(_KNOWN_EVENTS.format(table="settlement_reports", stamp="stamp"))
_REPORT_TRADES = """
    UPDATE trade_reports AS trade SET buyer_sequence = new.buyer_sequence, seller_sequence = new.seller_sequence,
        stamp = new.stamp
    FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS new (security, sequence, traded_us, buyer_sequence, seller_sequence, stamp)
    WHERE trade.security = new.security AND trade.sequence = new.sequence AND trade.traded_us = new.traded_us
"""


def without_known(tx: Connection, messages: Sequence[Sequence[Report]], trades: Mapping[int, TradeMade]) -> Fresh:
    """Return the reports that are not stored, once each, without those of dropped days.

    The caller has locked the heads of their clients.
    """
    reports = [report for of_message in messages for report in of_message]
    orders = {(one.order_id, one.report_id): one.event_us for one in reports if one.event_type == "order"}
    known: set[tuple[str, int, int]] = set()
    if orders:
        asked = arrays(("orders", "reports", "times"), ((*key, event_us) for key, event_us in orders.items()))
        known |= {("order", *row) for row in tx.execute(_KNOWN_ORDERS, asked)}
    made = {one.report_id: trades[one.report_id] for one in reports if one.event_type == "trade"}
    settled = {-one.report_id: trades[-one.report_id] for one in reports if one.event_type == "settlement"}
    stored = _stored(tx, _KNOWN_TRADES, made)
    known |= {("trade", 0, event_id) for event_id, stamp in stored.items() if stamp is not None}
    known |= {("settlement", 0, -event_id) for event_id in _stored(tx, _KNOWN_SETTLEMENTS, settled)}
    floors = {
        "order": dropped_before(tx, ORDER_REPORTS),
        "trade": dropped_before(tx, TRADE_REPORTS),
        "settlement": dropped_before(tx, SETTLEMENT_REPORTS),
    }
    fresh: list[list[Report]] = []
    seen: set[tuple[int, int]] = set()
    for of_message in messages:
        fresh.append([])
        for report in of_message:
            number = report.order_id if report.event_type == "order" else 0
            is_known = (report.event_type, number, report.report_id) in known
            key = (report.order_id, report.report_id)
            if not is_known and key not in seen and report.event_us >= floors[report.event_type]:
                seen.add(key)
                fresh[-1].append(report)
    return Fresh(fresh, {event_id for event_id, stamp in stored.items() if stamp is None})


def _stored(tx: Connection, statement: Any, trades: Mapping[int, TradeMade]) -> dict[int, int | None]:
    """Return the stamps of the stored trades among these, by event."""
    if not trades:
        return {}
    keys = ((made.security_id, made.sequence, made.traded_us, event_id) for event_id, made in trades.items())
    found = tx.execute(statement, arrays(("securities", "sequences", "times", "events"), keys))
    return {row.event_id: row.stamp for row in found}


def _report_trades(statements: Statements, rows: Sequence[TradeRow]) -> None:
    """Report trades that are stored without their reports."""
    if rows:
        columns = zip(
            *((r.security, r.sequence, r.traded_us, r.buyer_sequence, r.seller_sequence, r.stamp) for r in rows),
            strict=True,
        )
        statements.add_prepared("report_trades", _REPORT_TRADES, tuple(map(array, columns)))


def without_known_requests(tx: Connection, reports: Sequence[OrderReport]) -> list[OrderReport]:
    """Return order entry's reports that are not stored, without those of dropped days."""
    floor_us = dropped_before(tx, ORDER_REPORTS)
    kept = [report for report in reports if report.received_us >= floor_us]
    if not kept:
        return []
    asked = ((report.order_id, report.event_id, report.received_us) for report in kept)
    known = {tuple(row) for row in tx.execute(_KNOWN_ORDERS, arrays(("orders", "reports", "times"), asked))}
    return [report for report in kept if (report.order_id, report.event_id) not in known]
