"""How fast order execution settles, what a trade takes on disk, and how long an audit takes.

Orders are admitted and matched by the rules of the stages, without queues, and their executions kept as messages. Then
each worker, a process of its own, does with them what the stage does with a unit that it finds delivered: decode,
settle in one transaction, encode what the feed is told. RabbitMQ alone is left out. It runs on databases of its own,
which it makes beside those of the settings: `python -m bench.settlement` needs no exchange, `make bench
ARGS="--scenario settlement"` starts services for it, and likewise `audit`, for which everything is stored for the feed
as well.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import multiprocessing
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import msgspec
from sqlalchemy import text

from bench.report import Section
from bench.scratch import scratch_database
from celery_app.settings import settings
from db.clearing_data import accounts, initial_data
from db.connect import Database
from db.migrate import CLEARING_DATA_MIGRATIONS, MARKET_DATA_MIGRATIONS
from tasks.audit.audit import audit
from tasks.data_feed.record import record
from tasks.matching.engine import Engine
from tasks.messages import Execution, ExecutionBatch, FeedBatch, OrderClosed, OrderRequest, TradeMade, encode
from tasks.order_entry.admit import admit
from tasks.order_entry.decisions import Limits
from tasks.order_execution.clearing import once_each
from tasks.order_execution.settle import settle_once

CLIENTS = tuple(f"BENCH{number}" for number in range(20))
SHARDS = 2
CASH_CENTS = 10**13
# Of each security, for each client: enough for all that comes to rest unmatched, or nobody could sell any more.
SHARES = 1_000_000
LIMITS = Limits(market_order_band=Fraction(1, 10), max_order_quantity=1_000_000, max_open_orders=10_000_000)
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")

_decode = msgspec.json.Decoder(list[ExecutionBatch]).decode


@dataclass(frozen=True, slots=True)
class Settled:
    """What one worker has done: trades, its units' times and CPU, and that of its Postgres backend [s]."""

    trades: int
    unit_s: list[float]
    start_s: float
    end_s: float
    own_cpu_s: float
    postgres_cpu_s: float


class Market:
    """Orders of twenty clients that meet at a few prices, admitted and matched in units."""

    def __init__(self, clearing_data: Database, market_data: Database | None, *, seed: int) -> None:
        self._clearing_data = clearing_data
        self._market_data = market_data
        self._chance = random.Random(seed)
        self._order_id = 0
        self._engines = {shard: Engine(shard) for shard in range(SHARDS)}

    def executions(self, orders: int) -> list[ExecutionBatch]:
        """Of so many orders more, one batch a shard; what the feed is to know of them is stored."""
        requests = [self._request() for _ in range(orders)]
        now_us = requests[-1].received_us
        admission = admit(self._clearing_data, requests, limits=LIMITS, now_us=now_us)
        batches: list[ExecutionBatch] = []
        told = [FeedBatch("order_entry", now_us, orders=admission.reports)]
        for batch in admission.commands:
            engine = self._engines[batch.shard]
            made: list[Execution] = []
            for seq, command in enumerate(batch.commands, batch.first_seq):
                made += engine.apply(seq, command)  # type: ignore[arg-type]  # gtc limit orders have no other events
            batches.append(ExecutionBatch(batch.shard, now_us, made))
            trades = [one for one in made if isinstance(one, TradeMade)]
            closed = [one for one in made if isinstance(one, OrderClosed)]
            told.append(
                FeedBatch("matching", now_us, trades=trades, closed=closed, books=engine.book_updates(), settled=trades)
            )
        if self._market_data is not None:
            record(self._market_data, told, taken_us=now_us)
        return batches

    def _request(self) -> OrderRequest:
        chance = self._chance
        self._order_id += 1
        side = "buy" if self._order_id % 2 else "sell"
        return OrderRequest(
            self._order_id,
            chance.choice(CLIENTS),
            None,
            chance.choice(initial_data.SECURITIES),
            "limit",
            side,  # type: ignore[arg-type]
            chance.randint(1, 10),
            10_000 + chance.randint(-2, 3) * (1 if side == "buy" else -1),
            "gtc",
            False,
            1_700_000_000_000_000 + self._order_id,
        )


def fill(
    clearing_data: Database, market_data: Database | None, folder: Path, *, trades: int, unit: int, seed: int
) -> int:
    """Make so many trades, and keep their executions in files of a unit each; returns how many units there are."""
    with clearing_data.transaction() as tx:
        initial_data.load(tx, shards=SHARDS, now_us=1, traders=(), shares={})
        shares = dict.fromkeys(initial_data.SECURITIES, SHARES)
        for security_id in shares:
            issue = f"bench:{security_id}"
            accounts.issue_shares(tx, issue, security_id=security_id, quantity=SHARES * len(CLIENTS), now_us=1)
        for client_id in CLIENTS:
            initial_data.open_trader(tx, client_id, cash_cents=CASH_CENTS, shares=shares, now_us=1)
        tx.execute(text("SELECT setval('order_ids', 1000000000)"))
    market = Market(clearing_data, market_data, seed=seed)
    units = made = held = 0
    waiting: dict[int, list[Execution]] = {shard: [] for shard in range(SHARDS)}
    for batch in itertools.chain.from_iterable(iter(lambda: market.executions(500), [])):
        for execution in batch.executions:
            waiting[batch.shard].append(execution)
            held += type(execution) is TradeMade
            if held == unit:
                batches = [ExecutionBatch(shard, 0, executions) for shard, executions in waiting.items()]
                (folder / f"{units}.json").write_bytes(encode(batches))
                units, made, held = units + 1, made + held, 0
                waiting = {shard: [] for shard in range(SHARDS)}
        if made >= trades:
            break
    rest = [ExecutionBatch(shard, 0, executions) for shard, executions in waiting.items()]
    (folder / f"{units}.json").write_bytes(encode(rest))
    return units + 1


def work(address: str, folder: Path, units: Sequence[int], pipe: Pipe) -> None:
    """One worker: settle its units, as soon as it is told to begin."""
    database = Database(address, application_name="bench.settlement")
    with database.transaction() as tx:
        backend: int = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
    bodies = [(folder / f"{number}.json").read_bytes() for number in units]
    pipe.send("ready")
    pipe.recv()
    own, postgres, start_s = time.process_time(), _cpu_s(backend), time.monotonic()
    unit_s, trades = [], 0
    for body in bodies:
        began_s = time.monotonic()
        executions = once_each(_decode(body))
        settle_once(database, executions, settled_us=time.time_ns() // 1_000)
        settled = [one for one in executions if type(one) is TradeMade]
        encode(FeedBatch("order_execution", 0, settled=settled))
        trades += len(settled)
        unit_s.append(time.monotonic() - began_s)
    end_s = time.monotonic()
    pipe.send(Settled(trades, unit_s, start_s, end_s, time.process_time() - own, _cpu_s(backend) - postgres))


def settle(address: str, folder: Path, units: int, *, workers: int) -> list[Settled]:
    """Have workers settle the units, dealt out one by one."""
    spawn = multiprocessing.get_context("spawn")
    pipes = []
    processes = []
    for worker in range(workers):
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=work, args=(address, folder, range(worker, units, workers), theirs))
        process.start()
        pipes.append(ours)
        processes.append(process)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send("go")
    outcomes = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    return outcomes


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


_SIZES = text(
    "SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class "
    "WHERE relname IN ('executions', 'ledger', 'orders', 'order_log') AND relkind = 'r'"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the workers of a run have done together, the sizes of its tables, and the audit, if there was one."""

    settled: Sequence[Settled]
    table_bytes: dict[str, tuple[int, int]]  # and of the indexes
    audit_s: float | None
    audit_passed: bool

    @property
    def trades(self) -> int:
        """All trades."""
        return sum(one.trades for one in self.settled)

    @property
    def seconds(self) -> float:
        """From the first unit to the last."""
        return max(one.end_s for one in self.settled) - min(one.start_s for one in self.settled)


def run(urls: tuple[str, str], *, trades: int, unit: int, workers: int, seed: int, audited: bool) -> Outcome:
    """Settle so many trades in units by some workers, on databases beside those of the addresses."""
    with (
        scratch_database(urls[0], CLEARING_DATA_MIGRATIONS) as address,
        scratch_database(urls[1], MARKET_DATA_MIGRATIONS) as market_address,
        TemporaryDirectory(prefix="settlement-") as directory,
    ):
        folder = Path(directory)
        clearing_data, market_data = Database(address, pool_size=2), Database(market_address, pool_size=2)
        feed = market_data if audited else None
        units = fill(clearing_data, feed, folder, trades=trades, unit=unit, seed=seed)
        settled = settle(address, folder, units, workers=workers)
        with clearing_data.snapshot() as tx:
            table_bytes = {table: (heap, indexes) for table, heap, indexes in tx.execute(_SIZES)}
        audit_s, passed = None, True
        if audited:
            gc.disable()  # as `python -m tasks.audit` does
            began_s = time.monotonic()
            passed = audit(clearing_data, market_data, patience_s=1.0).passed
            audit_s = time.monotonic() - began_s
            gc.enable()
        for database in (clearing_data, market_data):
            database.engine.dispose()
        return Outcome(settled, table_bytes, audit_s, passed)


def rows_of(outcome: Outcome) -> list[tuple[str, str]]:
    """What a run has shown, by name."""
    trades = outcome.trades
    unit_ms = [1e3 * seconds for one in outcome.settled for seconds in one.unit_s]
    percentiles = quantiles(unit_ms, n=100, method="inclusive")
    own = 1e6 * sum(one.own_cpu_s for one in outcome.settled) / trades
    postgres = 1e6 * sum(one.postgres_cpu_s for one in outcome.settled) / trades
    rows = [
        ("settled", f"{trades:,} trades in {outcome.seconds:.2f} s: {trades / outcome.seconds:,.0f} trades/s"),
        ("a unit", f"p50 {percentiles[49]:.1f} ms, p99 {percentiles[98]:.1f} ms, of {len(unit_ms)} units"),
        ("CPU", f"{own:.1f} us a trade in Python, {postgres:.1f} us in Postgres"),
    ]
    for table, (heap, indexes) in sorted(outcome.table_bytes.items()):
        rows.append((f"{table} on disk", f"{heap / trades:.0f} bytes a trade, and {indexes / trades:.0f} in indexes"))
    if outcome.audit_s is not None:
        rows.append(("audit", f"{outcome.audit_s:.1f} s, {'passed' if outcome.audit_passed else 'broken'}"))
    return rows


def settlement_section(urls: tuple[str, str], *, trades: int, seed: int) -> Section:
    """The scenario settlement: by one worker, and by two."""
    rows, figures = [], {}
    for workers in (1, 2):
        outcome = run(urls, trades=trades, unit=500, workers=workers, seed=seed, audited=False)
        rows += [(f"{name}, {workers} worker{'s'[: workers - 1]}", value) for name, value in rows_of(outcome)]
        figures[f"trades_a_second_{workers}"] = round(outcome.trades / outcome.seconds)
    return Section("settlement", rows, figures)


def audit_section(urls: tuple[str, str], *, trades: int, seed: int) -> Section:
    """The scenario audit."""
    outcome = run(urls, trades=trades, unit=500, workers=1, seed=seed, audited=True)
    figures = {"trades": outcome.trades, "audit_s": outcome.audit_s, "passed": outcome.audit_passed}
    return Section("audit", rows_of(outcome), figures)


def main() -> None:
    """Measure and print."""
    command = argparse.ArgumentParser(prog="python -m bench.settlement", description="How fast trades are settled.")
    command.add_argument("--trades", type=int, default=100_000, metavar="N", help="default: %(default)s")
    command.add_argument("--unit", type=int, default=500, metavar="N", help="trades in a unit (default: %(default)s)")
    command.add_argument("--workers", type=int, default=1, metavar="N", help="default: %(default)s")
    command.add_argument("--seed", type=int, default=1, help="of the orders (default: %(default)s)")
    command.add_argument("--audit", action="store_true", help="store it for the feed, too, and audit it afterwards")
    options = command.parse_args()
    urls = settings().clearing_data_url.get_secret_value(), settings().market_data_url.get_secret_value()
    outcome = run(
        urls,
        trades=options.trades,
        unit=options.unit,
        workers=options.workers,
        seed=options.seed,
        audited=options.audit,
    )
    for name, value in rows_of(outcome):
        print(f"{name:20} {value}")


if __name__ == "__main__":
    main()
