"""Rule 8: candles agree with the stored trades; one transaction stores both, so one snapshot has both."""

from __future__ import annotations

from sqlalchemy import Connection, text

from db.market_data.partitions import DAILY, TRADE_REPORTS, dropped_before
from tasks.audit.common.result import CheckResult
from tasks.data_feed.rules.candles import CANDLE_SECONDS

_FINEST = next(table for table in DAILY if table.name == "candles_1s")

# Arrays of a trade's number and price sort by the number, so the smallest one has the first price. Dropped days are
# whole multiples of every interval, so no candle has lost only some of its trades.
_DIFFERENT = text(
    """
    WITH finest AS (
        SELECT security_id, traded_us / 1000000 AS start_s, min(ARRAY[sequence, price_cents]) AS first,
            max(ARRAY[sequence, price_cents]) AS last, max(price_cents) AS high, min(price_cents) AS low,
            sum(quantity) AS volume
        FROM trades WHERE traded_us >= CAST(:floor_s AS bigint) * 1000000 GROUP BY security_id, traded_us / 1000000
    ), made AS (
        SELECT security_id, interval_s, start_s - start_s % interval_s AS start_s, min(first) AS first,
            max(last) AS last, max(high) AS high, min(low) AS low, sum(volume) AS volume
        FROM finest CROSS JOIN unnest(CAST(:intervals AS int[])) AS interval_s
        WHERE interval_s > 1 OR start_s >= :finest_floor_s
        GROUP BY security_id, interval_s, start_s - start_s % interval_s
    ), stored AS (
        SELECT * FROM candles WHERE start_s >= :floor_s AND (interval_s > 1 OR start_s >= :finest_floor_s)
    )
    SELECT security_id, interval_s, start_s,
        CASE WHEN stored.volume IS NOT NULL THEN concat_ws(' ', stored.open_cents, stored.high_cents, stored.low_cents,
            stored.close_cents, stored.volume, stored.first_sequence, stored.last_sequence) END,
        CASE WHEN made.volume IS NOT NULL THEN concat_ws(' ', made.first[2], made.high, made.low,
            made.last[2], made.volume, made.first[1], made.last[1]) END
    FROM made FULL JOIN stored USING (security_id, interval_s, start_s)
    WHERE (stored.open_cents, stored.high_cents, stored.low_cents, stored.close_cents, stored.volume,
            stored.first_sequence, stored.last_sequence)
        IS DISTINCT FROM (made.first[2], made.high, made.low, made.last[2], made.volume, made.first[1], made.last[1])
    ORDER BY security_id, interval_s, start_s
    """
).execution_options(yield_per=1_000)


def check_candles(tx: Connection) -> CheckResult:
    """Check that the candles of every interval follow from the trades."""
    checked = CheckResult(tx.execute(text("SELECT count(*) FROM candles")).scalar_one())
    floor_s = dropped_before(tx, TRADE_REPORTS) // 1_000_000
    bounds = {
        "floor_s": floor_s,
        "finest_floor_s": max(floor_s, dropped_before(tx, _FINEST)),
        "intervals": list(CANDLE_SECONDS.values()),
    }
    for security_id, interval_s, start_s, stored, made in tx.execute(_DIFFERENT, bounds):
        name = f"the candle of {security_id} of {interval_s} s at {start_s}"
        terms = "(open, high, low, close, volume, first and last trade)"
        checked.find(f"{name} is stored as {stored}; its trades make {made} {terms}")
    return checked
