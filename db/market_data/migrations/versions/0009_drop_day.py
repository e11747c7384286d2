"""A function that drops the partition of an old day, so that the scheduler can do it without owning the tables."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

# It runs with the rights of the owner: it takes no name that it does not know, and drops nothing of today or yesterday.
_DROP_DAY = r"""
CREATE FUNCTION drop_day(parent text, partition text, before bigint, noted_us bigint, size bigint, patience_ms integer)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    day_column text := CASE parent WHEN 'order_reports' THEN 'event_us' WHEN 'trade_reports' THEN 'traded_us'
        WHEN 'settlement_reports' THEN 'traded_us' WHEN 'report_stamps' THEN 'stamp' WHEN 'report_runs' THEN 'stamp'
        WHEN 'prices' THEN 'updated_us' WHEN 'candles_1s' THEN 'start_s' END;
    a_day bigint := CASE WHEN parent IN ('report_stamps', 'report_runs') THEN 1::bigint << 44
        WHEN parent = 'candles_1s' THEN 86400 ELSE 86400000000 END;
    -- The highest sequence of each client or security among the rows that go.
    numbered text := CASE parent
        WHEN 'order_reports' THEN
            'SELECT client_id AS about, gone.sequence FROM (SELECT * %s) AS gone JOIN report_heads USING (client)'
        WHEN 'trade_reports' THEN
            'SELECT client_id AS about, leg.sequence FROM (SELECT * %s) AS gone CROSS JOIN LATERAL '
            '(VALUES (buyer, buyer_sequence), (seller, seller_sequence)) AS leg (client, sequence) '
            'JOIN report_heads USING (client) WHERE stamp IS NOT NULL'
        WHEN 'settlement_reports' THEN
            'SELECT client_id AS about, leg.sequence FROM (SELECT * %s) AS gone '
            'JOIN trade_reports AS trade USING (security, sequence, traded_us) CROSS JOIN LATERAL '
            '(VALUES (trade.buyer, gone.buyer_sequence), (trade.seller, gone.seller_sequence)) '
            'AS leg (client, sequence) JOIN report_heads USING (client)'
        WHEN 'prices' THEN 'SELECT security_id AS about, sequence FROM (SELECT * %s) AS gone' END;
    counted text := CASE WHEN parent LIKE '%\_reports' THEN 'reports' ELSE parent END;
    -- Reports may be delivered again; those of dropped days are not stored again.
    keeps_out boolean := parent LIKE '%\_reports';
    denied text := $re$CAST('{}' AS bigint[])$re$;
    part text;
    rows_from text;
    gone bigint;
    total bigint := 0;
    old_rows boolean;
BEGIN
    IF day_column IS NULL THEN
        RAISE EXCEPTION 'there are no days of %', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF before > (extract(epoch FROM date_trunc('day', now() AT TIME ZONE 'UTC')) / 86400 - 1)::bigint * a_day THEN
        RAISE EXCEPTION 'rows of yesterday and today are not dropped' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF partition IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = CAST(parent AS regclass) AND child.relname = partition
            AND substring(pg_get_expr(child.relpartbound, child.oid) from $re$TO \('?(\d+)'?\)$re$)::bigint <= before
    ) THEN
        RAISE EXCEPTION '% is no partition of % before %', partition, parent, before
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF partition IS NOT NULL THEN
        -- No worker stores rows there any more, and readers are not blocked. A vacuum gives way after a second.
        PERFORM set_config('lock_timeout', '3s', true);
        EXECUTE format('LOCK TABLE %I IN SHARE MODE', partition);
    END IF;
    -- Never queue for this lock, which would block others.
    LOOP
        BEGIN
            EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE NOWAIT', parent);
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF clock_timestamp() > statement_timestamp() + patience_ms * interval '1 millisecond' THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.02);
        END;
    END LOOP;
    PERFORM set_config('lock_timeout', '100ms', true);
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I < %s)', parent || '_default', day_column, before)
        INTO old_rows;
    IF parent = 'order_reports' THEN
        denied := $re$coalesce(array_agg(report_id) FILTER
            (WHERE NOT confirmed AND report_id > 0 AND report_id < CAST(2 ^ 53 AS bigint)), '{}')$re$;
    END IF;
    FOREACH part IN ARRAY ARRAY[partition, CASE WHEN old_rows THEN parent || '_default' END] LOOP
        CONTINUE WHEN part IS NULL;
        rows_from := format('FROM %I WHERE %I < %s', part, day_column, before);
        EXECUTE format($sql$
            WITH gone AS (SELECT count(*) AS rows, %s AS denied %s), noting AS (
                INSERT INTO dropped AS noted (table_name, before, dropped_us, rows, bytes, denied)
                SELECT %L, %s, %s, rows, %s, denied FROM gone
                ON CONFLICT (table_name, before) DO UPDATE SET dropped_us = excluded.dropped_us,
                    rows = noted.rows + excluded.rows, bytes = greatest(noted.bytes, excluded.bytes),
                    denied = noted.denied || excluded.denied
            )
            SELECT rows FROM gone$sql$, denied, rows_from, parent, before, noted_us, size) INTO gone;
        total := total + gone;
        IF numbered IS NOT NULL THEN
            EXECUTE format($sql$
                INSERT INTO dropped_sequences AS noted (table_name, about, sequence)
                SELECT %L, about, max(sequence) FROM (%s) AS numbered GROUP BY about
                ON CONFLICT (table_name, about) DO UPDATE
                    SET sequence = greatest(noted.sequence, excluded.sequence)$sql$,
                counted, format(numbered, rows_from));
        END IF;
    END LOOP;
    IF old_rows THEN
        EXECUTE format('DELETE FROM %I WHERE %I < %s', parent || '_default', day_column, before);
    END IF;
    IF keeps_out THEN
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT IF EXISTS %I, ADD CONSTRAINT %I CHECK (%I >= %s)',
            parent || '_default', parent || '_floor', parent || '_floor', day_column, before);
    END IF;
    IF partition IS NOT NULL THEN
        EXECUTE format('DROP TABLE %I', partition);
    END IF;
    RETURN total;
END $$
"""
_SIGNATURE = "drop_day(text, text, bigint, bigint, bigint, integer)"


def upgrade() -> None:
    op.execute(_DROP_DAY)
    op.execute(f"REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {_SIGNATURE}")
