"""`make republish`, on a real RabbitMQ."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from kombu import Connection

from celery_app.topology import DATA_FEED, ORDER_EXECUTION
from db.connect import Database
from tasks.messages import ExecutionBatch, FeedBatch
from tasks.shared.rules import coverage
from tests.support.broker import depth, take
from tests.support.lossy import LossyExchange
from tests.support.trading import NOW_US

FROM = 4


def republish(shard: int, first_seq: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tasks.catch_up", "republish", "--shard", str(shard), "--from", str(first_seq)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def exchange(clearing_data: Database, market_data: Database) -> LossyExchange:
    exchange = LossyExchange(clearing_data, market_data)
    exchange.trade(exchange.requests.requests(60), now_us=NOW_US)
    return exchange


def test_everything_from_a_command_on_is_published_to_both_queues(broker: Connection, exchange: LossyExchange) -> None:
    done = republish(0, FROM)
    assert done.returncode == 0, done.stderr
    messages = {queue: depth(broker, queue) for queue in (ORDER_EXECUTION, DATA_FEED)}
    assert done.stdout.startswith(f"{sum(messages.values())} messages of shard 0 from command {FROM} on")
    everything = [coverage.commands(0, FROM, exchange.engines[0].seq + 1)]
    executions = [
        batch
        for message in take(broker, ORDER_EXECUTION, messages[ORDER_EXECUTION])
        for batch in msgspec.json.decode(message.body, type=tuple[tuple[list[ExecutionBatch]], dict, dict])[0][0]
    ]
    feeds = [
        batch
        for message in take(broker, DATA_FEED, messages[DATA_FEED])
        for batch in msgspec.json.decode(message.body, type=tuple[tuple[list[FeedBatch]], dict, dict])[0][0]
    ]
    assert coverage.merged(interval for batch in executions for interval in batch.covers) == everything
    for stage in ("order_entry", "matching", "order_execution"):
        covers = [interval for batch in feeds if batch.stage == stage for interval in batch.covers]
        assert coverage.merged(covers) == everything, stage
    books = {update.security_id for batch in feeds for update in batch.books}
    assert books
    assert {update.security_id for batch in feeds for update in batch.auctions} == books


@pytest.mark.parametrize(
    ("shard", "first_seq", "sentence"),
    [
        (7, 1, "there is no shard 7; there are 0, 1"),
        (0, 0, "shard 0 has the commands 1 to "),
        (0, 1_000_000, "shard 0 has the commands 1 to "),
    ],
)
def test_commands_beyond_the_log_cannot_be_published(
    broker: Connection, exchange: LossyExchange, shard: int, first_seq: int, sentence: str
) -> None:
    done = republish(shard, first_seq)
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert depth(broker, ORDER_EXECUTION) == depth(broker, DATA_FEED) == 0
