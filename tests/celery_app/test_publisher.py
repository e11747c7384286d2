"""The publisher on a network that delays confirms: without a confirm in time the outcome stays unknown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kombu import Connection

from bench.chaos.proxy import Proxy, through
from celery_app.app import app
from celery_app.publisher import NotSent, OutcomeUnknown, Publisher
from celery_app.topology import ORDER_ENTRY
from tests.celery_app.test_stage import send
from tests.support.broker import depth, take


@pytest.fixture
def line(broker: Connection, broker_url: str) -> Iterator[Proxy]:
    """Return the network in front of RabbitMQ."""
    with Proxy.before(broker_url) as proxy:
        yield proxy


@pytest.fixture
def remote(line: Proxy, broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """Return a publisher behind that network, with a short time-out."""
    monkeypatch.setitem(app.conf, "broker_write_url", through(broker_url, line))
    publisher = Publisher(app)
    monkeypatch.setattr(publisher, "_confirm_timeout_s", 0.5)
    send(publisher, "FIRST")
    yield publisher
    publisher.close()


def test_a_late_confirm_does_not_count_for_the_next_message(line: Proxy, remote: Publisher, broker: Connection) -> None:
    line.hold_confirms()
    with pytest.raises(OutcomeUnknown):
        send(remote, "A")
    assert line.held_confirms == 1
    line.release_confirms()  # of A; a publisher that ignores tags takes it for the next message's
    line.swallow_confirms()
    # The publisher first probes the new connection with a message without a recipient. The network delays its confirm,
    # and that of A does not count.
    with pytest.raises(NotSent):
        send(remote, "B")
    line.release_confirms()
    send(remote, "C")
    assert clients(broker, 3) == ["FIRST", "A", "C"]


def test_slow_confirms_within_the_time_out_count(line: Proxy, remote: Publisher, broker: Connection) -> None:
    line.hold_confirms()
    with pytest.raises(OutcomeUnknown):
        send(remote, "A")
    line.release_confirms()
    for client in "BCD":
        send(remote, client)
    assert clients(broker, 5) == ["FIRST", "A", "B", "C", "D"]


def test_a_lost_connection_is_noticed_before_a_message_is_sent(
    line: Proxy, remote: Publisher, broker: Connection
) -> None:
    line.cut()
    send(remote, "A")
    assert clients(broker, 2) == ["FIRST", "A"]


def clients(broker: Connection, count: int) -> list[str]:
    """Return the clients of all orders in the messages on the queue."""
    bodies = [str(message.body) for message in take(broker, ORDER_ENTRY, count)]
    assert depth(broker, ORDER_ENTRY) == 0
    return [body.split('"')[3] for body in bodies]
