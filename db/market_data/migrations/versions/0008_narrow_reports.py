"""Reports and trades in narrow rows, one for each event; views show them as before. What is stored moves there."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from db.market_data.migrations.narrow_reports import MAKE_DAY, OLD_TABLES, PARTITIONED, TABLES, VIEWS

revision = "0008"
down_revision = "0007"

_DAY_US = 86_400_000_000
_STAMP_BITS = 44
_DAILY = {
    "report_stamps": ("stamp", 1 << _STAMP_BITS),
    "report_runs": ("stamp", 1 << _STAMP_BITS),
    "order_reports": ("event_us", _DAY_US),
    "trade_reports": ("traded_us", _DAY_US),
    "settlement_reports": ("traded_us", _DAY_US),
    "prices": ("updated_us", _DAY_US),
    "candles_1s": ("start_s", 86_400),
}
_OLD_DAILY = {
    "reports": ("event_us", _DAY_US),
    "trades": ("traded_us", _DAY_US),
    "prices": ("updated_us", _DAY_US),
    "candles_1s": ("start_s", 86_400),
}


def _make_day(daily: dict[str, tuple[str, int]]) -> str:
    columns = " ".join(f"WHEN '{table}' THEN '{column}'" for table, (column, _) in daily.items())
    days = " ".join(f"WHEN '{table}' THEN {a_day}" for table, (_, a_day) in daily.items())
    return MAKE_DAY.replace("{columns}", columns).replace("{days}", days)


# -- forwards ----------------------------------------------------------------------------------------------------------

_NUMBER_STAMPS = f"""
    CREATE TEMPORARY TABLE stored_stamps ON COMMIT DROP AS
    SELECT (stored_us / {_DAY_US} << {_STAMP_BITS}) + row_number() OVER (ORDER BY stored_us, first) AS stamp,
        sent_us, stored_us, began_us, taken_us
    FROM (
        SELECT sent_us, stored_us, began_us, taken_us, min(sequence) AS first FROM old_reports GROUP BY 1, 2, 3, 4
    ) AS messages
"""  # noqa: S608 - numbers of ours
_SAME_STAMP = """
    USING (sent_us, stored_us)
    WHERE message.began_us IS NOT DISTINCT FROM old.began_us AND message.taken_us IS NOT DISTINCT FROM old.taken_us
"""
# Reports of one message that have others between them are several runs.
_RUNS = """
    INSERT INTO report_runs (first_sequence, stamp, client)
    SELECT min(sequence), stamp, client FROM (
        SELECT stamp, client, sequence,
            sequence - row_number() OVER (PARTITION BY client, stamp ORDER BY sequence) AS island
        FROM numbered
    ) AS reports GROUP BY client, stamp, island
"""
# One row for each report with its numbers, which all rows are made of.
_NUMBERED = f"""
    CREATE TEMPORARY TABLE numbered ON COMMIT DROP AS
    SELECT old.order_id, old.report_id, old.event_type, old.confirmed, head.client, listed.security, old.side,
        old.quantity, old.price_cents, old.reason, old.event_us, old.sequence, old.asked_us, message.stamp
    FROM old_reports AS old JOIN report_heads AS head USING (client_id)
    JOIN report_securities AS listed USING (security_id) JOIN stored_stamps AS message {_SAME_STAMP}
"""
# The shares of the work before the first row moves, measured with 200,000 reports of five days.
_STAMPS_SHARE, _NUMBERED_SHARE, _RUNS_SHARE = 0.04, 0.05, 0.08
_MOVES = (
    """
        INSERT INTO order_reports (order_id, report_id, event_us, sequence, stamp, asked_us, quantity, price_cents,
            client, security, confirmed, side, reason)
        SELECT order_id, report_id, event_us, sequence, stamp, asked_us, quantity, price_cents, client, security,
            confirmed, side, reason
        FROM numbered WHERE event_type = 'order' AND event_us >= :begin AND event_us < :end
    """,
    """
        INSERT INTO trade_reports (security, sequence, traded_us, event_id, buy_order_id, sell_order_id, buyer_sequence,
            seller_sequence, stamp, quantity, price_cents, buyer, seller, aggressor_side)
        SELECT security, trade.sequence, traded_us, event_id, buy.order_id, sell.order_id, buy.sequence, sell.sequence,
            buy.stamp, trade.quantity, trade.price_cents, buy.client, sell.client, aggressor_side
        FROM old_trades AS trade JOIN report_securities USING (security_id)
        JOIN numbered AS buy USING (security)
        JOIN numbered AS sell USING (security, event_type, report_id, event_us)
        WHERE buy.event_type = 'trade' AND buy.report_id = event_id AND buy.event_us = traded_us AND buy.side = 'buy'
            AND sell.side = 'sell' AND traded_us >= :begin AND traded_us < :end
    """,
    """
        WITH settled AS (
            SELECT security, -report_id AS event_id, event_us AS traded_us, buy.reason, buy.quantity, buy.price_cents,
                buy.stamp, buy.order_id AS buy_order_id, sell.order_id AS sell_order_id,
                buy.sequence AS buyer_sequence, sell.sequence AS seller_sequence, buy.client AS buyer,
                sell.client AS seller
            FROM numbered AS buy JOIN numbered AS sell USING (security, event_type, report_id, event_us)
            WHERE event_type = 'settlement' AND buy.side = 'buy' AND sell.side = 'sell'
                AND event_us >= :begin AND event_us < :end
        ), unreported AS (
            -- The trade is on its way to the feed. Its number in the security is not known, and this one no trade has.
            INSERT INTO trade_reports (security, sequence, traded_us, event_id, buy_order_id, sell_order_id, quantity,
                price_cents, buyer, seller)
            SELECT security, -event_id, traded_us, event_id, buy_order_id, sell_order_id, quantity, price_cents, buyer,
                seller
            FROM settled WHERE NOT EXISTS (
                SELECT FROM trade_reports AS trade WHERE trade.event_id = settled.event_id
                AND trade.traded_us = settled.traded_us
            )
        )
        INSERT INTO settlement_reports (security, sequence, traded_us, buyer_sequence, seller_sequence, stamp, reason)
        SELECT security, coalesce(trade.sequence, -event_id), traded_us, settled.buyer_sequence,
            settled.seller_sequence, settled.stamp, reason
        FROM settled LEFT JOIN trade_reports AS trade USING (security, event_id, traded_us)
    """,
)


# Prepared statements are planned once for a connection. Postgres would plan those of the feed for each batch, which takes
# three times as long as running them.
_PLANS = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {} plan_cache_mode{}', current_database()); END $$"


def upgrade() -> None:
    op.execute(_PLANS.format("SET", " = force_generic_plan"))
    for table in ("reports", "trades"):
        op.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in TABLES:
        op.execute(statement)
    op.execute("ALTER TABLE report_heads ADD COLUMN client integer GENERATED ALWAYS AS IDENTITY UNIQUE")
    for table in PARTITIONED:
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    op.execute(_make_day(_DAILY))
    _move()
    for table in ("reports", "trades"):
        op.execute(f"DROP TABLE old_{table}")
    for view in VIEWS:
        op.execute(view)
    _rename_dropped()


def _rename_dropped() -> None:
    """Enter what was dropped under the new names; the tables go on to refuse rows of these days."""
    op.execute(
        "INSERT INTO dropped SELECT new_name, before, dropped_us, CASE WHEN counts THEN rows ELSE 0 END, bytes, "
        "CASE new_name WHEN 'order_reports' THEN denied ELSE '{}' END "
        "FROM dropped JOIN (VALUES ('reports', 'order_reports', true), ('trades', 'trade_reports', true), "
        "('reports', 'settlement_reports', false), ('reports', 'trade_reports', false)) "
        "AS renamed (table_name, new_name, counts) USING (table_name) ORDER BY counts DESC ON CONFLICT DO NOTHING"
    )
    op.execute("DELETE FROM dropped WHERE table_name IN ('reports', 'trades')")
    for table in ("order_reports", "trade_reports", "settlement_reports"):
        query = sa.text("SELECT max(before) FROM dropped WHERE table_name = :table")
        before = op.get_bind().execute(query, {"table": table}).scalar()
        if before is not None:
            check = f"CHECK ({_DAILY[table][0]} >= {before})"
            op.execute(f"ALTER TABLE {table}_default ADD CONSTRAINT {table}_floor {check}")


def _move() -> None:
    tx = op.get_bind()
    stored = tx.execute(sa.text("SELECT count(*) FROM old_reports")).scalar_one()
    if not stored and not tx.execute(sa.text("SELECT count(*) FROM old_trades")).scalar_one():
        return
    _say(f"market_data: {stored:,} reports move to narrow rows")
    progress = _Progress()
    op.execute(
        "INSERT INTO report_heads (client_id, sequence) SELECT client_id, max(sequence) FROM old_reports "
        "GROUP BY client_id ON CONFLICT DO NOTHING"
    )
    op.execute(
        "INSERT INTO report_securities (security_id) "
        "SELECT security_id FROM old_reports UNION SELECT security_id FROM old_trades ORDER BY 1"
    )
    op.execute(_NUMBER_STAMPS)
    op.execute("ANALYZE stored_stamps")
    progress.report("messages are numbered", _STAMPS_SHARE)
    for day in _days("stored_us", "stored_stamps"):
        for table in ("report_stamps", "report_runs"):
            _create_day(table, day)
    op.execute("INSERT INTO report_stamps (stamp, sent_us, stored_us, began_us, taken_us) SELECT * FROM stored_stamps")
    op.execute(
        f"SELECT setval('report_stamp_numbers', greatest(max(stamp & ((1::bigint << {_STAMP_BITS}) - 1)), 1)) "
        "FROM stored_stamps"
    )
    op.execute(_NUMBERED)
    progress.report("reports are numbered", _NUMBERED_SHARE)
    op.execute("CREATE INDEX ON numbered (report_id)")
    op.execute("ANALYZE numbered")
    op.execute(_RUNS)
    progress.report("reports are sorted", _RUNS_SHARE)
    moved = 0
    left = 1 - _STAMPS_SHARE - _NUMBERED_SHARE - _RUNS_SHARE
    counts = _reports_of_days()
    for day, reports in counts.items():
        for table in ("order_reports", "trade_reports", "settlement_reports"):
            _create_day(table, day)
        for move in _MOVES:
            done = tx.execute(sa.text(move), {"begin": day * _DAY_US, "end": (day + 1) * _DAY_US})
            moved += done.rowcount
        up_to = f"{datetime.fromtimestamp(day * 86_400, UTC):%Y-%m-%d}"
        progress.report(f"{moved:,} rows are stored, up to {up_to}", left * reports / max(stored, 1))


class _Progress:
    """Reports how much of the migration is done; its begin, its share and the time so far give the time that it still takes."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._done = 0.0

    def report(self, what: str, share: float) -> None:
        """Report a part of the work that is done, as a share of the whole."""
        self._done = min(self._done + share, 1.0)
        took_s = time.monotonic() - self._began_s
        left_s = took_s / self._done * (1 - self._done)
        _say(f"market_data: {self._done:.0%} after {took_s:.0f} s, about {left_s:.0f} s left; {what}")


def _reports_of_days() -> dict[int, int]:
    """Return how many reports each day has, the first day first."""
    query = f"SELECT event_us / {_DAY_US}, count(*) FROM old_reports GROUP BY 1 ORDER BY 1"  # noqa: S608 - a number
    return {day: reports for day, reports in op.get_bind().execute(sa.text(query))}


def _days(column: str, table: str) -> list[int]:
    days = sa.text(f"SELECT DISTINCT {column} / {_DAY_US} FROM {table} ORDER BY 1")  # noqa: S608 - names of ours
    return list(op.get_bind().execute(days).scalars())


def _create_day(table: str, day: int) -> None:
    op.get_bind().execute(sa.text("SELECT make_day(:table, :day, 0)"), {"table": table, "day": day})


def _say(what: str) -> None:
    """Show the progress; a migration of many rows takes minutes."""
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()


# -- back --------------------------------------------------------------------------------------------------------------

def downgrade() -> None:
    op.execute(_PLANS.format("RESET", ""))
    for view in ("reports", "trades"):
        op.execute(f"ALTER VIEW {view} RENAME TO narrow_{view}")
    for statement in OLD_TABLES:
        op.execute(statement)
    op.execute(_make_day(_OLD_DAILY))
    for table, column, narrow in (("reports", "event_us", "order_reports"), ("trades", "traded_us", "trade_reports")):
        for day in _days(column, f"narrow_{table}"):
            _create_day(table, day)
        names = _COLUMNS[table]
        op.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM narrow_{table}")  # noqa: S608 - names of ours
        op.execute(f"DROP VIEW narrow_{table}")
        op.execute(f"DELETE FROM dropped WHERE table_name = '{table}'")  # noqa: S608
        op.execute(f"UPDATE dropped SET table_name = '{table}' WHERE table_name = '{narrow}'")  # noqa: S608
    op.execute("DELETE FROM dropped WHERE table_name = ANY('{settlement_reports,report_stamps,report_runs}')")
    for table in PARTITIONED:
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP TABLE report_securities")
    op.execute("DROP SEQUENCE report_stamp_numbers")
    op.execute("ALTER TABLE report_heads DROP COLUMN client")


_COLUMNS = {
    "reports": "order_id, report_id, event_type, confirmed, client_id, security_id, side, quantity, price_cents, "
    "reason, sequence, event_us, sent_us, stored_us, began_us, asked_us, taken_us",
    "trades": "security_id, sequence, event_id, price_cents, quantity, aggressor_side, traded_us",
}
