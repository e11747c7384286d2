"""Workers that settle units, and what they took."""

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

# Units that each worker settles before it is measured: then it has planned its statements and knows its tables.
WARM_UP_UNITS = 10
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


@dataclass(frozen=True, slots=True)
class Round:
    """What some workers have done together."""

    settled: Sequence[Settled]

    @property
    def trades(self) -> int:
        """All trades."""
        return sum(one.trades for one in self.settled)

    @property
    def trades_a_second(self) -> float:
        """From the first unit to the last."""
        return self.trades / (max(one.end_s for one in self.settled) - min(one.start_s for one in self.settled))


def settle(address: str, folder: Path, units: Sequence[int], *, workers: int) -> Round:
    """Have workers settle units, dealt out one by one; the first ones of each worker are not counted."""
    spawn = multiprocessing.get_context("spawn")
    pipes = []
    processes = []
    for worker in range(workers):
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_work, args=(address, folder, units[worker::workers], theirs))
        process.start()
        theirs.close()  # so that a worker that dies is heard of
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


def _work(address: str, folder: Path, units: Sequence[int], pipe: Pipe) -> None:
    """One worker: settle its units, the counted ones as soon as it is told to begin."""
    database = Database(address, application_name="bench.settlement")
    with database.transaction() as tx:
        backend: int = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
    bodies = [(folder / f"{number}.json").read_bytes() for number in units]
    for body in bodies[:WARM_UP_UNITS]:
        _settle(database, body)
    pipe.send("ready")
    pipe.recv()
    own, postgres, start_s = time.process_time(), _cpu_s(backend), time.monotonic()
    unit_s, trades = [], 0
    for body in bodies[WARM_UP_UNITS:]:
        began_s = time.monotonic()
        trades += _settle(database, body)
        unit_s.append(time.monotonic() - began_s)
    end_s = time.monotonic()
    pipe.send(Settled(trades, unit_s, start_s, end_s, time.process_time() - own, _cpu_s(backend) - postgres))


def _settle(database: Database, body: bytes) -> int:
    """What the stage does with a unit; returns how many trades it has."""
    executions = once_each(_decode(body))
    settle_once(database, executions, settled_us=time.time_ns() // 1_000)
    settled = [one for one in executions if type(one) is TradeMade]
    encode(FeedBatch("order_execution", 0, settled=settled))
    return len(settled)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
