"""A function that drops the partition of an old day, so that the scheduler can do it without owning the tables."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

# It runs with the rights of the owner: it takes no name that it does not know, and drops nothing of today or yesterday.
_DROP_DAY = r"""
CREATE FUNCTION drop_day(parent text, partition text, before bigint, noted_us bigint, size bigint, patience_ms integer)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    time_column text := CASE parent WHEN 'reports' THEN 'event_us' WHEN 'trades' THEN 'traded_us'
        WHEN 'prices' THEN 'updated_us' WHEN 'candles_1s' THEN 'start_s' END;
    about_column text := CASE parent WHEN 'reports' THEN 'client_id' WHEN 'prices' THEN 'security_id' END;
    units bigint := CASE parent WHEN 'candles_1s' THEN 1 ELSE 1000000 END;
    -- Reports and trades may be delivered again; those of dropped days are not stored again.
    keeps_out boolean := parent IN ('reports', 'trades');
    denied text := $re$CAST('{}' AS bigint[])$re$;
    part text;
    rows_from text;
    gone bigint;
    total bigint := 0;
    old_rows boolean;
BEGIN
    IF time_column IS NULL THEN
        RAISE EXCEPTION 'there are no days of %', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF before > (extract(epoch FROM date_trunc('day', now() AT TIME ZONE 'UTC')) - 86400)::bigint * units THEN
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
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I < %s)', parent || '_default', time_column, before)
        INTO old_rows;
    IF parent = 'reports' THEN
        denied := $re$coalesce(array_agg(report_id) FILTER
            (WHERE NOT confirmed AND report_id > 0 AND report_id < CAST(2 ^ 53 AS bigint)), '{}')$re$;
    END IF;
    FOREACH part IN ARRAY ARRAY[partition, CASE WHEN old_rows THEN parent || '_default' END] LOOP
        CONTINUE WHEN part IS NULL;
        rows_from := format('FROM %I WHERE %I < %s', part, time_column, before);
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
        IF about_column IS NOT NULL THEN
            EXECUTE format($sql$
                INSERT INTO dropped_sequences AS noted (table_name, about, sequence)
                SELECT %L, %I, max(sequence) %s GROUP BY %I
                ON CONFLICT (table_name, about) DO UPDATE
                    SET sequence = greatest(noted.sequence, excluded.sequence)$sql$,
                parent, about_column, rows_from, about_column);
        END IF;
    END LOOP;
    IF old_rows THEN
        EXECUTE format('DELETE FROM %I WHERE %I < %s', parent || '_default', time_column, before);
    END IF;
    IF keeps_out THEN
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT IF EXISTS %I, ADD CONSTRAINT %I CHECK (%I >= %s)',
            parent || '_default', parent || '_floor', parent || '_floor', time_column, before);
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
