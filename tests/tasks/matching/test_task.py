"""The stage on real services: whatever happens to messages and workers, the events are those of the log."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.engine import make_url

from celery_app.faults import INVARIANT_BROKEN_STATUS
from celery_app.settings import settings
from celery_app.topology import DEAD_LETTER, ORDER_EXECUTION, declare
from db.clearing_data import initial_data, snapshots
from db.connect import Database
from db.migrate import migrate
from tasks.matching.rules.state import decode
from tasks.messages import Command, CommandBatch, MassCancel, PlaceOrder
from tests.support.broker import depth, take
from tests.support.command_logs import seeded_log
from tests.support.worker import Worker
from tests.tasks.matching.conftest import Floor

QUEUE = "matching.0"
SECURITIES = ("MSFT", "TSLA", "SHEL")  # those of shard 0 of two
CHUNK = 20
OFTEN = {"SNAPSHOT_EVERY_COMMANDS": "100"}


def day(seed: int, length: int, *, securities: Sequence[str] = SECURITIES) -> list[Command]:
    return seeded_log(seed, length, securities=securities)


def chunks_of(commands: Sequence[Command], first_seq: int = 1) -> Iterator[tuple[int, Sequence[Command]]]:
    for start in range(0, len(commands), CHUNK):
        yield first_seq + start, commands[start : start + CHUNK]


def buy(order_id: int, *, security_id: str = "MSFT") -> PlaceOrder:
    return PlaceOrder(order_id, "EVE", security_id, "limit", "buy", 1, 10_000, "gtc", False, 1)


def mark(floor: Floor) -> int:
    with floor.clearing_data.transaction() as tx:
        return snapshots.published_mark(tx, 0)


def test_orders_are_matched_and_their_events_published(floor: Floor) -> None:
    with Worker(QUEUE) as worker:
        floor.trade(day(1, 300))
        floor.check()
        assert worker.stop() == 0
    assert mark(floor) == 300


Deliveries = list[tuple[int, Sequence[Command]]]


def shuffled(chunks: Deliveries) -> Deliveries:
    """Deliver some messages never, some twice, in any order."""
    chance = random.Random(1)
    come = [chunk for chunk in chunks if chance.random() < 0.7]
    come += [chunk for chunk in come if chance.random() < 0.3]
    chance.shuffle(come)
    return come


DELIVERIES: dict[str, Callable[[Deliveries], Deliveries]] = {
    "doubled": lambda chunks: [chunk for chunk in chunks for _ in range(2)],
    "all of them again": lambda chunks: chunks + chunks,
    "every other one dropped": lambda chunks: chunks[::2],
    "all but the last dropped": lambda chunks: chunks[-1:],
    "reversed": lambda chunks: chunks[::-1],
    "shuffled": shuffled,
}


def test_messages_arrive_twice_in_any_order_or_never(floor: Floor) -> None:
    with Worker(QUEUE) as worker:
        for seed, (name, deliveries) in enumerate(DELIVERIES.items(), 1):
            commands = _renumbered(day(seed, 200), 10_000 * seed)
            for first_seq, chunk in deliveries(list(chunks_of(commands, floor.log(commands)))):
                floor.ring(first_seq, chunk)
            floor.check()
            assert depth(floor.broker, DEAD_LETTER) == 0, name
        assert worker.stop() == 0


def test_the_log_replaces_a_message_that_never_arrived(floor: Floor) -> None:
    commands = day(3, 200)
    with Worker(QUEUE):
        floor.trade(commands[:100])
        floor.check()
        floor.log(commands[100:])  # without a message
        floor.check()


def test_a_worker_is_killed_repeatedly(floor: Floor) -> None:
    chance = random.Random(1)
    commands = day(1, 900)
    chunks = list(chunks_of(commands))
    with Worker(QUEUE, environment=OFTEN) as worker:
        for position, (_, chunk) in enumerate(chunks, 1):
            floor.trade(chunk)
            if position % 15 == 0:
                if chance.random() < 0.5:
                    floor.check()
                worker.kill()
                worker.start()
        floor.check()


def test_events_after_the_mark_are_published_again_before_anything_is_consumed(floor: Floor) -> None:
    floor.log(day(4, 200))
    with Worker(QUEUE) as worker:
        floor.check()
        assert worker.stop() == 0
    sent = floor.deliveries
    with floor.clearing_data.transaction() as tx:
        tx.execute(text("UPDATE published_marks SET seq = 150 WHERE shard = 0"))
    with Worker(QUEUE):
        floor.check()
    _, events = floor.replayed()
    assert 0 < floor.deliveries - sent < len(events) / 2


def test_the_next_worker_continues_from_the_snapshot_of_a_warm_stop(floor: Floor) -> None:
    commands = day(5, 400)
    with Worker(QUEUE) as worker:
        floor.trade(commands[:300])
        floor.check()
        assert worker.stop() == 0
        engine, _ = floor.replayed()
        with floor.clearing_data.transaction() as tx:
            (snapshot,) = snapshots.newest_first(tx, 0, at_most=10_000)
        assert (snapshot.seq, snapshot.state_hash) == (300, engine.state_hash())
        assert decode(snapshot.body) == engine.state()
        worker.start()
        worker.wait_for_log("event=shard_recovered shard=0 snapshot=300 seq=300")
        floor.trade(commands[300:])
        floor.check()


def test_a_worker_skips_damaged_snapshots_and_falls_back_to_the_log(floor: Floor) -> None:
    commands = day(6, 400)
    with Worker(QUEUE) as worker:
        for start in (0, 100):
            floor.trade(commands[start : start + 100])
            floor.check()
            assert worker.stop() == 0
            worker.start()
        worker.kill()
        with floor.clearing_data.transaction() as tx:
            tx.execute(text("UPDATE snapshots SET body = overlay(body PLACING 'x' FROM 5) WHERE seq = 200"))
        worker.start()
        worker.wait_for_log("event=snapshot_damaged shard=0 seq=200")
        worker.wait_for_log("event=shard_recovered shard=0 snapshot=100 seq=200")
        floor.trade(commands[200:300])
        floor.check()
        worker.kill()
        with floor.clearing_data.transaction() as tx:
            # An intact checksum over a meaningless body.
            damage = text("UPDATE snapshots SET body = :body, checksum = sha256(:body)")
            tx.execute(damage, {"body": b"nothing"})
        worker.start()
        worker.wait_for_log("event=shard_recovered shard=0 snapshot=0 seq=300")
        floor.trade(commands[300:])
        floor.check()


def test_snapshots_are_written_during_work_and_old_ones_dropped(floor: Floor) -> None:
    with Worker(QUEUE, environment=OFTEN) as worker:
        for count in range(1, 6):
            floor.trade(_renumbered(day(count, 120), 1_000 * count))
            worker.wait_for_log("event=snapshot_written", count=count)
        floor.check()
    with floor.clearing_data.transaction() as tx:
        kept = [snapshot.seq for snapshot in snapshots.newest_first(tx, 0, at_most=10_000)]
    assert kept == [600, 480, 360]


def _renumbered(commands: Sequence[Command], by: int) -> list[Command]:
    """Return the same commands with new order ids."""
    return [_shifted(command, by) for command in commands]


def _shifted(command: Command, by: int) -> Command:
    numbers: dict[str, object] = {
        name: getattr(command, name) + by for name in ("order_id", "command_id") if hasattr(command, name)
    }
    if isinstance(command, MassCancel):
        numbers["order_ids"] = [order_id + by for order_id in command.order_ids]
    return replace(command, **numbers)


def test_a_message_that_order_entry_cannot_have_sent_becomes_a_dead_letter(floor: Floor) -> None:
    commands = day(7, 200)
    forged = [
        CommandBatch(1, 1, [buy(900_001)]),  # of a shard that this worker does not serve
        CommandBatch(0, 101, [buy(900_001, security_id="GHOST")]),  # of a security that is not listed
        CommandBatch(0, 101, [buy(900_001, security_id="AAPL")]),  # of a security of the other shard
        CommandBatch(0, 5_000, [buy(900_001)]),  # far beyond the end of the log
        CommandBatch(0, 102, [buy(900_001)]),  # next but one
    ]
    with Worker(QUEUE) as worker:
        floor.trade(commands[:100])
        floor.check()
        for batch in forged:
            floor.forge(batch, QUEUE)
        take(floor.broker, DEAD_LETTER, len(forged))
        floor.trade(commands[100:])
        floor.check()
        assert worker.stop() == 0


def test_commands_that_differ_from_the_log_become_a_dead_letter(floor: Floor) -> None:
    commands = day(8, 200)
    with Worker(QUEUE):
        floor.trade(commands[:100])
        floor.check()
        floor.log(commands[100:])
        floor.forge(CommandBatch(0, 150, [buy(900_001)]), QUEUE)
        take(floor.broker, DEAD_LETTER, 1)
        floor.check()


def test_a_worker_whose_engine_is_ahead_of_the_log_stops_for_good(floor: Floor) -> None:
    with Worker(QUEUE) as worker:
        floor.trade(day(9, 100))
        floor.check()
        floor.forge(CommandBatch(0, 101, [buy(900_001)]), QUEUE)
        assert worker.wait() == INVARIANT_BROKEN_STATUS
        assert "command 101 of shard 0 is ahead of the log" in worker.log


def test_a_log_with_a_hole_stops_the_worker_before_it_consumes(floor: Floor) -> None:
    floor.log(day(10, 100))
    with floor.clearing_data.transaction() as tx:
        tx.execute(text("DELETE FROM order_log WHERE shard = 0 AND seq = 50"))
    worker = Worker(QUEUE)
    worker.launch()
    assert worker.wait() == INVARIANT_BROKEN_STATUS, worker.log
    assert "command 50 is missing in the log" in worker.log


def test_a_standby_publishes_nothing_and_takes_over(floor: Floor) -> None:
    commands = day(11, 900)
    with Worker(QUEUE) as active:
        floor.trade(commands[:300])
        floor.check()
        with Worker(QUEUE) as standby:
            floor.collect()
            sent = floor.deliveries
            for _, chunk in chunks_of(commands[300:600]):
                floor.trade(chunk)
            floor.check()
            _, events = floor.replayed()
            executions = len(floor.events[0])
            assert executions < len(events), "no cancel was refused: the log tests little"
            assert floor.deliveries - sent <= executions
            floor.log(commands[600:650])
            active.kill()
            floor.ring(651, [])
            floor.trade(commands[650:])
            floor.check()
            assert standby.stop() == 0
    assert mark(floor) == 900


def test_a_standby_stands_in_while_no_other_worker_publishes(floor: Floor) -> None:
    commands = day(17, 300)
    with Worker(QUEUE) as worker:
        floor.log(commands[:100])  # without a message the worker stays a standby
        worker.wait_for_log("event=standby_stands_in")
        floor.check()
        for start in (100, 150, 200, 250):
            floor.log(commands[start : start + 50])
            floor.check()
        assert worker.log.count("standby_stands_in") == 1
    assert mark(floor) == 300


def test_a_warm_stop_during_work_loses_and_repeats_nothing(floor: Floor) -> None:
    commands = day(18, 2_000)
    chunks = list(chunks_of(commands, floor.log(commands)))
    worker = Worker(QUEUE, environment={"PREFETCH_MESSAGES": "2"})
    for stop in range(3):
        for first_seq, chunk in chunks[stop::3]:  # so each of the three workers gets some messages
            floor.ring(first_seq, chunk)
        worker.start()
        worker.wait_for_log("event=shard_active")
        assert worker.stop() == 0
    with worker:
        floor.check()
        assert worker.stop() == 0
    assert floor.deliveries == len(floor.events[0]), "an event was published twice"


def test_a_worker_that_hangs_is_replaced_and_comes_back_as_the_standby(floor: Floor) -> None:
    commands = day(16, 400)
    with Worker(QUEUE) as hanging, Worker(QUEUE) as other:
        floor.trade(commands[:100])
        floor.check()
        hanging.pause()
        floor.trade(commands[100:200])
        other.wait_for_log("event=shard_active")
        floor.check()
        hanging.resume()
        floor.trade(commands[200:300])
        floor.check()
        hanging.wait_for_log("Connected to amqp", count=2)
        other.kill()
        floor.trade(commands[300:])
        floor.check()
        assert hanging.stop() == 0
    assert mark(floor) == 400


def test_events_survive_a_failed_publish(floor: Floor) -> None:
    commands = day(12, 300)
    with Worker(QUEUE) as worker:
        floor.trade(commands[:100])
        floor.check()
        with floor.broker.channel() as channel:
            channel.queue_delete(ORDER_EXECUTION)
        for first_seq, chunk in chunks_of(commands[100:], floor.log(commands[100:])):
            floor.ring(first_seq, chunk)
        worker.wait_for_log("event=unit_delayed")
        declare(floor.broker)
        floor.check()


def test_one_worker_may_serve_several_shards(floor: Floor) -> None:
    shards = {0: day(13, 300), 1: _renumbered(day(14, 300, securities=("AAPL", "JPM")), 1_000)}
    with Worker("matching.0", "matching.1") as worker:
        for shard, commands in shards.items():
            for first_seq, chunk in chunks_of(commands, floor.log(commands, shard=shard)):
                floor.ring(first_seq, chunk, shard=shard)
        floor.check(shards=(0, 1))
        assert worker.stop() == 0


def test_a_worker_waits_for_its_database(floor: Floor) -> None:
    address = make_url(settings().clearing_data_url.get_secret_value())
    late = address.set(database=f"{address.database}_late").render_as_string(hide_password=False)
    _drop(floor.clearing_data, f"{address.database}_late")
    worker = Worker(QUEUE, environment={"CLEARING_DATA_URL": late.replace("+psycopg2", "")})
    worker.launch()
    try:
        worker.wait_for_log("event=waiting", count=3)
        migrate(late, settings().market_data_url.get_secret_value())
        database = Database(late)
        with database.transaction() as tx:
            initial_data.load(tx, shards=settings().shards, now_us=1)
        worker.wait_ready()
        late_floor = Floor(database, floor.broker, floor.publisher)
        late_floor.trade(day(15, 100))
        late_floor.check()
        assert worker.stop() == 0
        database.engine.dispose()
    finally:
        worker.kill()
        _drop(floor.clearing_data, f"{address.database}_late")


def _drop(database: Database, name: str) -> None:
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
