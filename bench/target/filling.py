"""Fills both databases with several days of trading.

Postgres derives the rows from the number of each trade, so millions of trades take minutes. Everything that the routes
read is present and consistent. Rows that only a replay needs are missing, so an audit would fail.

Every ten trades are in one security, and each client buys once and sells once in them. So a client has six reports for
every ten trades, and the numbers of all rows follow from the number of the trade.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from sqlalchemy import text

from bench.load.flow import SECURITIES
from bench.target.accounts import NAMES
from db.connect import Database
from db.market_data import partitions
from tasks.data_feed.rules.candles import CANDLE_SECONDS
from tasks.messages import event_id

DAYS = 8
REPORTS_OF_A_TRADE = 6
OPEN_ORDERS_OF_A_CLIENT = 500
LEVELS_OF_A_SIDE = 200
CHUNK = 100_000

# The first id of the filled orders: ids of the accounts' deposits are far below it.
FIRST_ORDER_ID = 1_000_000
_FIRST_EVENT_ID = event_id(0, 1, 0)
_DAY_US = partitions.DAY_S * 1_000_000
_EVENT_STEP = event_id(0, 2, 0) - _FIRST_EVENT_ID

_TRADE = """
    SELECT i, names[i % 10 + 1] AS buyer, names[(i + 5) % 10 + 1] AS seller,
        securities[i / 10 % 5 + 1] AS security_id, i / 50 * 10 + i % 10 + 1 AS sequence, i / 10 * 6 AS reports_before,
        :first_order + 2 * i AS buy_order_id, :first_order + 2 * i + 1 AS sell_order_id,
        :first_event + i * CAST(:step AS bigint) AS event_id,
        10000 + CAST(200 * sin(i / 5000.0) AS bigint) + i % 5 AS price_cents, i % 9 + 1 AS quantity,
        CASE WHEN i % 2 = 0 THEN 'buy' ELSE 'sell' END AS aggressor_side,
        :first_us + CAST(i * CAST(:step_us AS float8) AS bigint) AS us
    FROM generate_series(CAST(:begin AS bigint), :end - 1) AS i,
        (SELECT CAST(:names AS text[]) AS names, CAST(:securities AS text[]) AS securities) AS all_of_them
"""
_NAMES = (
    "INSERT INTO report_heads (client_id, sequence) SELECT name, :trades / 10 * 6 FROM unnest(CAST(:names AS text[])) "
    "AS name",
    "INSERT INTO report_securities (security_id) SELECT * FROM unnest(CAST(:securities AS text[]))",
    "SELECT setval('report_stamp_numbers', 3 * :trades + 10)",
)
_NUMBERED = f"""
    SELECT trade.*, bought.client AS buyer_number, sold.client AS seller_number, security
    FROM ({_TRADE}) AS trade JOIN report_heads AS bought ON bought.client_id = buyer
    JOIN report_heads AS sold ON sold.client_id = seller JOIN report_securities USING (security_id)
"""
# Three messages for each trade: order entry's, matching's and order execution's.
_STAMP = f"(us + n * 3000 + 2000) / {_DAY_US} * CAST({partitions.STAMPS_A_DAY} AS bigint) + 3 * i + n"
_STAMPS = f"""
    INSERT INTO report_stamps (stamp, sent_us, stored_us, began_us, taken_us)
    SELECT {_STAMP}, us + n * 3000, us + n * 3000 + 2000, us + n * 2900, us + n * 3000 + 500
    FROM ({_TRADE}) AS trade CROSS JOIN generate_series(1, 3) AS n
"""
_RUNS = f"""
    INSERT INTO report_runs (first_sequence, stamp, client)
    SELECT reports_before + n_before + n, {_STAMP}, client FROM ({_NUMBERED}) AS trade
    CROSS JOIN LATERAL (VALUES (buyer_number, 0), (seller_number, 3)) AS leg (client, n_before)
    CROSS JOIN generate_series(1, 3) AS n
"""
_ORDER_REPORTS = f"""
    INSERT INTO order_reports (order_id, report_id, event_us, sequence, stamp, asked_us, quantity, price_cents, client,
        security, confirmed, side)
    SELECT order_id, order_id, us - 2000, reports_before + n_before + n, {_STAMP}, us - 1500, quantity, price_cents,
        client, security, true, side
    FROM ({_NUMBERED}) AS trade CROSS JOIN LATERAL
        (VALUES (buy_order_id, buyer_number, 'buy', 0), (sell_order_id, seller_number, 'sell', 3))
        AS leg (order_id, client, side, n_before)
    CROSS JOIN (SELECT 1 AS n) AS one
"""
_TRADE_REPORTS = f"""
    INSERT INTO trade_reports (security, sequence, traded_us, event_id, buy_order_id, sell_order_id, buyer_sequence,
        seller_sequence, stamp, quantity, price_cents, buyer, seller, aggressor_side)
    SELECT security, sequence, us, event_id, buy_order_id, sell_order_id, reports_before + n, reports_before + 3 + n,
        {_STAMP}, quantity, price_cents, buyer_number, seller_number, aggressor_side
    FROM ({_NUMBERED}) AS trade CROSS JOIN (SELECT 2 AS n) AS two
"""
_SETTLEMENT_REPORTS = f"""
    INSERT INTO settlement_reports (security, sequence, traded_us, buyer_sequence, seller_sequence, stamp)
    SELECT security, sequence, us, reports_before + n, reports_before + 3 + n, {_STAMP}
    FROM ({_NUMBERED}) AS trade CROSS JOIN (SELECT 3 AS n) AS three
"""
_REPORTS = (_STAMPS, _RUNS, _ORDER_REPORTS, _TRADE_REPORTS, _SETTLEMENT_REPORTS)
_PRICES = f"""
    INSERT INTO prices (security_id, sequence, bid_cents, ask_cents, last_cents, updated_us)
    SELECT security_id, sequence, price_cents - 1, price_cents + 1, price_cents, us FROM ({_TRADE}) AS trade
"""
_CANDLES = """
    INSERT INTO candles SELECT security_id, :interval_s, start_s, (array_agg(price_cents ORDER BY sequence))[1],
        max(price_cents), min(price_cents), (array_agg(price_cents ORDER BY sequence DESC))[1], sum(quantity),
        min(sequence), max(sequence)
    FROM (SELECT *, traded_us / 1000000 / :interval_s * :interval_s AS start_s FROM trades) AS dated
    GROUP BY security_id, start_s
"""
_ORDERS = f"""
    INSERT INTO orders (order_id, quantity, price_cents, hold_cents, created_us, post_only, client_id, client_order_id,
        security_id, type, side, time_in_force, status, filled_quantity, filled_cents, updated_us)
    SELECT order_id, quantity, price_cents, price_cents, us, false, client_id, 'order-' || order_id, security_id,
        'limit', side, 'gtc', 'filled', quantity, quantity * price_cents, us + 9000
    FROM ({_TRADE}) AS trade
    CROSS JOIN LATERAL (VALUES (buy_order_id, buyer, 'buy'), (sell_order_id, seller, 'sell'))
        AS leg (order_id, client_id, side)
"""
_PROMISES = f"""
    INSERT INTO client_order_ids (client_id, client_order_id, order_id, digest)
    SELECT client_id, 'order-' || order_id, order_id, sha256('')
    FROM ({_TRADE}) AS trade
    CROSS JOIN LATERAL (VALUES (buy_order_id, buyer), (sell_order_id, seller)) AS leg (order_id, client_id)
"""
_EXECUTIONS = f"""
    INSERT INTO executions (event_id, executed_us, settled_us, quantity, hold_cents, buy_order_id, sell_order_id,
        price_cents, sequence, kind, security_id, aggressor_side, buyer, seller)
    SELECT event_id, us, us + 8000, quantity, price_cents, buy_order_id, sell_order_id, price_cents, sequence, 'trade',
        security_id, aggressor_side, buyer, seller FROM ({_TRADE}) AS trade
"""
_LEDGER = f"""
    INSERT INTO ledger (event_id, cash_cents, shares, booked_us, kind, account, contra_account, security_id)
    SELECT event_id, sign * quantity * price_cents, -sign * quantity, us + 8000, 'trade', account, 'DTCC', security_id
    FROM ({_TRADE}) AS trade CROSS JOIN LATERAL (VALUES (buyer, -1), (seller, 1)) AS leg (account, sign)
    ORDER BY i
"""
_OPEN_ORDERS = """
    WITH opened AS (
        INSERT INTO orders (order_id, quantity, price_cents, hold_cents, created_us, post_only, client_id, security_id,
            type, side, time_in_force, status, updated_us)
        SELECT :first_order + 2 * :trades + row_number() OVER (), 10, 9000 - n % 100, 9000, :now_us, false, name,
            'MSFT', 'limit', 'buy', 'gtc', 'new', :now_us
        FROM unnest(CAST(:names AS text[])) AS name CROSS JOIN generate_series(1, :each) AS n
        RETURNING client_id, order_id
    )
    INSERT INTO open_orders (client_id, order_id) SELECT client_id, order_id FROM opened
"""
_BOOKS = """
    INSERT INTO books (security_id, update_sequence, price_sequence, bid_cents, ask_cents, last_cents, updated_us)
    SELECT security, 1, (SELECT max(sequence) FROM prices WHERE security_id = security), 9999, 10001, 10000, :now_us
    FROM unnest(CAST(:securities AS text[])) AS security
"""
_LEVELS = """
    INSERT INTO book_levels (security_id, side, price_cents, quantity, orders, sequence)
    SELECT security, side, 10000 + sign * n, 10 * n, n, 1
    FROM unnest(CAST(:securities AS text[])) AS security
    CROSS JOIN (VALUES ('buy', -1), ('sell', 1)) AS sides (side, sign) CROSS JOIN generate_series(1, :levels) AS n
"""


def fill(clearing_data: Database, market_data: Database, *, trades: int) -> None:
    """Store trades, a multiple of ten, with their orders and reports, spread over the last DAYS days."""
    now_us = time.time_ns() // 1_000
    day_us = partitions.DAY_S * 1_000_000
    for day in range(DAYS, 0, -1):
        partitions.create_ahead(market_data, now_us=now_us - day * day_us)
    facts = {
        "names": list(NAMES),
        "securities": list(SECURITIES),
        "first_order": FIRST_ORDER_ID,
        "first_event": _FIRST_EVENT_ID,
        "step": _EVENT_STEP,
        "first_us": now_us - DAYS * day_us,
        "step_us": DAYS * day_us / trades,
        "trades": trades,
        "now_us": now_us,
        "each": OPEN_ORDERS_OF_A_CLIENT,
        "levels": LEVELS_OF_A_SIDE,
    }
    _run(market_data, _NAMES, facts)
    for begin in range(0, trades, CHUNK):
        end = min(begin + CHUNK, trades)
        chunk = facts | {"begin": begin, "end": end}
        _run(market_data, (*_REPORTS, _PRICES), chunk)
        _run(clearing_data, (_ORDERS, _PROMISES, _EXECUTIONS, _LEDGER), chunk)
        print(
            f"\r  {end / trades:4.0%} of {REPORTS_OF_A_TRADE * trades:,} reports ", end="", file=sys.stderr, flush=True
        )
    for interval_s in CANDLE_SECONDS.values():
        _run(market_data, (_CANDLES,), {"interval_s": interval_s})
    _run(market_data, (_BOOKS, _LEVELS), facts)
    _run(clearing_data, (_OPEN_ORDERS,), facts)
    print("\r  everything is stored; Postgres vacuums it ", file=sys.stderr, flush=True)
    for database in (clearing_data, market_data):
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM (ANALYZE)"))


def _run(database: Database, statements: Sequence[str], facts: dict[str, object]) -> None:
    with database.transaction() as tx:
        tx.execute(text("SET LOCAL synchronous_commit = off"))
        for statement in statements:
            tx.execute(text(statement), facts)
