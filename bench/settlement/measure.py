"""Runs the scenarios `settlement` and `audit`, and reports their results."""

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
from bench.settlement.workers import WARM_UP_BATCHES, Round, settle
from bench.target.scratch import scratch_database
from db.connect import Database
from db.migrate import CLEARING_DATA_MIGRATIONS, MARKET_DATA_MIGRATIONS
from tasks.audit.audit import CONNECTIONS, audit

BATCH_SIZE = 500
# One worker and two take turns, so a disturbance of the machine affects both.
ROUNDS = 3

# A partitioned table counts as one.
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
    """Both databases, filled with orders, and the executions in files of one batch each."""

    clearing_data: Database
    market_data: Database
    address: str  # of clearing_data
    folder: Path
    batches: int


@contextmanager
def filled(
    urls: tuple[str, str], *, trades: int, batch_size: int, seed: int, fed: bool, short_sellers: int = 0
) -> Iterator[Stores]:
    """Give databases next to those of the addresses, with unsettled trades, and drop them after the block.

    fed            whether market data has the trades, as if they were settled
    short_sellers  the number of the twenty clients that sell only borrowed shares
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
        batches = fill(
            clearing_data,
            feed,
            Path(directory),
            trades=trades,
            batch_size=batch_size,
            seed=seed,
            short_sellers=short_sellers,
        )
        _put_away(clearing_data)
        yield Stores(clearing_data, market_data, address, Path(directory), batches)
        for database in (clearing_data, market_data):
            database.engine.dispose()


def _put_away(database: Database) -> None:
    """Have Postgres vacuum and checkpoint now, so that it does neither next to the workers.

    After a checkpoint the first change of a page writes a copy of it to the log, as in any running exchange.
    """
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))
        connection.execute(text("CHECKPOINT"))


def sizes(databases: Sequence[Database], trades: int) -> list[tuple[str, str]]:
    """Report the bytes of a trade in each table and its indexes, largest first, and in all of them."""
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
    """Report rounds of the same number of workers."""
    speeds = [one.trades_a_second for one in rounds]
    workers = [worker for one in rounds for worker in one.workers]
    batch_ms = [1e3 * seconds for worker in workers for seconds in worker.batch_s]
    percentiles = quantiles(batch_ms, n=100, method="inclusive")
    trades = sum(one.trades for one in rounds)
    own = 1e6 * sum(worker.own_cpu_s for worker in workers) / trades
    postgres = 1e6 * sum(worker.postgres_cpu_s for worker in workers) / trades
    each = ", ".join(f"{speed:,.0f}" for speed in speeds)
    of_each = f", median of {each}" if len(speeds) > 1 else ""
    return [
        ("settled", f"{median(speeds):,.0f} trades/s{of_each}; {trades:,} trades"),
        ("a batch", f"p50 {percentiles[49]:.1f} ms, p99 {percentiles[98]:.1f} ms, over {len(batch_ms)} batches"),
        ("CPU", f"{own:.1f} µs a trade in Python, {postgres:.1f} µs in Postgres"),
    ]


def measure(
    urls: tuple[str, str],
    *,
    trades: int,
    batch_size: int,
    workers: Sequence[int],
    rounds: int,
    seed: int,
    short_sellers: int = 0,
) -> tuple[dict[int, list[Round]], list[tuple[str, str]]]:
    """Settle trades in rounds, in turn with each number of workers; return the rounds of each, and the sizes."""
    turns = list(workers) * rounds
    warm_up = sum(turns) * WARM_UP_BATCHES * batch_size
    done: dict[int, list[Round]] = {number: [] for number in workers}
    with filled(
        urls, trades=trades + warm_up, batch_size=batch_size, seed=seed, fed=False, short_sellers=short_sellers
    ) as stores:
        counted = (stores.batches - sum(turns) * WARM_UP_BATCHES) // len(turns)
        first = 0
        for number in turns:
            end = first + counted + number * WARM_UP_BATCHES
            done[number].append(settle(stores.address, stores.folder, range(first, end), workers=number))
            first = end
        return done, sizes([stores.clearing_data], first * batch_size)


def settlement_section(urls: tuple[str, str], *, trades: int, seed: int) -> Section:
    """Run the scenario `settlement`, with one worker and with two."""
    done, on_disk = measure(urls, trades=trades, batch_size=BATCH_SIZE, workers=(1, 2), rounds=ROUNDS, seed=seed)
    rows, figures = [], {}
    for workers, rounds in done.items():
        rows += [(f"{name}, {workers} worker{'s'[: workers - 1]}", value) for name, value in rows_of(rounds)]
        figures[f"trades_a_second_{workers}"] = [round(one.trades_a_second) for one in rounds]
    return Section("settlement", rows + on_disk, figures)


def audit_section(urls: tuple[str, str], *, trades: int, seed: int, batch_size: int = BATCH_SIZE) -> Section:
    """Run the scenario `audit` on trades that one worker has settled and the feed has stored."""
    trades += WARM_UP_BATCHES * batch_size
    with filled(urls, trades=trades, batch_size=batch_size, seed=seed, fed=True) as stores:
        settled = settle(stores.address, stores.folder, range(stores.batches), workers=1)
        databases = (stores.clearing_data, stores.market_data)
        on_disk = sizes(databases, trades)
        for database in databases:
            _put_away(database)  # otherwise Postgres plans the audit for the empty ledger that it knew before
        gc.disable()  # as `python -m tasks.audit` does
        began_s = time.monotonic()
        passed = audit(*databases, broker_url=None, patience_s=1.0).passed
        audit_s = time.monotonic() - began_s
        gc.enable()
    verdict = "passed" if passed else "broken"
    rows = [*rows_of([settled]), *on_disk, ("audit", f"{audit_s:.1f} s for {trades:,} trades, {verdict}")]
    return Section("audit", rows, {"trades": trades, "audit_s": round(audit_s, 1), "passed": passed})
