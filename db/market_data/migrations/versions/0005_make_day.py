"""A function that makes the partition of a day, so that the data feed can do it without owning the tables."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

# It runs with the rights of the owner: it takes no name that it does not know, and no SQL.
_MAKE_DAY = r"""
CREATE FUNCTION make_day(parent text, day integer, most_moved_rows bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    time_column text := CASE parent WHEN 'reports' THEN 'event_us' WHEN 'trades' THEN 'traded_us'
        WHEN 'prices' THEN 'updated_us' WHEN 'candles_1s' THEN 'start_s' END;
    first bigint := day::bigint * 86400 * CASE parent WHEN 'candles_1s' THEN 1 ELSE 1000000 END;
    past bigint := (day::bigint + 1) * 86400 * CASE parent WHEN 'candles_1s' THEN 1 ELSE 1000000 END;
    storage text := CASE parent WHEN 'candles_1s' THEN 'WITH (fillfactor = 70)' ELSE '' END;
    partition text := parent || '_' || to_char(to_timestamp(day::bigint * 86400) AT TIME ZONE 'UTC', 'YYYYMMDD');
    within text := format('%s >= %s AND %s < %s', time_column, first, time_column, past);
    waiting bigint;
BEGIN
    IF time_column IS NULL THEN
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


def upgrade() -> None:
    op.execute(_MAKE_DAY)
    op.execute("REVOKE ALL ON FUNCTION make_day(text, integer, bigint) FROM PUBLIC")


def downgrade() -> None:
    op.execute("DROP FUNCTION make_day(text, integer, bigint)")
