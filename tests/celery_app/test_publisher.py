"""The publisher on a network that holds confirms back: what is not confirmed in time stays unknown."""

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
    """The network before RabbitMQ."""
    with Proxy.before(broker_url) as proxy:
        yield proxy


@pytest.fixture
def remote(line: Proxy, broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """A publisher behind that network, with little patience."""
    monkeypatch.setitem(app.conf, "broker_write_url", through(broker_url, line))
    publisher = Publisher(app)
    monkeypatch.setattr(publisher, "_confirm_timeout_s", 0.5)
    send(publisher, "FIRST")
    yield publisher
    publisher.close()


def test_a_late_confirm_does_not_pass_for_the_next_one(line: Proxy, remote: Publisher, broker: Connection) -> None:
    line.hold_confirms()
    with pytest.raises(OutcomeUnknown):
        send(remote, "A")
    assert line.held_confirms == 1
    line.release_confirms()  # of A, and whoever looks at no tag takes it for the next one's
    line.swallow_confirms()
    # The new connection is tried with a message for nobody first. No confirm comes for that, and A's does not count.
    with pytest.raises(NotSent):
        send(remote, "B")
    line.release_confirms()
    send(remote, "C")
    assert clients(broker, 3) == ["FIRST", "A", "C"]


def test_confirms_that_are_late_but_in_time_are_good(line: Proxy, remote: Publisher, broker: Connection) -> None:
    line.hold_confirms()
    with pytest.raises(OutcomeUnknown):
        send(remote, "A")
    line.release_confirms()
    for client in "BCD":
        send(remote, client)
    assert clients(broker, 5) == ["FIRST", "A", "B", "C", "D"]


def test_a_lost_connection_is_found_out_before_it_costs_an_outcome(
    line: Proxy, remote: Publisher, broker: Connection
) -> None:
    line.cut()
    send(remote, "A")
    assert clients(broker, 2) == ["FIRST", "A"]


def clients(broker: Connection, count: int) -> list[str]:
    """Whose orders the messages on the queue hold; all of them."""
    bodies = [str(message.body) for message in take(broker, ORDER_ENTRY, count)]
    assert depth(broker, ORDER_ENTRY) == 0
    return [body.split('"')[3] for body in bodies]
