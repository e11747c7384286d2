"""Workers that settle batches, and their time and CPU."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import msgspec
from sqlalchemy import text

from db.connect import Database
from tasks.messages import ExecutionBatch, FeedBatch, TradeMade, encode
from tasks.order_execution.rules.clearing import once_each
from tasks.order_execution.settle import settle_once

# Batches that each worker settles before it counts, so that Postgres has planned its statements.
WARM_UP_BATCHES = 10
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")

_decode = msgspec.json.Decoder(list[ExecutionBatch]).decode


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """One worker's trades, the time of each batch, its CPU and that of its Postgres backend [s]."""

    trades: int
    batch_s: list[float]
    start_s: float
    end_s: float
    own_cpu_s: float
    postgres_cpu_s: float


@dataclass(frozen=True, slots=True)
class Round:
    """The results of workers that ran at the same time."""

    workers: Sequence[WorkerResult]

    @property
    def trades(self) -> int:
        """Trades of all workers."""
        return sum(one.trades for one in self.workers)

    @property
    def trades_a_second(self) -> float:
        """Trades per second from the first batch to the last."""
        return self.trades / (max(one.end_s for one in self.workers) - min(one.start_s for one in self.workers))


def settle(address: str, folder: Path, batches: Sequence[int], *, workers: int) -> Round:
    """Have workers settle batches, dealt out one by one; the first ones of each worker are not counted."""
    spawn = multiprocessing.get_context("spawn")
    pipes = []
    processes = []
    for worker in range(workers):
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_work, args=(address, folder, batches[worker::workers], theirs))
        process.start()
        theirs.close()  # so that reading fails when the worker dies
        pipes.append(ours)
        processes.append(process)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send("go")
    outcomes = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    return Round(outcomes)


def _work(address: str, folder: Path, batches: Sequence[int], pipe: Pipe) -> None:
    """Settle the batches of one worker; start the counted ones on a message."""
    database = Database(address, application_name="bench.settlement")
    with database.transaction() as tx:
        backend: int = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
    bodies = [(folder / f"{number}.json").read_bytes() for number in batches]
    for body in bodies[:WARM_UP_BATCHES]:
        _settle(database, body)
    pipe.send("ready")
    pipe.recv()
    own, postgres, start_s = time.process_time(), _cpu_s(backend), time.monotonic()
    batch_s, trades = [], 0
    for body in bodies[WARM_UP_BATCHES:]:
        began_s = time.monotonic()
        trades += _settle(database, body)
        batch_s.append(time.monotonic() - began_s)
    end_s = time.monotonic()
    pipe.send(WorkerResult(trades, batch_s, start_s, end_s, time.process_time() - own, _cpu_s(backend) - postgres))


def _settle(database: Database, body: bytes) -> int:
    """Do what the stage does with a batch; return the number of its trades."""
    executions = once_each(_decode(body))
    settle_once(database, executions, settled_us=time.time_ns() // 1_000)
    settled = [one for one in executions if type(one) is TradeMade]
    encode(FeedBatch("order_execution", 0, settled=settled))
    return len(settled)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
