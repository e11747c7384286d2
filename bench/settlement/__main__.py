"""`python -m bench.settlement` measures settlement on the servers of the settings, without an exchange."""

from __future__ import annotations

import argparse

from bench.settlement.measure import audit_section, measure, rows_of
from celery_app.settings import settings


def main() -> None:
    """Measure and print."""
    command = argparse.ArgumentParser(
        prog="python -m bench.settlement", description="Measure how fast trades are settled."
    )
    command.add_argument("--trades", type=int, default=100_000, metavar="N", help="default: %(default)s")
    command.add_argument("--batch", type=int, default=500, metavar="N", help="trades in a batch (default: %(default)s)")
    command.add_argument("--workers", type=int, default=1, metavar="N", help="default: %(default)s")
    command.add_argument("--rounds", type=int, default=1, metavar="N", help="default: %(default)s")
    command.add_argument("--seed", type=int, default=1, help="of the orders (default: %(default)s)")
    command.add_argument(
        "--short-sellers", type=int, default=0, metavar="N", help="clients of twenty that sell what they borrow"
    )
    command.add_argument("--audit", action="store_true", help="also store everything as market data, and audit it")
    options = command.parse_args()
    urls = settings().clearing_data_url.get_secret_value(), settings().market_data_url.get_secret_value()
    if options.audit:
        rows = audit_section(urls, trades=options.trades, seed=options.seed).rows
    else:
        done, on_disk = measure(
            urls,
            trades=options.trades,
            batch_size=options.batch,
            workers=(options.workers,),
            rounds=options.rounds,
            seed=options.seed,
            short_sellers=options.short_sellers,
        )
        rows = rows_of(done[options.workers]) + on_disk
    for name, value in rows:
        print(f"{name:24} {value}")


if __name__ == "__main__":
    main()
