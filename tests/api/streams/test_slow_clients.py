"""A client that does not read its WebSocket: the others get everything meanwhile, and memory stays bounded."""

from __future__ import annotations

import json
import socket

from api.http import stream_figures
from celery_app.settings import settings
from tasks.data_feed.outgoing import Push, trade_update
from tasks.data_feed.push import Pusher
from tasks.data_feed.rules.rows import Trade
from tests.api.streams.test_channels import subscribe, wait_for_sequence
from tests.support.streams import Streams, read_until_cut_off, wait_until

UNIT = 1_000
UNITS_AFTERWARDS = 200
# One unit is some 130 KB as JSON; all of them would be a hundred megabytes.
MOST_GROWTH_BYTES = 40_000_000


def test_it_is_cut_off_and_the_others_get_their_trades(streams: Streams) -> None:
    pusher = Pusher(settings().redis_url.get_secret_value())
    quick = streams.socketio()
    subscribe(quick, "trades")
    slow = streams.raw("/socket.io/?EIO=4&transport=websocket", sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)])
    slow.recv()
    slow.send("40")
    assert slow.recv().startswith("40")
    slow.send("42" + json.dumps(["subscribe", {"channel": "trades", "security_id": "MSFT"}]))
    before_bytes = streams.memory_bytes
    sent = 0

    def send() -> None:
        nonlocal sent
        unit = [Trade("MSFT", n, n, 10_000, 1, "buy", n) for n in range(sent + 1, sent + UNIT + 1)]
        sent += UNIT
        pusher.push(Push(trades=[trade_update(unit)]))
        wait_for_sequence(quick, "trades", sent)

    while "subscriber_cut_off" not in streams.log:
        assert sent < 1_000_000, "it was never cut off"
        send()
    for _ in range(UNITS_AFTERWARDS):
        send()
    heard = [trade["sequence"] for event in quick.of("trades") for trade in event["data"]]
    assert heard == list(range(1, sent + 1))
    assert streams.memory_bytes - before_bytes < MOST_GROWTH_BYTES
    read_until_cut_off(slow)

    def is_counted() -> bool:
        figures = stream_figures.read(settings().run_directory)
        return figures is not None and (figures.clients, figures.cut_off) == (1, 1)

    wait_until(is_counted)
