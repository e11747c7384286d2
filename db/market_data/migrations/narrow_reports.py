"""The tables, views and function that migration 0008 makes, and the tables that it replaces.

They stand as they were then, whatever later migrations change.
"""

from __future__ import annotations

TABLES = (
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
PARTITIONED = ("report_stamps", "report_runs", "order_reports", "trade_reports", "settlement_reports")

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
VIEWS = (
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
    """,  # noqa: S608 - SQL of ours
    """
    CREATE VIEW trades AS
    SELECT listed.security_id, trade.sequence, trade.event_id, CAST(trade.price_cents AS bigint) AS price_cents,
        CAST(trade.quantity AS bigint) AS quantity, trade.aggressor_side, trade.traded_us
    FROM trade_reports AS trade JOIN report_securities AS listed ON listed.security = trade.security
    WHERE trade.stamp IS NOT NULL
    """,
)

# It runs with the rights of the owner: it takes no name that it does not know, and no SQL.
MAKE_DAY = r"""
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

OLD_TABLES = (
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
