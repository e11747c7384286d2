"""The daily partitions of `market_data`: created before their day, and dropped when they are old.

Neither makes another transaction wait. A lock is taken only while no other transaction holds it, or the attempt is
repeated; rows of a day without a partition go to the default one. The transaction that drops a partition also records
what it held, so that the audit does not expect it any more and a late message of that day is not stored again.
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
    a_day       how much of it a day has
    numbered    a query of what counts its rows, with the columns `about` and `sequence`, of {rows}; None without one
    keeps_out   whether rows of dropped days are refused, as messages may deliver them again
    kept_days   for how many days longer it is kept
    """

    name: str
    column: str
    a_day: int
    numbered: str | None
    keeps_out: bool = False
    kept_days: int = 0

    @property
    def floor(self) -> str:
        """The constraint of the default partition that refuses rows of dropped days."""
        return f"{self.name}_floor"

    @property
    def counted(self) -> str:
        """The name under which `dropped_sequences` has its numbers."""
        return "reports" if self.name.endswith("_reports") else self.name


_DAY_US = DAY_S * 1_000_000
ORDER_REPORTS = Daily(
    "order_reports",
    "event_us",
    _DAY_US,
    "SELECT client_id AS about, gone.sequence FROM {rows} AS gone JOIN report_heads USING (client)",
    keeps_out=True,
)
SETTLEMENT_REPORTS = Daily(
    "settlement_reports",
    "traded_us",
    _DAY_US,
    "SELECT client_id AS about, leg.sequence FROM {rows} AS gone "
    "JOIN trade_reports AS trade USING (security, sequence, traded_us) CROSS JOIN LATERAL "
    "(VALUES (trade.buyer, gone.buyer_sequence), (trade.seller, gone.seller_sequence)) AS leg (client, sequence) "
    "JOIN report_heads USING (client)",
    keeps_out=True,
)
TRADE_REPORTS = Daily(
    "trade_reports",
    "traded_us",
    _DAY_US,
    "SELECT client_id AS about, leg.sequence FROM {rows} AS gone CROSS JOIN LATERAL "
    "(VALUES (buyer, buyer_sequence), (seller, seller_sequence)) AS leg (client, sequence) "
    "JOIN report_heads USING (client) WHERE stamp IS NOT NULL",
    keeps_out=True,
)
DAILY = (
    ORDER_REPORTS,
    SETTLEMENT_REPORTS,  # before the trades, which have their clients
    TRADE_REPORTS,
    # A report of one day may be stored just before midnight by the clock of another host.
    Daily("report_runs", "stamp", STAMPS_A_DAY, None, kept_days=1),
    Daily("report_stamps", "stamp", STAMPS_A_DAY, None, kept_days=1),
    Daily("prices", "updated_us", _DAY_US, "SELECT security_id AS about, sequence FROM {rows} AS gone"),
    Daily("candles_1s", "start_s", DAY_S, None),
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
    """Return the partitions of a table except the default one, and where each ends, oldest first."""
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
    """Drop a partition, and record what it held; return how many rows it had.

    now_us      time of the record
    patience_s  how long to try
    raises      InUse  other transactions used the table all that time
    """
    until_s = time.monotonic() + patience_s
    while True:
        try:
            with database.transaction() as tx:
                return _drop(tx, partition, now_us=now_us, until_s=until_s)
        except DBAPIError as fault:
            if not isinstance(fault.orig, psycopg2.errors.LockNotAvailable):
                raise
        if time.monotonic() > until_s:
            raise InUse(partition.table.name)
        time.sleep(LOCK_AGAIN_S)


def _drop(tx: Connection, partition: Partition, *, now_us: int, until_s: float) -> int:
    table, before = partition.table, partition.before
    rows = 0
    if partition.name is not None:
        # No worker stores rows there any more, and readers are not blocked. A vacuum gives way after a second.
        tx.execute(text("SET LOCAL lock_timeout = '3s'"))
        tx.execute(text(f"LOCK TABLE {partition.name} IN SHARE MODE"))
        rows += _note(tx, partition, f"FROM {partition.name}", now_us=now_us)
    tx.execute(text("SET LOCAL lock_timeout = '100ms'"))
    _lock_alone(tx, table, until_s=until_s)
    default = f"{table.name}_default"
    late = f"FROM {default} WHERE {table.column} < {before}"
    if tx.execute(text(f"SELECT EXISTS (SELECT {late})")).scalar_one():
        rows += _note(tx, partition, late, now_us=now_us)
        tx.execute(text(f"DELETE {late}"))
    if table.keeps_out:
        tx.execute(
            text(
                f"ALTER TABLE {default} DROP CONSTRAINT IF EXISTS {table.floor}, "
                f"ADD CONSTRAINT {table.floor} CHECK ({table.column} >= {before})"
            )
        )
    if partition.name is not None:
        tx.execute(text(f"DROP TABLE {partition.name}"))
    return rows


def _lock_alone(tx: Connection, table: Daily, *, until_s: float) -> None:
    """Lock a table for this transaction alone, without ever queueing for the lock, which would block others."""
    while True:
        try:
            with tx.begin_nested():
                tx.execute(text(f"LOCK TABLE ONLY {table.name} IN ACCESS EXCLUSIVE MODE NOWAIT"))
            return
        except DBAPIError as fault:
            if not isinstance(fault.orig, psycopg2.errors.LockNotAvailable) or time.monotonic() > until_s:
                raise
        time.sleep(LOCK_AGAIN_S)


def _note(tx: Connection, partition: Partition, rows_from: str, *, now_us: int) -> int:
    """Record what is about to be dropped; return the number of rows."""
    table = partition.table
    denied = "CAST('{}' AS bigint[])"
    if table is ORDER_REPORTS:
        denied = (
            "coalesce(array_agg(report_id) FILTER "
            "(WHERE NOT confirmed AND report_id > 0 AND report_id < CAST(2 ^ 53 AS bigint)), '{}')"
        )
    rows = tx.execute(
        text(
            f"""
            WITH gone AS (SELECT count(*) AS rows, {denied} AS denied {rows_from}), noting AS (
                INSERT INTO dropped AS noted (table_name, before, dropped_us, rows, bytes, denied)
                SELECT :table, :before, :now_us, rows, :bytes, denied FROM gone
                ON CONFLICT (table_name, before) DO UPDATE SET dropped_us = excluded.dropped_us,
                    rows = noted.rows + excluded.rows, bytes = greatest(noted.bytes, excluded.bytes),
                    denied = noted.denied || excluded.denied
            )
            SELECT rows FROM gone
            """  # noqa: S608 - the names are ours
        ),
        {"table": table.name, "before": partition.before, "now_us": now_us, "bytes": partition.bytes},
    ).scalar_one()
    if table.numbered is not None:
        numbered = table.numbered.format(rows=f"(SELECT * {rows_from})")
        tx.execute(
            text(
                f"""
                INSERT INTO dropped_sequences AS noted (table_name, about, sequence)
                SELECT :table, about, max(sequence) FROM ({numbered}) AS numbered GROUP BY about
                ON CONFLICT (table_name, about) DO UPDATE SET sequence = greatest(noted.sequence, excluded.sequence)
                """  # noqa: S608 - the names are ours
            ),
            {"table": table.counted},
        )
    return int(rows)


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
