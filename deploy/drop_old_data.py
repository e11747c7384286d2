"""`make drop-old-data`: drops the market data of old days, and lists it.

Reports, trades, prices and one-second candles go; longer candles, the books and all of `clearing_data` stay. The
command may run while the exchange trades, and may be interrupted and run again at any time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import DBAPIError

from celery_app.clock import now_us
from celery_app.settings import settings
from db.connect import Database
from db.market_data import partitions
from db.market_data.partitions import InUse, Partition

DEFAULT_DAYS = 7
# Time to wait until a table is not in use [s].
PATIENCE_S = 60.0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    command = argparse.ArgumentParser(prog="make drop-old-data", description="Drop old reports, trades and prices.")
    command.add_argument(
        "--days",
        type=int,
        default=DEFAULT_DAYS,
        metavar="N",
        help="whole days (UTC) before today to keep (default: %(default)s)",
    )
    command.add_argument("--dry-run", action="store_true", help="list the old data without dropping it")
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Drop old data and list it; exit status 1 and one sentence if that fails."""
    command = parser()
    options = command.parse_args(arguments)
    if options.days < 1:
        command.error("--days must be at least 1: late messages of the day before would be lost")
    console = Console()
    database = Database(settings().market_data_url.get_secret_value(), application_name="drop-old-data")
    started_us = now_us()
    try:
        with database.snapshot() as tx:
            old = partitions.old(tx, before_us=partitions.start_of_day_us(started_us, days=options.days))
        if not old:
            console.print(f"Nothing is older than {options.days} days.")
            return 0
        console.print(_table(old))
        if options.dry_run:
            console.print("Nothing was dropped, because this was a dry run.")
            return 0
        return _drop(console, database, old, now_us=started_us)
    except DBAPIError as fault:
        console.print(f"Postgres refuses, see `make status`: {str(fault.orig).strip()}", style="red")
        return 1
    finally:
        database.engine.dispose()


def _table(old: Sequence[Partition]) -> Table:
    table = Table(
        "table", "days before", "rows, about", "MB", title="To be dropped from market_data", title_justify="left"
    )
    for part in old:
        table.add_row(part.table.name, part.before_day, f"{part.rows:,}", f"{part.bytes / 1e6:,.1f}")
    return table


def _drop(console: Console, database: Database, old: Sequence[Partition], *, now_us: int) -> int:
    freed_bytes = rows = 0
    for part in old:
        try:
            gone = partitions.drop(database, part, now_us=now_us, patience_s=PATIENCE_S)
        except InUse as fault:
            console.print(
                f"{fault} was in use for {PATIENCE_S:.0f} s without a pause, perhaps by an audit or a backup: "
                "run this again to drop the rest.",
                style="red",
            )
            return 1
        console.print(f"{part.table.name} before {part.before_day}: {gone:,} rows, {part.bytes / 1e6:,.1f} MB")
        rows, freed_bytes = rows + gone, freed_bytes + part.bytes
    console.print(f"Dropped {rows:,} rows, which frees {freed_bytes / 1e6:,.1f} MB.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
