"""The channels about the whole exchange: the leaderboard and the pipeline."""

from __future__ import annotations

import time

import pytest
from kombu import Connection
from sqlalchemy import text

from celery_app.topology import DEAD_LETTER, ORDER_ENTRY, task_queues
from db.connect import Database
from tests.api.streams.conftest import Feed, Keys, prices, trades
from tests.api.streams.test_channels import numbers, subscribe, wait_for_sequence
from tests.support.feed import trade
from tests.support.streams import Streams, wait_until

pytestmark = pytest.mark.usefixtures("market_data")


def test_the_leaderboard_counts_its_changes(streams: Streams, clearing_data: Database) -> None:
    client = streams.socketio()
    assert subscribe(client, "leaderboard", None) == {"status": "success"}
    wait_for_sequence(client, "leaderboard", 1)
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE accounts SET balance_cents = balance_cents + 12345 WHERE client_id = 'FLOOD'"))
    events = wait_for_sequence(client, "leaderboard", 2)
    assert numbers(events) == [("snapshot", 0, 0), ("update", 0, 1), ("update", 1, 2)]
    assert events[0]["data"] == []
    assert all(event["security_id"] is None for event in events)
    before, after = ({row["client_id"]: row for row in event["data"]} for event in events[1:])
    assert after["FLOOD"]["rank"] == 1
    assert after["FLOOD"]["balance"] == pytest.approx(before["FLOOD"]["balance"] + 123.45)
    late = streams.socketio()
    subscribe(late, "leaderboard")
    (snapshot,) = late.wait_for("leaderboard")
    assert numbers([snapshot]) == [("snapshot", 0, 2)]
    assert snapshot["data"] == events[-1]["data"]
    wait_until(lambda: late.of("heartbeat") != [] and late.of("heartbeat")[-1]["sequences"]["leaderboard"] == 2)


def test_without_postgres_the_leaderboard_is_silent_and_the_rest_goes_on(
    market_data: Database, api_keys: Keys, feed: Feed
) -> None:
    with Streams(environment={"CLEARING_DATA_URL": "postgresql://exchange@127.0.0.1:1/nothing"}) as streams:
        client = streams.socketio()
        assert subscribe(client, "leaderboard", None) == {"status": "success"}
        wait_until(lambda: "board_not_read" in streams.log)
        client.wait_for("heartbeat", len(client.of("heartbeat")) + 2)
        assert numbers(client.of("leaderboard")) == [("snapshot", 0, 0)]


def test_the_pipeline(streams: Streams, feed: Feed, broker: Connection) -> None:
    with broker.channel() as channel:
        producer = broker.Producer(channel)
        for _ in range(3):
            producer.publish(b"nothing", exchange="", routing_key=ORDER_ENTRY)
        producer.publish(b"nothing", exchange="", routing_key=DEAD_LETTER)
    now_us = time.time_ns() // 1_000
    feed.publish(prices(1, 9_990, 10_010), trades(trade(1, traded_us=now_us), trade(2, traded_us=now_us)))
    client = streams.socketio()
    assert subscribe(client, "pipeline", None) == {"status": "success"}
    wait_until(lambda: any(event["data"]["dead_letters"] == 1 for event in client.of("pipeline")))
    seen = client.of("pipeline")[-1]["data"]
    assert [queue["name"] for queue in seen["queues"]] == [queue.name for queue in task_queues()]
    assert (seen["queues"][0]["depth"], seen["queues"][0]["consumers"]) == (3, 0)
    assert seen["flower"] == "http://127.0.0.1:5555"
    assert [stage["stage"] for stage in seen["stages"]] == ["data_feed", "matching"]
    feed.publish(trades(*(trade(number) for number in range(3, 300))))
    wait_until(lambda: (client.of("pipeline")[-1]["data"]["trades_per_s"] or 0) > 0)
    assert client.of("pipeline")[-1]["data"]["queues"][-1]["rate_per_s"] > 0
    assert client.of("pipeline")[-1]["data"]["recent"] is None
    late = streams.socketio()
    subscribe(late, "pipeline")
    recent = late.wait_for("pipeline")[0]["data"]["recent"]
    assert [row["timestamp"] for row in recent] == sorted({row["timestamp"] for row in recent})
    assert recent[-1]["trades_per_s"] > 0


def test_the_pipeline_without_rabbitmq(market_data: Database, api_keys: Keys) -> None:
    with Streams(environment={"BROKER_URL": "amqp://127.0.0.1:1//"}) as streams:
        client = streams.socketio()
        subscribe(client, "pipeline")
        wait_for_sequence(client, "pipeline", 1)
        sent = client.of("pipeline")[-1]["data"]
        assert (sent["queues"], sent["dead_letters"]) == ([], None)
        assert streams.runs
