"""Writes the coverage of messages, and candles, to `market_data`.

Every worker locks rows in this order, so that workers never wait for each other in a circle: heads of the clients by
name, candles by key, books by name, their levels, reports and trades. The locks on the heads keep two workers from
storing the same report or trade at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import astuple

from db import coverage
from db.arrays import array
from db.statements import Statements
from tasks.data_feed.rules.rows import Candle
from tasks.shared.rules.coverage import Interval


def cover(statements: Statements, covers: Iterable[tuple[str, Sequence[Interval]]]) -> None:
    """Add the intervals that messages of stages cover; the next statement that runs sends them along."""
    by_stage: dict[str, list[Interval]] = {}
    for stage, intervals in covers:
        by_stage.setdefault(stage, []).extend(intervals)
    for stage, intervals in by_stage.items():
        coverage.add(statements, stage, intervals)


_MERGE_CANDLES = """
    INSERT INTO candles AS old
    SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bigint[])
    ON CONFLICT (security_id, interval_s, start_s) DO UPDATE SET
        open_cents = CASE WHEN excluded.first_sequence < old.first_sequence
                          THEN excluded.open_cents ELSE old.open_cents END,
        high_cents = greatest(old.high_cents, excluded.high_cents),
        low_cents = least(old.low_cents, excluded.low_cents),
        close_cents = CASE WHEN excluded.last_sequence > old.last_sequence
                           THEN excluded.close_cents ELSE old.close_cents END,
        volume = old.volume + excluded.volume,
        first_sequence = least(old.first_sequence, excluded.first_sequence),
        last_sequence = greatest(old.last_sequence, excluded.last_sequence)
"""


def merge_candles(statements: Statements, candles: Iterable[Candle]) -> None:
    """Merge candles of new trades into the stored ones; the next statement that runs sends this along."""
    in_order = sorted(candles, key=lambda c: (c.security_id, c.interval_s, c.start_s))
    if in_order:
        columns = zip(*map(astuple, in_order), strict=True)
        statements.add_prepared("merge_candles", _MERGE_CANDLES, tuple(map(array, columns)))
