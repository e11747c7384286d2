"""Runs the scenarios settlement and audit, and says what they have shown."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from sqlalchemy import text

from bench.scenarios.report import Section
from bench.settlement.market import fill
from bench.settlement.workers import WARM_UP_UNITS, Round, settle
from bench.target.scratch import scratch_database
from db.connect import Database
from db.migrate import CLEARING_DATA_MIGRATIONS, MARKET_DATA_MIGRATIONS
from tasks.audit.audit import CONNECTIONS, audit

UNIT = 500
# One worker and two take turns, so that what the machine does beside meets both.
ROUNDS = 3

# All of a partitioned table as one.
_SIZES = text(
    """
    SELECT CAST(CAST(COALESCE(pg_partition_root(oid), oid) AS regclass) AS text) AS name,
        sum(pg_table_size(oid)), sum(pg_indexes_size(oid))
    FROM pg_class WHERE relkind = 'r' AND relnamespace = CAST('public' AS regnamespace)
    GROUP BY name ORDER BY 2 DESC, 1
    """
)


@dataclass(frozen=True, slots=True)
class Stores:
    """Both databases, filled with orders, whose executions are kept in files of a unit each."""

    clearing_data: Database
    market_data: Database
    address: str  # of clearing_data
    folder: Path
    units: int


@contextmanager
def filled(urls: tuple[str, str], *, trades: int, unit: int, seed: int, fed: bool) -> Iterator[Stores]:
    """Databases beside those of the addresses, with so many trades that are not settled.

    fed  whether the feed stores them, too, as if they were
    """
    with (
        scratch_database(urls[0], CLEARING_DATA_MIGRATIONS) as address,
        scratch_database(urls[1], MARKET_DATA_MIGRATIONS) as market_address,
        TemporaryDirectory(prefix="settlement-") as directory,
    ):
        clearing_data, market_data = (
            Database(address, pool_size=CONNECTIONS),
            Database(market_address, pool_size=CONNECTIONS),
        )
        feed = market_data if fed else None
        units = fill(clearing_data, feed, Path(directory), trades=trades, unit=unit, seed=seed)
        _put_away(clearing_data)
        yield Stores(clearing_data, market_data, address, Path(directory), units)
        for database in (clearing_data, market_data):
            database.engine.dispose()


def _put_away(database: Database) -> None:
    """Have Postgres do now what it would do later for what was filled in: nothing else is to run beside the workers.

    The first change of a page after this checkpoint costs a copy of the page in the log, as at any time in an exchange.
    """
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))
        connection.execute(text("CHECKPOINT"))


def sizes(databases: Sequence[Database], trades: int) -> list[tuple[str, str]]:
    """What a trade takes of each table, its index entries apart, and of all of them; largest first."""
    rows, total = [], 0.0
    for database in databases:
        with database.snapshot() as tx:
            for table, heap, indexes in tx.execute(_SIZES):
                total += float(heap + indexes) / trades
                if heap + indexes >= trades:
                    row = f"{heap / trades:.0f} bytes a trade, and {indexes / trades:.0f} in indexes"
                    rows.append((f"{table} on disk", row))
    return [*rows, ("all of it on disk", f"{total:.0f} bytes a trade")]


def rows_of(rounds: Sequence[Round]) -> list[tuple[str, str]]:
    """What rounds of the same workers have shown, by name."""
    speeds = [one.trades_a_second for one in rounds]
    workers = [worker for one in rounds for worker in one.settled]
    unit_ms = [1e3 * seconds for worker in workers for seconds in worker.unit_s]
    percentiles = quantiles(unit_ms, n=100, method="inclusive")
    trades = sum(one.trades for one in rounds)
    own = 1e6 * sum(worker.own_cpu_s for worker in workers) / trades
    postgres = 1e6 * sum(worker.postgres_cpu_s for worker in workers) / trades
    each = ", ".join(f"{speed:,.0f}" for speed in speeds)
    of_each = f", median of {each}" if len(speeds) > 1 else ""
    return [
        ("settled", f"{median(speeds):,.0f} trades/s{of_each}; {trades:,} trades"),
        ("a unit", f"p50 {percentiles[49]:.1f} ms, p99 {percentiles[98]:.1f} ms, of {len(unit_ms)} units"),
        ("CPU", f"{own:.1f} us a trade in Python, {postgres:.1f} us in Postgres"),
    ]


def measure(
    urls: tuple[str, str], *, trades: int, unit: int, workers: Sequence[int], rounds: int, seed: int
) -> tuple[dict[int, list[Round]], list[tuple[str, str]]]:
    """Settle so many trades in rounds, in turns by so many workers; returns the rounds of each, and the sizes."""
    turns = list(workers) * rounds
    warm_up = sum(turns) * WARM_UP_UNITS * unit
    done: dict[int, list[Round]] = {number: [] for number in workers}
    with filled(urls, trades=trades + warm_up, unit=unit, seed=seed, fed=False) as stores:
        counted = (stores.units - sum(turns) * WARM_UP_UNITS) // len(turns)
        first = 0
        for number in turns:
            end = first + counted + number * WARM_UP_UNITS
            done[number].append(settle(stores.address, stores.folder, range(first, end), workers=number))
            first = end
        return done, sizes([stores.clearing_data], first * unit)


def settlement_section(urls: tuple[str, str], *, trades: int, seed: int) -> Section:
    """The scenario settlement: by one worker, and by two."""
    done, on_disk = measure(urls, trades=trades, unit=UNIT, workers=(1, 2), rounds=ROUNDS, seed=seed)
    rows, figures = [], {}
    for workers, rounds in done.items():
        rows += [(f"{name}, {workers} worker{'s'[: workers - 1]}", value) for name, value in rows_of(rounds)]
        figures[f"trades_a_second_{workers}"] = [round(one.trades_a_second) for one in rounds]
    return Section("settlement", rows + on_disk, figures)


def audit_section(urls: tuple[str, str], *, trades: int, seed: int, unit: int = UNIT) -> Section:
    """The scenario audit: of what one worker has settled, and the feed has stored."""
    trades += WARM_UP_UNITS * unit
    with filled(urls, trades=trades, unit=unit, seed=seed, fed=True) as stores:
        settled = settle(stores.address, stores.folder, range(stores.units), workers=1)
        databases = (stores.clearing_data, stores.market_data)
        on_disk = sizes(databases, trades)
        for database in databases:
            _put_away(database)  # or Postgres would plan the audit for the empty ledger that it knew before
        gc.disable()  # as `python -m tasks.audit` does
        began_s = time.monotonic()
        passed = audit(*databases, broker_url=None, patience_s=1.0).passed
        audit_s = time.monotonic() - began_s
        gc.enable()
    verdict = "passed" if passed else "broken"
    rows = [*rows_of([settled]), *on_disk, ("audit", f"{audit_s:.1f} s for {trades:,} trades, {verdict}")]
    return Section("audit", rows, {"trades": trades, "audit_s": round(audit_s, 1), "passed": passed})
