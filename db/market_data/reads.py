"""Reads `market_data` for the api and the streams; each function is a statement or two that an index answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, TextClause, text

from db.arrays import array
from db.market_data import reports_view
from db.market_data.partitions import DAY_S, STAMPS_A_DAY
from db.statements import PreparedQuery
from tasks.data_feed.rules.rows import Book, Candle, Level, Price, Report, Trade

OrderStatus = Literal["new", "partially_filled", "filled", "settled", "rejected", "cancelled", "failed"]

# Reasons for which the engine cancels an incoming order; for any other it rejects the order.
CANCELLED_REASONS = frozenset({"cancelled", "unfilled", "self_trade"})

WHOLE_BOOK = 2**31 - 1
DAY_US = DAY_S * 1_000_000

_PRICE = "SELECT security_id, price_sequence, bid_cents, ask_cents, last_cents, updated_us FROM books "
# Not the view `trades`: its join would hide from Postgres that an index has this order.
_TRADE = """
    SELECT CAST(:security_id AS text), sequence, event_id, price_cents, quantity, aggressor_side, traded_us
    FROM trade_reports
    WHERE security = (SELECT security FROM report_securities WHERE security_id = :security_id) AND stamp IS NOT NULL
"""
_CANDLE = f"SELECT {', '.join(Candle.__struct_fields__)} FROM candles "  # noqa: S608 - the names are ours

_PRICES = text(_PRICE + "ORDER BY security_id")
_PRICE_OF = text(_PRICE + "WHERE security_id = :security_id")
_BOOK = text("""
    SELECT book.update_sequence, book.updated_us, level.side, level.price_cents, level.quantity, level.orders
    FROM books AS book LEFT JOIN LATERAL (
        (SELECT * FROM book_levels WHERE security_id = book.security_id AND side = 'buy' AND quantity > 0
         ORDER BY price_cents DESC LIMIT :depth)
        UNION ALL
        (SELECT * FROM book_levels WHERE security_id = book.security_id AND side = 'sell' AND quantity > 0
         ORDER BY price_cents LIMIT :depth)
    ) AS level ON true
    WHERE book.security_id = :security_id
""")
_TRADES = text(_TRADE + "AND sequence < :before ORDER BY sequence DESC LIMIT :limit")
_TRADES_AFTER = text(_TRADE + "AND sequence > :after ORDER BY sequence LIMIT :limit")
_CANDLES = text(
    _CANDLE + "WHERE security_id = :security_id AND interval_s = :interval_s ORDER BY start_s DESC LIMIT :limit"
)
# The runs of a client with the sequences [first, past). Sequences have no gap.
_RUNS_OF_PAGE = PreparedQuery(
    "runs_of_page",
    """
    SELECT client, ARRAY(
        SELECT stamp FROM report_runs
        WHERE report_runs.client = head.client AND first_sequence < :past AND first_sequence >= coalesce((
            SELECT first_sequence FROM report_runs
            WHERE report_runs.client = head.client AND first_sequence <= :first ORDER BY first_sequence DESC LIMIT 1
        ), 0)
    ) AS stamps
    FROM report_heads AS head WHERE client_id = :client_id
""",
)
# Planned each time: a plan from the time when the partition of this day was empty would read all of it.
_PAGE = (
    reports_view.reports(
        "r.stamp = ANY(CAST(:stamps AS bigint[])) AND {sequence} >= :first AND {sequence} < :past",
        times="{time} >= :from_us AND {time} < :to_us",
    )
    + "AND report.client = :client AND message.stamp >= :first_stamp AND message.stamp <= :last_stamp "
)
_REPORTS = text(_PAGE + "ORDER BY report.sequence DESC")
_REPORTS_AFTER = text(_PAGE + "ORDER BY report.sequence")
# The first report of the run after, or before, a page whose reports were dropped with their days.
_RUN_BEFORE = text("""
    SELECT first_sequence FROM report_runs
    WHERE client = (SELECT client FROM report_heads WHERE client_id = :client_id) AND first_sequence < :before
    ORDER BY first_sequence DESC LIMIT 1
""")
_RUN_AFTER = text("""
    SELECT first_sequence FROM report_runs
    WHERE client = (SELECT client FROM report_heads WHERE client_id = :client_id) AND first_sequence > :after
    ORDER BY first_sequence LIMIT 1
""")
_REPORT_HEADS = text("""
    SELECT client_id, sequence FROM report_heads
    WHERE CAST(:clients AS text[]) IS NULL OR client_id = ANY(CAST(:clients AS text[]))
""")
_PLACED = text("SELECT event_us FROM order_reports WHERE order_id = :order_id AND report_id = :order_id")
_REPORTS_OF_ORDER = (
    reports_view.reports("{order} = :order_id", times="{time} >= :from_us")
    + """
    AND listed.security_id = :security_id AND message.stamp >= :from_stamp
    AND (CAST(:client_id AS text) IS NULL OR head.client_id = :client_id)
"""
)
_LAST_REPORT = PreparedQuery(
    "last_report", _REPORTS_OF_ORDER + "ORDER BY message.stored_us DESC, report.sequence DESC LIMIT 1"
)
# The event ids of an order increase; a settlement has the negative id of its trade and follows it. So the last reports
# do not depend on the order in which the feed stored the stages' messages. The answer to a cancel or a replacement has
# no side: its refusal says nothing about the order.
_LATEST = PreparedQuery(
    "latest_reports",
    _REPORTS_OF_ORDER + "AND report.side IS NOT NULL ORDER BY abs(report.report_id) DESC, report.report_id LIMIT 2",
)
# The order's quantity after replacements, and the progress of its trades.
_PROGRESS = PreparedQuery(
    "progress",
    "SELECT (array_agg(quantity ORDER BY abs(report_id) DESC) FILTER (WHERE event_type = 'order' AND confirmed))[1], "
    "coalesce(sum(quantity) FILTER (WHERE event_type = 'trade'), 0), "
    "coalesce(sum(quantity) FILTER (WHERE event_type = 'settlement' AND confirmed), 0), "
    "coalesce(sum(quantity) FILTER (WHERE event_type = 'settlement' AND NOT confirmed), 0) "
    "FROM (" + _REPORTS_OF_ORDER + " AND report.side IS NOT NULL) AS reports",
)
# Smaller numbers belong to requests, all others to the engine's events.
FIRST_EVENT = 2**53

# Above every sequence: the page begins with the newest row.
NEWEST = 2**63 - 1


def prices(tx: Connection) -> list[Price]:
    """Return bid, ask and last of every security that has had an order, in the order of their names."""
    return [Price(*row) for row in tx.execute(_PRICES)]


def price(tx: Connection, security_id: str) -> Price | None:
    """Return bid, ask and last of a security; None before its first order."""
    row = tx.execute(_PRICE_OF, {"security_id": security_id}).first()
    return Price(*row) if row else None


def book(tx: Connection, security_id: str, *, depth: int = WHOLE_BOOK) -> Book | None:
    """Return the best levels of a security, `depth` on each side; None before its first order."""
    rows = tx.execute(_BOOK, {"security_id": security_id, "depth": depth}).all()
    if not rows:
        return None
    return Book(
        security_id,
        sequence=rows[0].update_sequence,
        updated_us=rows[0].updated_us,
        bids=_levels(rows, "buy"),
        asks=_levels(rows, "sell"),
    )


def _levels(rows: Sequence[Row[Any]], side: str) -> list[Level]:
    return [(row.price_cents, row.quantity, row.orders) for row in rows if row.side == side]


def trades(tx: Connection, security_id: str, *, before: int = NEWEST, limit: int) -> list[Trade]:
    """Return the trades of a security with a sequence below `before`, newest first."""
    rows = tx.execute(_TRADES, {"security_id": security_id, "before": before, "limit": limit})
    return [Trade(*row) for row in rows]


def trades_after(tx: Connection, security_id: str, *, after: int, limit: int) -> list[Trade]:
    """Return the trades of a security with a sequence above `after`, oldest first."""
    rows = tx.execute(_TRADES_AFTER, {"security_id": security_id, "after": after, "limit": limit})
    return [Trade(*row) for row in rows]


def candles(tx: Connection, security_id: str, *, interval_s: int, limit: int) -> list[Candle]:
    """Return the last candles with trades of a security, oldest first; the intervals are those of CANDLE_SECONDS."""
    rows = tx.execute(_CANDLES, {"security_id": security_id, "interval_s": interval_s, "limit": limit})
    return [Candle(*row) for row in rows][::-1]


def reports(tx: Connection, client_id: str, *, before: int = NEWEST, limit: int) -> list[Report]:
    """Return the reports of a client with a sequence below `before`, newest first."""
    found: list[Report] = []
    past = min(before, report_heads(tx, [client_id]).get(client_id, 0) + 1)
    while len(found) < limit and past > 1:
        first = max(past - (limit - len(found)), 1)
        page = _page(tx, _REPORTS, client_id, first, past)
        found += page
        # Without dropped days a page is full, and nothing else is read.
        past = first if page else _beginning(tx, _RUN_BEFORE, client_id, before=first) + 1
    return found


def reports_after(tx: Connection, client_id: str, *, after: int, limit: int) -> list[Report]:
    """Return the reports of a client with a sequence above `after`, oldest first."""
    found: list[Report] = []
    head = report_heads(tx, [client_id]).get(client_id, 0)
    first = after + 1
    while len(found) < limit and first <= head:
        past = min(first + limit - len(found), head + 1)
        page = _page(tx, _REPORTS_AFTER, client_id, first, past)
        found += page
        first = past if page else max(_beginning(tx, _RUN_AFTER, client_id, after=past - 1) or head + 1, past)
    return found


def _page(tx: Connection, query: TextClause, client_id: str, first: int, past: int) -> list[Report]:
    """Return the reports of a client with the sequences [first, past)."""
    found = _RUNS_OF_PAGE.run(tx, {"client_id": client_id, "first": first, "past": past})
    if not found or not found[0][1]:
        return []
    client, stamps = found[0]
    asked = {"client": client, "stamps": array(stamps), "first": first, "past": past}
    asked |= {"first_stamp": min(stamps), "last_stamp": max(stamps)}
    # Nearly all reports are stored on the day of their event, so Postgres usually plans for one partition.
    days = [stamp // STAMPS_A_DAY for stamp in stamps]
    for times in ((DAY_US * min(days), DAY_US * (max(days) + 1)), (0, NEWEST)):
        page = [Report(*row) for row in tx.execute(query, {**asked, "from_us": times[0], "to_us": times[1]})]
        if len(page) == past - first:
            break
    return page


def of_order(tx: Connection, security_id: str, order_id: int, client_id: str | None) -> dict[str, object]:
    """Return the parameters of a query for the reports of an order, including the earliest time they can have.

    The clocks of hosts differ, so this is an hour before the order was placed.
    """
    placed_us = tx.execute(_PLACED, {"order_id": order_id}).scalar()
    from_us = max((placed_us or 0) - 3_600_000_000, 0)
    return {
        "security_id": security_id,
        "order_id": order_id,
        "client_id": client_id,
        "from_us": from_us,
        "from_stamp": from_us // DAY_US * STAMPS_A_DAY,
    }


def _beginning(tx: Connection, statement: TextClause, client_id: str, **bound: int) -> int:
    """Return the sequence at which the next run of a client begins, 0 if there is none."""
    return tx.execute(statement, {"client_id": client_id, **bound}).scalar() or 0


def report_heads(tx: Connection, clients: Iterable[str] | None) -> dict[str, int]:
    """Return the sequences of the last reports of some clients or, with None, of all that have reports."""
    asked = {"clients": None if clients is None else array(clients)}
    return {row[0]: row[1] for row in tx.execute(_REPORT_HEADS, asked)}


def last_report(tx: Connection, security_id: str, order_id: int, *, client_id: str | None) -> Report | None:
    """Return the report of an order stored last, to `client_id` or with None to any client; it may answer a cancel."""
    row = _LAST_REPORT.run(tx, of_order(tx, security_id, order_id, client_id))
    return Report(*row[0]) if row else None


def order_status(tx: Connection, security_id: str, order_id: int, *, client_id: str | None) -> OrderStatus | None:
    """Return the status of an order of `client_id`, or of any client with None; None if it has no report."""
    asked = of_order(tx, security_id, order_id, client_id)
    latest = [Report(*row) for row in _LATEST.run(tx, asked)]
    return status_of(Progress(*_PROGRESS.run(tx, asked)[0]), *latest) if latest else None


class Progress(NamedTuple):
    """How many shares of an order are traded, settled and failed.

    total  quantity of the order after replacements; None if the report that says so was dropped with its day
    """

    total: int | None
    traded: int
    settled: int
    failed: int


def status_of(progress: Progress, last: Report, before: Report | None = None) -> OrderStatus:
    """Return the status of an order from its last reports, leaving out answers to cancels and replacements."""
    if last.event_type == "order" and not last.confirmed:
        # An order that has traded, or was replaced or triggered, was not rejected.
        has_lived = before is not None and abs(before.report_id) >= FIRST_EVENT
        return "cancelled" if has_lived or last.reason in CANCELLED_REASONS else "rejected"
    if progress.failed:
        return "failed"
    traded = max(progress.traded, progress.settled)  # the feed may store a settlement before its trade
    if not traded:
        return "new"
    if progress.total is not None and traded < progress.total:
        return "partially_filled"
    return "settled" if progress.settled == traded else "filled"
