"""The daily partitions of `market_data`: created before their day, and dropped when they are old.

Neither makes another transaction wait. A lock is taken only while no other transaction holds it, or the attempt is
repeated; rows of a day without a partition go to the default one. The transaction that drops a partition also records
what it contained, so that the audit no longer expects it and a late message of that day is not stored again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg2.errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from db.connect import Database

DAY_S = 86_400

# How many days ahead partitions are created.
AHEAD_DAYS = 3
# A default partition with more rows of a day than this keeps them: moving them would make other transactions wait.
MOST_MOVED_ROWS = 10_000
# The time between two attempts to lock a table in order to drop a partition [s].
LOCK_AGAIN_S = 0.02


# The number of stamps of a day: a power of two, so the upper bits of a stamp are its day.
STAMPS_A_DAY = 1 << 44


@dataclass(frozen=True, slots=True)
class Daily:
    """A table that is partitioned by day.

    column      the column that determines the day
    a_day       length of a day in the unit of the column
    kept_days   number of additional days for which it is kept
    """

    name: str
    column: str
    a_day: int
    kept_days: int = 0


_DAY_US = DAY_S * 1_000_000
ORDER_REPORTS = Daily("order_reports", "event_us", _DAY_US)
SETTLEMENT_REPORTS = Daily("settlement_reports", "traded_us", _DAY_US)
TRADE_REPORTS = Daily("trade_reports", "traded_us", _DAY_US)
DAILY = (
    ORDER_REPORTS,
    SETTLEMENT_REPORTS,  # before the trades, which contain their clients
    TRADE_REPORTS,
    # A report of one day may be stored just before midnight by the clock of another host.
    Daily("report_runs", "stamp", STAMPS_A_DAY, kept_days=1),
    Daily("report_stamps", "stamp", STAMPS_A_DAY, kept_days=1),
    Daily("prices", "updated_us", _DAY_US),
    Daily("candles_1s", "start_s", DAY_S),
)


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition of a table, with times before `before`, and its size with all indexes.

    name    None for old rows in the default partition
    before  in the unit of the table's times
    rows    as Postgres estimates them; exact once they are dropped
    """

    table: Daily
    name: str | None
    before: int
    rows: int
    bytes: int

    @property
    def before_day(self) -> str:
        """The day on which the partition ends; of the default partition the day before which its rows are."""
        return f"{datetime.fromtimestamp(self.before // self.table.a_day * DAY_S, UTC):%Y-%m-%d}"


class InUse(Exception):
    """A table is in constant use, so that no partition of it can be dropped."""


_BOUNDS = text(
    "SELECT CAST(CAST(part.oid AS regclass) AS text) AS name, pg_get_expr(part.relpartbound, part.oid) AS bound "
    "FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid WHERE inhparent = CAST(:table AS regclass)"
)
_UPPER = re.compile(r"TO \('?(\d+)'?\)")


# -- days to come ----------------------------------------------------------------------------------------------------

_NAMES = text(
    "SELECT CAST(CAST(inhrelid AS regclass) AS text) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhparent "
    "WHERE relname = ANY(:tables) AND relnamespace = CAST('public' AS regnamespace)"
)


def create_ahead(database: Database, *, now_us: int) -> list[str]:
    """Create the missing partitions of this day and the days ahead; return the names of those that it could not create.

    A missing partition does no harm: its rows go to the default one.
    """
    with database.transaction() as tx:
        known = set(tx.execute(_NAMES, {"tables": [table.name for table in DAILY]}).scalars())
    today = now_us // 1_000_000 // DAY_S
    wanted = [(table, day) for day in range(today, today + AHEAD_DAYS + 1) for table in DAILY]
    return [
        name for table, day in wanted if (name := _name(table, day)) not in known and not _create(database, table, day)
    ]


def _name(table: Daily, day: int) -> str:
    return f"{table.name}_{datetime.fromtimestamp(day * DAY_S, UTC):%Y%m%d}"


# It runs with the rights of the tables' owner; the migration that creates it says why.
_MAKE_DAY = text("SELECT make_day(:table, :day, :most)")


def _create(database: Database, table: Daily, day: int) -> bool:
    """Create a partition and move the rows of its day from the default one; return False if that is impossible now."""
    try:
        with database.transaction() as tx:
            tx.execute(text("SET LOCAL lock_timeout = '100ms'"))
            return bool(tx.execute(_MAKE_DAY, {"table": table.name, "day": day, "most": MOST_MOVED_ROWS}).scalar_one())
    except DBAPIError as fault:
        if isinstance(fault.orig, psycopg2.errors.LockNotAvailable | psycopg2.errors.DuplicateTable):
            return isinstance(fault.orig, psycopg2.errors.DuplicateTable)  # another worker was faster
        raise


# -- old days --------------------------------------------------------------------------------------------------------


def _bounds(tx: Connection, table: Daily) -> list[tuple[str, int]]:
    """Return the partitions of a table except the default one, each with its end, oldest first."""
    rows = tx.execute(_BOUNDS, {"table": table.name})
    bounds = [(row.name, int(found[1])) for row in rows if (found := _UPPER.search(row.bound))]
    return sorted(bounds, key=lambda bound: bound[1])


def start_of_day_us(now_us: int, *, days: int) -> int:
    """Return the start of the day that is `days` days before this one, UTC."""
    return (now_us // 1_000_000 // DAY_S - days) * DAY_S * 1_000_000


def old(tx: Connection, *, before_us: int) -> list[Partition]:
    """Return the partitions that end before the day of a time, oldest first within each table."""
    found = []
    for table in DAILY:
        limit = (before_us // _DAY_US - table.kept_days) * table.a_day
        names = [(name, before) for name, before in _bounds(tx, table) if before <= limit]
        for name, before in names:
            size, rows = tx.execute(
                text(
                    "SELECT pg_total_relation_size(oid), greatest(reltuples, 0) FROM pg_class "
                    "WHERE oid = CAST(:name AS regclass)"
                ),
                {"name": name},
            ).one()
            found.append(Partition(table, name, before, int(rows), int(size)))
        rows = tx.execute(
            text(f"SELECT count(*) FROM {table.name}_default WHERE {table.column} < :limit"),  # noqa: S608
            {"limit": limit},
        ).scalar_one()
        if rows:
            found.append(Partition(table, None, limit, rows, 0))
    return found


def drop(database: Database, partition: Partition, *, now_us: int, patience_s: float) -> int:
    """Drop a partition, and record what it contained; return its number of rows.

    now_us      time of the record
    patience_s  how long to try
    raises      InUse  other transactions used the table all that time
    """
    until_s = time.monotonic() + patience_s
    while True:
        try:
            with database.transaction() as tx:
                return _drop(tx, partition, now_us=now_us, patience_s=max(until_s - time.monotonic(), 0.0))
        except DBAPIError as fault:
            if not isinstance(fault.orig, psycopg2.errors.LockNotAvailable):
                raise
        if time.monotonic() > until_s:
            raise InUse(partition.table.name)
        time.sleep(LOCK_AGAIN_S)


# It runs with the rights of the tables' owner; the migration that creates it says why.
_DROP_DAY = text("SELECT drop_day(:table, :partition, :before, :now_us, :bytes, :patience_ms)")


def _drop(tx: Connection, partition: Partition, *, now_us: int, patience_s: float) -> int:
    """Drop a partition and the rows before its end in the default one, and record what they contained."""
    values = {
        "table": partition.table.name,
        "partition": partition.name,
        "before": partition.before,
        "now_us": now_us,
        "bytes": partition.bytes,
        "patience_ms": round(1_000 * patience_s),
    }
    return int(tx.execute(_DROP_DAY, values).scalar_one())


# -- dropped days ----------------------------------------------------------------------------------------------------


def dropped_before(tx: Connection, table: Daily) -> int:
    """Return the time before which all rows of a table were dropped, in its unit; 0 if none were."""
    found = tx.execute(text("SELECT max(before) FROM dropped WHERE table_name = :table"), {"table": table.name})
    return found.scalar() or 0


def dropped_denials(tx: Connection) -> Iterator[int]:
    """Return the requests that order entry had denied and whose reports were dropped."""
    rows = tx.execute(
        text("SELECT unnest(denied) FROM dropped WHERE table_name = 'order_reports'").execution_options(
            yield_per=10_000
        )
    )
    return (int(row[0]) for row in rows)
