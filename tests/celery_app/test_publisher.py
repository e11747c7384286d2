"""The publisher on a network that delays confirms: without a confirm in time the outcome stays unknown."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
import pytest
from kombu import Connection

from bench.chaos.proxy import Proxy, through
from celery_app.app import app
from celery_app.frames import acknowledgement
from celery_app.publisher import NotSent, OutcomeUnknown, Parcel, Publisher
from celery_app.topology import ORDER_ENTRY, STOCK_EXCHANGE
from tasks.messages import EntryBatch, OrderRequest
from tests.celery_app.test_stage import batch_of, send
from tests.support.broker import depth, publish, take


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


def test_a_silent_node_is_asked_once(broker: Connection, broker_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_url = broker_url.replace(f":{urlsplit(broker_url).port}", f":{silent.getsockname()[1]}")
        monkeypatch.setitem(app.conf, "broker_write_url", f"{silent_url};{broker_url}")
        monkeypatch.setitem(app.conf, "broker_connection_timeout", 0.5)
        publisher = Publisher(app)
        monkeypatch.setattr(publisher, "_confirm_timeout_s", 0.5)
        with pytest.raises(NotSent):
            send(publisher, "FIRST")
        for client in ("SECOND", "THIRD"):
            send(publisher, client)
            publisher.close()  # the connection is lost: the next one begins with the node that has taken the message
    assert clients(broker, 2) == ["SECOND", "THIRD"]


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


def test_a_confirm_of_another_channel_or_message_does_not_count(
    line: Proxy, remote: Publisher, broker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, channel = remote._wire, remote._channel_id
    assert wire is not None
    write, tag = wire.send, remote._last_tag + 1

    def write_and_be_answered(frames: bytes, *, timeout_s: float | None = None) -> None:
        write(frames, timeout_s=timeout_s)
        for other_channel, other_tag in ((channel + 1, tag), (channel, tag + 1), (channel, tag - 1)):
            wire._arrived.add(acknowledgement(other_channel, other_tag, multiple=False))

    line.swallow_confirms()
    monkeypatch.setattr(wire, "send", write_and_be_answered)
    wire.channels[channel + 1] = wire.channels[channel]
    with pytest.raises(OutcomeUnknown):
        send(remote, "A")
    assert clients(broker, 2) == ["FIRST", "A"]


def test_refused_and_returned_messages_of_one_write_are_counted(
    remote: Publisher, broker: Connection, full_queue: str
) -> None:
    clients(broker, 1)
    parcels = [Parcel(queue, batch_of("A"), 1) for queue in (ORDER_ENTRY, full_queue, "order_entry.nowhere")]
    with pytest.raises(OutcomeUnknown, match="took 1 of 3 messages"):
        remote.send_all(parcels)
    with pytest.raises(NotSent, match="took 0 of 2 messages") as refused:
        remote.send_all(parcels[1:])
    assert "the queue is full" in str(refused.value)
    assert "no such queue" in str(refused.value)
    remote.send_all([parcels[0]] * 70)  # RabbitMQ confirms some of them together
    assert clients(broker, 71) == ["A"] * 71


def test_a_message_larger_than_a_frame_arrives_whole(remote: Publisher, broker: Connection) -> None:
    names = [f"C{number:05}" for number in range(6_000)]
    send(remote, *names)
    (_, large) = take(broker, ORDER_ENTRY, 2)
    assert len(str(large.body)) > 2 * 131_072
    ((batch,),), _, _ = msgspec.json.decode(
        large.body, type=tuple[tuple[list[EntryBatch]], dict[str, str], dict[str, None]]
    )
    assert [request.client_id for request in batch.requests if isinstance(request, OrderRequest)] == names


@pytest.fixture
def full_queue(broker: Connection) -> Iterator[str]:
    """Return the routing key of a queue that refuses messages."""
    name = "order_entry.full"
    with broker.channel() as channel:
        arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
        channel.queue_declare(name, durable=False, exclusive=True, arguments=arguments)
        channel.queue_bind(name, STOCK_EXCHANGE.name, name)
        publish(broker, name, "{}")
        yield name
        channel.queue_delete(name)


def clients(broker: Connection, count: int) -> list[str]:
    """Return the clients of all orders in the messages on the queue."""
    bodies = [str(message.body) for message in take(broker, ORDER_ENTRY, count)]
    assert depth(broker, ORDER_ENTRY) == 0
    return [body.split('"')[3] for body in bodies]
