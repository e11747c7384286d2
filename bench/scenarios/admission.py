"""`python -m bench.scenarios.admission`: the speed of one order entry worker, without queues.

It calls the functions of the worker on batches such as a busy worker receives, and measures the time and the CPU of
this process and of its Postgres backend. It creates a database next to `clearing_data` and drops it afterwards, so a
running exchange is unaffected. The requests exist before the clock starts.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from celery_app.settings import settings
from db.clearing_data import initial_data
from db.connect import Database
from db.migrate import CLEARING_DATA_MIGRATIONS, upgrade
from tasks.messages import CancelRequest, OrderRequest, ReplaceRequest, Request
from tasks.order_entry.admit import admit
from tasks.order_entry.rules.decisions import Limits

CLIENTS = tuple(f"BENCH{number}" for number in range(20))
CASH_CENTS = 10**14
SHARES = 4_000
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Mix:
    """Cancels and replaces in a hundred requests; the others are limit orders, a tenth with a client order id."""

    cancels: int = 0
    replaces: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The cost of admitting requests [s]."""

    requests: int
    admitted: int
    wall_s: float
    own_cpu_s: float
    postgres_cpu_s: float


def requests(count: int, mix: Mix, seed: int) -> list[Request]:
    """Return requests of all clients, mixed."""
    chance = random.Random(seed)
    made: list[Request] = []
    placed: list[OrderRequest] = []
    for number in range(1, count + 1):
        draw = chance.randrange(100)
        if placed and draw < mix.cancels + mix.replaces:
            order = placed.pop(chance.randrange(len(placed)))
            target = (number, order.client_id, order.security_id, order.order_id)
            made.append(
                CancelRequest(*target, number)
                if draw < mix.cancels
                else ReplaceRequest(*target, chance.randint(1, 100), order.price_cents, number)
            )
            continue
        order = OrderRequest(
            number,
            chance.choice(CLIENTS),
            f"bench-{number}" if draw % 10 == 9 else None,
            chance.choice(initial_data.SECURITIES),
            "limit",
            chance.choice(("buy", "sell")),
            chance.randint(1, 10),
            10_000 + chance.randint(-100, 100),
            "gtc",
            False,
            number,
        )
        made.append(order)
        placed.append(order)
    return made


@contextmanager
def scratch_database(clearing_data_url: str) -> Iterator[Database]:
    """Give a new `clearing_data` next to the one at an address, and drop it after the block."""
    neighbour = make_url(clearing_data_url)
    address = neighbour.set(database=f"{neighbour.database}_admission").render_as_string(hide_password=False)
    _drop(clearing_data_url)
    upgrade(address, Path(CLEARING_DATA_MIGRATIONS))
    database = Database(address, application_name="bench.scenarios.admission")
    try:
        with database.transaction() as tx:
            initial_data.load(
                tx,
                shards=2,
                now_us=1,
                traders=CLIENTS,
                cash_cents=CASH_CENTS,
                shares=dict.fromkeys(initial_data.SECURITIES, SHARES),
            )
            tx.execute(text("SELECT setval('order_ids', 100000000)"))
        yield database
    finally:
        database.engine.dispose()
        _drop(clearing_data_url)


def _drop(clearing_data_url: str) -> None:
    neighbour = make_url(clearing_data_url)
    engine = create_engine(neighbour, isolation_level="AUTOCOMMIT")
    with engine.connect() as tx:
        tx.execute(text(f'DROP DATABASE IF EXISTS "{neighbour.database}_admission"'))
    engine.dispose()


def measure(database: Database, made: Sequence[Request], *, batch_size: int) -> Outcome:
    """Admit requests in batches."""
    limits = Limits(market_order_band=Fraction("0.10"), max_order_quantity=1_000_000, max_open_orders=10_000_000)
    with database.transaction() as tx:
        backend: int = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
    admitted = 0
    postgres, own, wall = _backend_cpu_s(backend), time.process_time(), time.monotonic()
    for start in range(0, len(made), batch_size):
        admission = admit(database, made[start : start + batch_size], limits=limits, now_us=start + 1)
        admitted += sum(len(batch.commands) for batch in admission.commands)
    return Outcome(
        requests=len(made),
        admitted=admitted,
        wall_s=time.monotonic() - wall,
        own_cpu_s=time.process_time() - own,
        postgres_cpu_s=_backend_cpu_s(backend) - postgres,
    )


def _backend_cpu_s(pid: int) -> float:
    # Postgres must run on this machine. The fields are those after the name in parentheses.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def main() -> None:
    """Measure and print."""
    command = argparse.ArgumentParser(
        prog="python -m bench.scenarios.admission", description="Measure how fast order entry admits requests."
    )
    command.add_argument("--requests", type=int, default=50_000, metavar="N", help="default: %(default)s")
    command.add_argument(
        "--batch", type=int, default=500, metavar="N", help="requests in a batch (default: %(default)s)"
    )
    command.add_argument("--cancels", type=int, default=0, metavar="N", help="cancels in 100 (default: none)")
    command.add_argument("--replaces", type=int, default=0, metavar="N", help="replaces in 100 (default: none)")
    command.add_argument("--seed", type=int, default=1, help="of the requests (default: 1)")
    options = command.parse_args()
    made = requests(options.requests, Mix(options.cancels, options.replaces), options.seed)
    with scratch_database(settings().clearing_data_url.get_secret_value()) as database:
        measure(database, requests(2_000, Mix(), 0)[:0], batch_size=options.batch)
        seen = measure(database, made, batch_size=options.batch)
    us = 1e6 / seen.requests
    print(f"{seen.requests:,} requests in batches of {options.batch}, {seen.admitted:,} admitted")
    print(f"{seen.requests / seen.wall_s:,.0f} requests/s")
    print(
        f"CPU per request: {seen.own_cpu_s * us:.1f} µs in this process, "
        f"{seen.postgres_cpu_s * us:.1f} µs in its Postgres backend"
    )


if __name__ == "__main__":
    main()
