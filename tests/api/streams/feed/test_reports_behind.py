"""Row 46: readers of reports that fall behind get every stored report, and are not called current before that."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from redis import Redis
from websocket import WebSocketConnectionClosedException

from api.wire.outgoing import time_of
from celery_app.settings import settings
from db.connect import Database
from db.market_data import reads
from tasks.data_feed.outgoing import News, channel_of
from tasks.data_feed.push import Pusher
from tasks.data_feed.record import record
from tasks.data_feed.rules.rows import Report
from tests.api.streams.conftest import Feed, Keys, settle, trades
from tests.api.streams.test_channels import subscribe, wait_for_sequence
from tests.support.feed import NOW_US, trade
from tests.support.streams import SocketIOClient, Streams, read, wait_until

BEHIND = 50_000
BATCH = 500
SOON_S = 300.0


class RawReports:
    """A raw WebSocket that keeps the sequences it reads, by client, in order of arrival."""

    def __init__(self, streams: Streams, key: str) -> None:
        self.heard: dict[str, list[int]] = {}
        self._socket = streams.raw(f"/stream/report?api_key={key}")
        self._socket.settimeout(SOON_S)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait_for(self, wanted: dict[str, int]) -> dict[str, list[int]]:
        """Wait until the reader reaches these sequences, and return what it read."""
        wait_until(lambda: all(self._last(client) >= last for client, last in wanted.items()), timeout_s=SOON_S)
        return {client: self.heard.get(client, []) for client in wanted}

    def _last(self, client: str) -> int:
        return self.heard.get(client, [0])[-1]

    def _run(self) -> None:
        with suppress(WebSocketConnectionClosedException, ConnectionError):  # the streams end with the test
            while True:
                report = read(self._socket)
                self.heard.setdefault(report["client_id"], []).append(report["sequence"])


def heads(market_data: Database, *clients: str) -> dict[str, int]:
    with market_data.snapshot() as tx:
        return dict.fromkeys(clients, 0) | reads.report_heads(tx, clients)


def store_with_two_workers(market_data: Database, numbers: Sequence[int], **parties: str) -> None:
    """Store trades in batches that two workers of the feed take in turn; all pushes to Redis are lost."""
    batches = [numbers[first : first + BATCH] for first in range(0, len(numbers), BATCH)]

    def work(mine: list[Sequence[int]]) -> None:
        for batch in mine:
            made = trades(*(trade(number, **parties) for number in batch))
            record(market_data, [made], taken_us=NOW_US)

    workers = [threading.Thread(target=work, args=(batches[worker::2],)) for worker in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def assert_whole(events: list[dict[str, Any]], last: int) -> None:
    """Check that each report comes once and in order, and that each event follows the one before."""
    received: list[int] = []
    for before, event in zip([None, *events], events, strict=False):
        if before is not None:
            assert (event["type"], event["previous_sequence"]) == ("update", before["sequence"])
        received += [report["sequence"] for report in event["data"]]
    assert received == list(range(1, last + 1))


def test_46_a_reader_that_is_50_000_reports_behind_catches_up(
    streams: Streams, feed: Feed, market_data: Database, api_keys: Keys
) -> None:
    client = streams.socketio({"api_key": api_keys.flood})
    subscribe(client, "report")
    raw, admin = RawReports(streams, api_keys.flood), RawReports(streams, api_keys.admin)
    other = RawReports(streams, api_keys.gauss)
    feed.publish(trades(trade(1, buyer="FLOOD", seller="GAUSS")))
    wait_for_sequence(client, "report", 1)

    store_with_two_workers(market_data, range(2, BEHIND + 2), buyer="FLOOD", seller="ANN")
    feed.publish(trades(trade(BEHIND + 2, buyer="FLOOD", seller="GAUSS")))
    stored = heads(market_data, "FLOOD", "ANN", "GAUSS")
    assert stored == {"FLOOD": BEHIND + 2, "ANN": BEHIND, "GAUSS": 2}

    other.wait_for({"GAUSS": 2})
    pushed = time_of(time.time_ns() // 1_000)
    assert len(raw.heard["FLOOD"]) < BEHIND, "another client waits until this one has caught up"
    everyones = admin.wait_for(stored)
    assert everyones == {name: list(range(1, last + 1)) for name, last in stored.items()}
    assert raw.wait_for({"FLOOD": stored["FLOOD"]})["FLOOD"] == list(range(1, stored["FLOOD"] + 1))
    wait_until(lambda: client.of("report")[-1]["sequence"] == stored["FLOOD"], timeout_s=SOON_S)
    assert_whole(client.of("report"), stored["FLOOD"])
    assert "subscriber_cut_off" not in streams.log
    wait_until(lambda: _beats_after(client, pushed) != [])
    assert set(_beats_after(client, pushed)) == {stored["FLOOD"]}, "a heartbeat names the last report there is"


def _beats_after(client: SocketIOClient, moment: str) -> list[int]:
    """Return what the heartbeats sent after a moment, by the clock of this host, said of reports."""
    beats = [beat for beat in client.of("heartbeat") if beat["timestamp"] > moment]
    return [beat["sequences"]["report"] for beat in beats if "report" in beat["sequences"]]


def test_46_stored_reports_that_were_never_pushed_are_sent(streams: Streams, feed: Feed, api_keys: Keys) -> None:
    """A worker of the feed may die or hang between its commit and its push, and no later push may follow."""
    raw, admin = RawReports(streams, api_keys.flood), RawReports(streams, api_keys.admin)
    feed.publish(trades(trade(1, buyer="FLOOD", seller="GAUSS")))
    raw.wait_for({"FLOOD": 1})
    feed.store(trades(trade(2, buyer="FLOOD", seller="GAUSS")))
    assert raw.wait_for({"FLOOD": 2}) == {"FLOOD": [1, 2]}
    assert admin.wait_for({"FLOOD": 2, "GAUSS": 2}) == {"FLOOD": [1, 2], "GAUSS": [1, 2]}


def test_reports_are_pushed_to_a_reader_from_its_first_moment_on(streams: Streams, feed: Feed, api_keys: Keys) -> None:
    settle(streams, feed)
    redis = Redis.from_url(feed.redis_url)
    redis.delete(f"{channel_of(redis)}.readers")  # of earlier tests
    client = streams.socketio({"api_key": api_keys.flood})
    subscribe(client, "report")
    # Postgres does not have it, so only a push can bring it.
    feed.push(News({"FLOOD": [Report(1, 1, "order", True, "FLOOD", "MSFT", "buy", 1, 100, None, 1, 1, sequence=1)]}))
    assert wait_for_sequence(client, "report", 1)[-1]["data"][0]["order_id"] == 1


@pytest.mark.parametrize("seed", range(3))
def test_46_pushes_of_two_workers_come_in_another_order_or_never(
    streams: Streams, market_data: Database, api_keys: Keys, seed: int
) -> None:
    chance = random.Random(seed)
    client = streams.socketio({"api_key": api_keys.flood})
    subscribe(client, "report")
    raw, admin = RawReports(streams, api_keys.flood), RawReports(streams, api_keys.admin)
    pusher = Pusher(settings().redis_url.get_secret_value())
    late = []
    for number in range(1, 101):
        seller = chance.choice(("GAUSS", "ANN"))
        news = record(market_data, [trades(trade(number, buyer="FLOOD", seller=seller))], taken_us=NOW_US)
        if chance.random() < 0.1:
            continue
        late.append(news)
        if chance.random() < 0.5:
            chance.shuffle(late)
            for one in late:
                pusher.push_news(one)
            late = []
    stored = heads(market_data, "FLOOD", "ANN", "GAUSS")
    assert admin.wait_for(stored) == {name: list(range(1, last + 1)) for name, last in stored.items()}
    assert raw.wait_for({"FLOOD": 100})["FLOOD"] == list(range(1, 101))
    wait_for_sequence(client, "report", 100)
    assert_whole(client.of("report"), 100)
