"""Reports and trades in narrow rows, one for each event; views show them as before. What is stored moves there."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_DAY_US = 86_400_000_000
_STAMP_BITS = 44
_TABLES = (
    """
    CREATE TABLE report_securities (
        security_id text COLLATE "C" PRIMARY KEY,
        security smallint GENERATED ALWAYS AS IDENTITY UNIQUE
    )
    """,
    """
    CREATE TABLE report_stamps (
        stamp bigint PRIMARY KEY, sent_us bigint NOT NULL, stored_us bigint NOT NULL, began_us bigint, taken_us bigint
    ) PARTITION BY RANGE (stamp)
    """,
    "CREATE SEQUENCE report_stamp_numbers AS bigint",
    """
    CREATE TABLE report_runs (first_sequence bigint NOT NULL, stamp bigint NOT NULL, client integer NOT NULL)
    PARTITION BY RANGE (stamp)
    """,
    "CREATE INDEX report_runs_by_client ON report_runs (client, first_sequence)",
    """
    CREATE TABLE order_reports (
        order_id bigint, report_id bigint, event_us bigint, sequence bigint NOT NULL, stamp bigint NOT NULL,
        asked_us bigint, quantity integer, price_cents integer, client integer NOT NULL, security smallint NOT NULL,
        confirmed boolean NOT NULL, side text COLLATE "C", reason text COLLATE "C",
        PRIMARY KEY (order_id, report_id, event_us)
    ) PARTITION BY RANGE (event_us)
    """,
    "CREATE INDEX order_reports_by_stamp ON order_reports (stamp)",
    """
    CREATE TABLE trade_reports (
        security smallint, sequence bigint, traded_us bigint, event_id bigint NOT NULL, buy_order_id bigint NOT NULL,
        sell_order_id bigint NOT NULL, buyer_sequence bigint, seller_sequence bigint, stamp bigint,
        quantity integer NOT NULL, price_cents integer NOT NULL, buyer integer NOT NULL, seller integer NOT NULL,
        aggressor_side text COLLATE "C", PRIMARY KEY (security, sequence, traded_us)
    ) PARTITION BY RANGE (traded_us)
    """,
    "CREATE INDEX trade_reports_by_buy_order ON trade_reports (buy_order_id)",
    "CREATE INDEX trade_reports_by_sell_order ON trade_reports (sell_order_id)",
    "CREATE INDEX trade_reports_by_stamp ON trade_reports (stamp)",
    """
    CREATE TABLE settlement_reports (
        security smallint, sequence bigint, traded_us bigint, buyer_sequence bigint NOT NULL,
        seller_sequence bigint NOT NULL, stamp bigint NOT NULL, reason text COLLATE "C",
        PRIMARY KEY (security, sequence, traded_us)
    ) PARTITION BY RANGE (traded_us)
    """,
    "CREATE INDEX settlement_reports_by_stamp ON settlement_reports (stamp)",
)
_PARTITIONED = ("report_stamps", "report_runs", "order_reports", "trade_reports", "settlement_reports")

_LEGS = """
    SELECT r.order_id, r.report_id, 'order' AS event_type, r.confirmed, r.client, r.security, r.side, r.quantity,
        r.price_cents, r.reason, r.event_us, r.stamp, r.sequence, r.asked_us
    FROM order_reports AS r
    UNION ALL
    SELECT r.buy_order_id, r.event_id, 'trade', true, r.buyer, r.security, 'buy', r.quantity, r.price_cents,
        NULL, r.traded_us, r.stamp, r.buyer_sequence, NULL
    FROM trade_reports AS r WHERE r.stamp IS NOT NULL
    UNION ALL
    SELECT r.sell_order_id, r.event_id, 'trade', true, r.seller, r.security, 'sell', r.quantity, r.price_cents,
        NULL, r.traded_us, r.stamp, r.seller_sequence, NULL
    FROM trade_reports AS r WHERE r.stamp IS NOT NULL
    UNION ALL
    SELECT trade.buy_order_id, -trade.event_id, 'settlement', r.reason IS NULL, trade.buyer, r.security, 'buy',
        trade.quantity, trade.price_cents, r.reason, r.traded_us, r.stamp, r.buyer_sequence, NULL
    FROM settlement_reports AS r JOIN trade_reports AS trade USING (security, sequence, traded_us)
    UNION ALL
    SELECT trade.sell_order_id, -trade.event_id, 'settlement', r.reason IS NULL, trade.seller, r.security, 'sell',
        trade.quantity, trade.price_cents, r.reason, r.traded_us, r.stamp, r.seller_sequence, NULL
    FROM settlement_reports AS r JOIN trade_reports AS trade USING (security, sequence, traded_us)
"""
_VIEWS = (
    f"""
    CREATE VIEW reports AS
    SELECT report.order_id, report.report_id, CAST(report.event_type AS text) COLLATE "C" AS event_type,
        report.confirmed, head.client_id, listed.security_id, CAST(report.side AS text) COLLATE "C" AS side,
        CAST(report.quantity AS bigint) AS quantity, CAST(report.price_cents AS bigint) AS price_cents,
        CAST(report.reason AS text) COLLATE "C" AS reason, report.event_us, message.sent_us, report.sequence,
        message.stored_us, message.began_us, report.asked_us, message.taken_us
    FROM ({_LEGS}) AS report
    JOIN report_heads AS head ON head.client = report.client
    JOIN report_securities AS listed ON listed.security = report.security
    JOIN report_stamps AS message ON message.stamp = report.stamp
    """,
    """
    CREATE VIEW trades AS
    SELECT listed.security_id, trade.sequence, trade.event_id, CAST(trade.price_cents AS bigint) AS price_cents,
        CAST(trade.quantity AS bigint) AS quantity, trade.aggressor_side, trade.traded_us
    FROM trade_reports AS trade JOIN report_securities AS listed ON listed.security = trade.security
    WHERE trade.stamp IS NOT NULL
    """,
)

# It runs with the rights of the owner: it takes no name that it does not know, and no SQL.
_MAKE_DAY = r"""
CREATE OR REPLACE FUNCTION make_day(parent text, day integer, most_moved_rows bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    day_column text := CASE parent {columns} END;
    a_day bigint := CASE parent {days} END;
    first bigint := day * a_day;
    past bigint := (day + 1) * a_day;
    storage text := CASE parent WHEN 'candles_1s' THEN 'WITH (fillfactor = 70)' ELSE '' END;
    partition text := parent || '_' || to_char(to_timestamp(day::bigint * 86400) AT TIME ZONE 'UTC', 'YYYYMMDD');
    within text := format('%s >= %s AND %s < %s', day_column, first, day_column, past);
    waiting bigint;
BEGIN
    IF day_column IS NULL THEN
        RAISE EXCEPTION 'there are no days of %', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- It is what ATTACH would wait for, with everyone who comes after it waiting behind.
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE NOWAIT', parent || '_default');
    EXECUTE format('SELECT count(*) FROM (SELECT FROM %I WHERE %s LIMIT %s) AS few',
        parent || '_default', within, most_moved_rows + 1) INTO waiting;
    IF EXISTS (
        -- The partition of all that was stored before there were days covers it.
        SELECT FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid
        WHERE inhparent = CAST(parent AS regclass)
            AND pg_get_expr(part.relpartbound, part.oid) LIKE '%FROM (MINVALUE)%'
            AND substring(pg_get_expr(part.relpartbound, part.oid) from $re$TO \('?(\d+)'?\)$re$)::bigint > first
    ) THEN
        RETURN true;
    END IF;
    IF waiting > most_moved_rows THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS) %s', partition, parent, storage);
    IF waiting > 0 THEN
        EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE %s', partition, parent || '_default', within);
        EXECUTE format('DELETE FROM %I WHERE %s', parent || '_default', within);
    END IF;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', parent, partition, first, past);
    RETURN true;
END $$
"""
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
    return _MAKE_DAY.replace("{columns}", columns).replace("{days}", days)


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
    for statement in _TABLES:
        op.execute(statement)
    op.execute("ALTER TABLE report_heads ADD COLUMN client integer GENERATED ALWAYS AS IDENTITY UNIQUE")
    for table in _PARTITIONED:
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    op.execute(_make_day(_DAILY))
    _move()
    for table in ("reports", "trades"):
        op.execute(f"DROP TABLE old_{table}")
    for view in _VIEWS:
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

_OLD_TABLES = (
    """
    CREATE TABLE reports (
        order_id bigint, report_id bigint, event_type text COLLATE "C" NOT NULL, confirmed boolean NOT NULL,
        client_id text COLLATE "C" NOT NULL, security_id text COLLATE "C" NOT NULL, side text COLLATE "C",
        quantity bigint, price_cents bigint, reason text COLLATE "C", sequence bigint NOT NULL, event_us bigint,
        sent_us bigint NOT NULL, stored_us bigint NOT NULL, began_us bigint, asked_us bigint, taken_us bigint,
        PRIMARY KEY (order_id, report_id, event_us)
    ) PARTITION BY RANGE (event_us)
    """,
    "CREATE INDEX reports_by_client ON reports (client_id, sequence)",
    """
    CREATE TABLE trades (
        security_id text COLLATE "C", sequence bigint, event_id bigint NOT NULL, price_cents bigint NOT NULL,
        quantity bigint NOT NULL, aggressor_side text COLLATE "C", traded_us bigint,
        PRIMARY KEY (security_id, sequence, traded_us)
    ) PARTITION BY RANGE (traded_us)
    """,
    "CREATE TABLE reports_default PARTITION OF reports DEFAULT",
    "CREATE TABLE trades_default PARTITION OF trades DEFAULT",
)


def downgrade() -> None:
    op.execute(_PLANS.format("RESET", ""))
    for view in ("reports", "trades"):
        op.execute(f"ALTER VIEW {view} RENAME TO narrow_{view}")
    for statement in _OLD_TABLES:
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
    for table in _PARTITIONED:
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP TABLE report_securities")
    op.execute("DROP SEQUENCE report_stamp_numbers")
    op.execute("ALTER TABLE report_heads DROP COLUMN client")


_COLUMNS = {
    "reports": "order_id, report_id, event_type, confirmed, client_id, security_id, side, quantity, price_cents, "
    "reason, sequence, event_us, sent_us, stored_us, began_us, asked_us, taken_us",
    "trades": "security_id, sequence, event_id, price_cents, quantity, aggressor_side, traded_us",
}
