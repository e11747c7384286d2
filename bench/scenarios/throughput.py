"""Orders per second that the exchange settles and stores, however fast it accepts them.

The clock runs from the first POST until the last trade is settled in clearing_data, and stored and reported as settled
in market_data. The load pauses while too many accepted orders are not yet settled and stored, so a growing queue cannot
pass for speed.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing.connection import Connection as Pipe

from bench.load import usual
from bench.load.flow import SECURITIES
from bench.load.generator import Generator, LoadResult, Plan, Shared
from bench.load.progress import Look, Progress
from bench.target.accounts import NAMES
from bench.target.cpu import OTHER, CpuMeter
from bench.target.exchange import Exchange
from bench.target.stores import Stored, stored
from bots.client import Client
from bots.contract import LimitOrder

LOAD = "load generator"

LOOK_EVERY_S = 0.1
START_TIMEOUT_S = 60.0
DRAIN_TIMEOUT_S = 300.0


class NotDrained(Exception):
    """Accepted orders were not settled and stored within DRAIN_TIMEOUT_S after the last one."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The progress at a time [s after the start]."""

    seconds: float
    accepted: int
    look: Look


@dataclass(frozen=True, slots=True)
class Throughput:
    """The result of a run."""

    load: LoadResult
    seconds: float  # from the first POST until all was settled and stored
    trades: int
    moments: list[Moment]
    cpu_s: dict[str, float]
    memory_bytes: dict[str, int]
    stored: Stored  # by this run

    @property
    def orders_a_second(self) -> float:
        """Orders and cancels settled and stored per second."""
        return self.load.accepted / self.seconds

    @property
    def largest_backlog(self) -> int:
        """The most accepted orders that were not yet settled and stored."""
        return max(moment.accepted - moment.look.done for moment in self.moments)


def measure(exchange: Exchange, plan: Plan, *, in_flight: int) -> Throughput:
    """Run a load against an exchange. Raises NotDrained and usual.UnusualRun."""
    spawn = multiprocessing.get_context("spawn")
    accepted, allowed = spawn.RawValue("q", 0), spawn.RawValue("q", in_flight)
    pipe, load_pipe = spawn.Pipe()
    load = spawn.Process(target=_load, args=(plan, accepted, allowed, load_pipe), daemon=True)
    load.start()
    if not pipe.poll(START_TIMEOUT_S):
        raise TimeoutError("the load generator did not start")
    pipe.recv()  # its requests are made

    progress = Progress(exchange.clearing_data, exchange.market_data)
    trades_before = progress.account().trades_settled
    stored_before = stored(exchange)
    meter = CpuMeter(exchange)
    started_s = time.perf_counter()
    pipe.send(None)

    moments: list[Moment] = []
    while not pipe.poll(LOOK_EVERY_S):
        moments.append(Moment(time.perf_counter() - started_s, accepted.value, progress.look()))
        allowed.value = moments[-1].look.done + in_flight
    result: LoadResult = pipe.recv()
    load.join()

    seconds, trades_after = _drain(exchange, progress, result.accepted, started_s)
    cpu_s = meter.used_s()
    trades = trades_after - trades_before
    usual.require(plan, orders=result.accepted, trades=trades)
    return Throughput(
        load=result,
        seconds=seconds,
        trades=trades,
        moments=moments,
        cpu_s=cpu_s | {LOAD: result.cpu_s, OTHER: cpu_s[OTHER] - result.cpu_s},
        memory_bytes=meter.memory_bytes(),
        stored=stored(exchange).since(stored_before),
    )


def _load(plan: Plan, accepted: Shared, allowed: Shared, pipe: Pipe) -> None:
    """Run the load generator, in a process of its own."""
    generator = Generator(plan, accepted=accepted, allowed=allowed)
    pipe.send(None)
    pipe.recv()
    pipe.send(generator.run())


def _drain(exchange: Exchange, progress: Progress, accepted: int, started_s: float) -> tuple[float, int]:
    """Wait until every accepted order is settled and stored; return the time [s] and the total number of trades.

    Once every order is in the log, one more order in each security, which cannot trade and is cancelled at once, is the
    last command of its shard. When both databases have its outcome, and every trade with its two settlement reports,
    nothing is left to do.
    """
    deadline_s = time.perf_counter() + DRAIN_TIMEOUT_S
    while progress.look().logged < accepted:
        _wait(deadline_s)
    client = Client(exchange.url, exchange.client_keys[NAMES[0]])
    last = [
        client.place(
            LimitOrder(security_id=name, side="buy", quantity=1, price=Decimal("0.01"), time_in_force="ioc")
        ).order_id
        for name in SECURITIES
    ]
    while True:
        while not progress.are_through(last):
            _wait(deadline_s)
        seconds = time.perf_counter() - started_s
        account = progress.account()
        if account.is_even():
            return seconds, account.trades_settled
        _wait(deadline_s)


def _wait(deadline_s: float) -> None:
    if time.perf_counter() > deadline_s:
        raise NotDrained(
            f"the exchange has not settled and stored every order {DRAIN_TIMEOUT_S:.0f} s after the last one; look for "
            "a deep queue or dead letters with `make status`"
        )
    time.sleep(LOOK_EVERY_S / 2)
