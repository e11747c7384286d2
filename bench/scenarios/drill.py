"""A shard for recovery drills: a log like order entry's, and matching workers to kill and stop."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from celery import Celery
from kombu import Connection
from sqlalchemy import text

from bench import fork_server
from bench.target.cpu import cpu_s, memory_bytes
from celery_app.publisher import Publisher
from celery_app.topology import DATA_FEED, ORDER_EXECUTION, declare, matching_queue
from db.clearing_data import snapshots
from db.connect import Database, copy_rows
from tasks.messages import CancelOrder, Command, CommandBatch, PlaceOrder, encode_command

SHARD = 0
SECURITIES = ("MSFT", "TSLA", "SHEL")
READY = " ready."
_PIECE = 50_000


def feed(seed: int) -> Iterator[Command]:
    """Yield an endless feed of eight limit orders to two cancels; some orders trade at once."""
    chance = random.Random(seed)
    resting: list[PlaceOrder] = []
    for number in _numbers():
        if resting and chance.random() < 0.2:
            order = resting.pop(chance.randrange(len(resting)))
            yield CancelOrder(number, order.client_id, order.security_id, order.order_id, number)
            continue
        order = _order(chance, number, away_cents=chance.randint(-100, 400))
        resting = [*resting[-999:], order]
        yield order


def resting_orders(seed: int) -> Iterator[Command]:
    """Yield orders that never trade with each other."""
    chance = random.Random(seed)
    for number in _numbers():
        yield _order(chance, number, away_cents=chance.randint(1, 400))


def _numbers() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


def _order(chance: random.Random, number: int, *, away_cents: int) -> PlaceOrder:
    side = chance.choice(("buy", "sell"))
    return PlaceOrder(
        order_id=number,
        client_id=f"CLIENT_{chance.randint(1, 1000)}",
        security_id=chance.choice(SECURITIES),
        type="limit",
        side=side,  # type: ignore[arg-type]
        quantity=chance.randint(1, 100),
        price_cents=10_000 - away_cents if side == "buy" else 10_000 + away_cents,
        time_in_force="gtc",
        post_only=False,
        sequenced_us=number,
    )


class Floor:
    """The log and the queues of the shard."""

    def __init__(self, clearing_data: Database, broker_url: str) -> None:
        self.clearing_data = clearing_data
        self.broker = Connection(broker_url)
        self._publisher = Publisher(
            Celery(broker=broker_url)
        )  # our own application has the settings of another exchange

    def start_over(self, commands: Iterable[Command], count: int) -> None:
        """Replace the log by `count` commands whose events count as published."""
        with self.clearing_data.transaction() as tx:
            tx.execute(text("TRUNCATE order_log, snapshots, published_marks"))
            tx.execute(text("UPDATE shards SET last_seq = 0"))
        stream = islice(commands, count)
        while piece := list(islice(stream, _PIECE)):
            self.log(piece)
        with self.clearing_data.transaction() as tx:
            snapshots.move_mark(tx, SHARD, count)
        with self.clearing_data.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE order_log"))
        self.drain()

    def log(self, commands: Sequence[Command]) -> int:
        """Append to the log; return the first number."""
        with self.clearing_data.transaction() as tx:
            head = text("SELECT last_seq FROM shards WHERE shard = :shard FOR UPDATE")
            first_seq: int = tx.execute(head, {"shard": SHARD}).scalar_one() + 1
            rows = [
                (SHARD, seq, command.order_id if isinstance(command, PlaceOrder) else seq, encode_command(command))
                for seq, command in enumerate(commands, first_seq)
            ]
            copy_rows(tx, "order_log", ("shard", "seq", "command_id", "command"), rows)
            move = text("UPDATE shards SET last_seq = last_seq + :count WHERE shard = :shard")
            tx.execute(move, {"count": len(rows), "shard": SHARD})
        return first_seq

    def enter(self, commands: Sequence[Command]) -> int:
        """Append to the log and send the commands to the worker; return the last number."""
        first_seq = self.log(commands)
        batch = CommandBatch(SHARD, first_seq, list(commands))
        self._publisher.send(matching_queue(SHARD), batch, size=len(commands))
        return first_seq + len(commands) - 1

    def newest_snapshot(self) -> int:
        """Return the command of the newest snapshot."""
        with self.clearing_data.transaction() as tx:
            return int(tx.execute(text("SELECT COALESCE(max(seq), 0) FROM snapshots")).scalar_one())

    def drain(self) -> None:
        """Empty the queues."""
        declare(self.broker)
        with self.broker.channel() as channel:
            for queue in (matching_queue(SHARD), ORDER_EXECUTION, DATA_FEED):
                channel.queue_purge(queue)


class MatchingWorker:
    """A worker of the shard's queue, started as by `make up`: `with MatchingWorker(log) as worker: ...`."""

    def __init__(self, log: Path, **variables: str) -> None:
        self._log = log
        fork_server.load()
        self._began_s = time.perf_counter()
        log.write_text("")
        command = ("celery_app", "worker", "-Q", matching_queue(SHARD))
        self.process = fork_server.start(*command, environment=os.environ | variables, log=log)
        self.wait_for(READY)
        self.start_s = time.perf_counter() - self._began_s

    def wait_for(self, words: str, *, timeout_s: float = 120.0) -> None:
        """Return when the worker's log contains the words.

        raises  TimeoutError  the worker ended, or the time is over
        """
        deadline = time.monotonic() + timeout_s
        while words not in self._log.read_text(errors="replace"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"a matching worker did not log {words!r}; see {self._log}")
            time.sleep(0.005)

    def is_active(self) -> bool:
        """Return whether RabbitMQ delivers the messages to this worker."""
        return "shard_active" in self._log.read_text(errors="replace")

    def count(self, words: str) -> int:
        """Return how often the words occur in its log."""
        return self._log.read_text(errors="replace").count(words)

    def cpu_s(self) -> float:
        """Return the CPU time it has used [s]; it must be alive."""
        return cpu_s(self.process.pid)

    def memory_bytes(self) -> int:
        """Return its memory (PSS)."""
        return memory_bytes(self.process.pid)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def stop_s(self) -> float:
        """Stop it with SIGTERM; return how long that takes [s]."""
        began_s = time.perf_counter()
        self.send(signal.SIGTERM)
        self.process.wait(120)
        return time.perf_counter() - began_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.send(signal.SIGKILL)
            self.process.wait()


class _Executions(msgspec.Struct, array_like=True):
    shard: int
    matched_us: int
    executions: list[msgspec.Raw]


class Tape:
    """The shard's events on their queue, with the arrival time of each command's first one."""

    def __init__(self, broker: Connection) -> None:
        self._decode = msgspec.json.Decoder(tuple[tuple[list[_Executions]], object, object]).decode
        self.came_s: dict[int, float] = {}  # by command
        self._connection = broker.clone()
        self._connection.channel().basic_consume(ORDER_EXECUTION, callback=self._take, no_ack=True)

    def _take(self, message: object) -> None:
        now_s = time.perf_counter()
        for batch in self._decode(message.body)[0][0]:  # type: ignore[attr-defined]
            for raw in batch.executions:
                seq = (msgspec.json.decode(raw)[1] >> 21) & (2**36 - 1)
                self.came_s.setdefault(seq, now_s)

    def read_until(self, deadline_s: float) -> None:
        """Record events until a time of time.perf_counter; if that is past, record the events that are there."""
        while True:
            try:
                self._connection.drain_events(timeout=max(deadline_s - time.perf_counter(), 0))
            except TimeoutError:
                return

    def close(self) -> None:
        """Close the connection to the queue."""
        self._connection.release()
