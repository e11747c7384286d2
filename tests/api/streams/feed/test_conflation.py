"""Book changes are combined, and late subscribers end with the same book; trades are never combined."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from msgspec import Raw, json

from celery_app.settings import settings
from tasks.data_feed.outgoing import FeedUpdate, LevelRows, Push, trade_update
from tasks.data_feed.push import Pusher
from tasks.data_feed.rules.rows import Level, Trade
from tests.api.streams.test_channels import subscribe, wait_for_sequence
from tests.support.streams import SocketIOClient, Streams

CHANGES = 2_000


@pytest.fixture
def pusher(streams: Streams) -> Pusher:
    """Return the feed's publisher without the storing, which would set the pace."""
    return Pusher(settings().redis_url.get_secret_value())


def changed(sequence: int, *, bids: list[Level]) -> Push:
    levels = Raw(json.encode(LevelRows(bids, [])))
    return Push(books=[FeedUpdate("MSFT", "update", sequence - 1, sequence, sequence, levels)])


def book_of(client: SocketIOClient) -> dict[float, Any]:
    """Return the book of a client that applies every event; no event may be missing."""
    levels: dict[float, Any] = {}
    sequence = None
    for event in client.of("book"):
        if event["type"] == "snapshot":
            levels = {}
        else:
            assert event["previous_sequence"] == sequence
        sequence = event["sequence"]
        for price, quantity, orders in event["data"]["bids"]:
            if quantity:
                levels[price] = quantity, orders
            else:
                del levels[price]
    return levels


def test_many_changes_are_few_updates(streams: Streams, pusher: Pusher) -> None:
    chance = random.Random(1)
    first = streams.socketio()
    subscribe(first, "book")
    clients = [first]
    levels: dict[int, tuple[int, int]] = {}
    for sequence in range(1, CHANGES + 1):
        price_cents, quantity = chance.randint(9_900, 9_990), chance.choice((0, chance.randint(1, 100)))
        levels[price_cents] = quantity, min(quantity, 1)
        pusher.push(changed(sequence, bids=[(price_cents, *levels[price_cents])]))
        if sequence % (CHANGES // 10) == 0:
            clients.append(streams.socketio())
            subscribe(clients[-1], "book")
    expected = {price_cents / 100: level for price_cents, level in levels.items() if level[0]}
    for client in clients:
        wait_for_sequence(client, "book", CHANGES)
        assert book_of(client) == expected
    assert len(first.of("book")) < CHANGES / 4
    heard = {event["sequence"] for event in first.of("book")}
    assert {beat["sequences"]["book"]["MSFT"] for beat in first.of("heartbeat") if beat["sequences"]["book"]} <= heard


def test_every_trade_is_sent(streams: Streams, pusher: Pusher) -> None:
    client = streams.socketio()
    subscribe(client, "trades")
    for sequence in range(1, CHANGES + 1):
        pusher.push(Push(trades=[trade_update([Trade("MSFT", sequence, sequence, 10_000, 1, "buy", sequence)])]))
    events = wait_for_sequence(client, "trades", CHANGES)
    assert [one["sequence"] for event in events for one in event["data"]] == list(range(1, CHANGES + 1))
    assert all(before["sequence"] == event["previous_sequence"] for before, event in pairwise(events))
