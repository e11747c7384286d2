"""The events that a stage has handled, as intervals in the table `coverage` of either database.

Batches only insert, so no batch waits for another. The rows are merged about once a second: two workers that merge at
once take different rows, and every reader sees the rows before or after.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import Connection, text

from db.statements import Statements
from tasks.shared.rules.coverage import Interval, merged, shard_of

COLUMNS = ("stage", "shard", "from_event", "to_event")

_MERGE = text("""
    WITH taken AS MATERIALIZED (SELECT ctid AS place FROM coverage FOR UPDATE SKIP LOCKED),
    gone AS (
        DELETE FROM coverage USING taken WHERE coverage.ctid = taken.place
        RETURNING stage, shard, from_event, to_event
    ), whole AS (
        SELECT stage, shard, unnest(range_agg(int8range(from_event, to_event))) AS events
        FROM gone GROUP BY stage, shard
    )
    INSERT INTO coverage (stage, shard, from_event, to_event)
    SELECT stage, shard, lower(events), upper(events) FROM whole
""")


def add(statements: Statements, stage: str, intervals: Iterable[Interval]) -> None:
    """Add the intervals covered by messages of a stage."""
    rows = [(stage, shard_of(interval), *interval) for interval in merged(intervals)]
    statements.insert("coverage", COLUMNS, rows)


def merge(tx: Connection) -> None:
    """Merge adjacent intervals, so that the table has as few rows as possible."""
    tx.execute(_MERGE)


def read(tx: Connection) -> dict[tuple[str, int], list[Interval]]:
    """Return the merged intervals covered by the messages of each stage, by stage and shard."""
    found: dict[tuple[str, int], list[Interval]] = defaultdict(list)
    for stage, shard, begin, end in tx.execute(text("SELECT stage, shard, from_event, to_event FROM coverage")):
        found[stage, shard].append((begin, end))
    return {of: merged(intervals) for of, intervals in found.items()}
