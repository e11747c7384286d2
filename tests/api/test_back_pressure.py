"""RabbitMQ full, short of memory or disk, hung or gone: a prompt and truthful 503, and no request accepted in part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import requests
from kombu import Connection

from celery_app.topology import ORDER_ENTRY, task_queues
from db.connect import Database
from tests.api.conftest import Keys, limit, make_keys, queued
from tests.support.broker import depth
from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.streams import wait_until
from tests.support.web import Api, problem, running_api

WITHIN_S = 15.0
MOST_MESSAGES = 20


@dataclass
class Answers:
    """The client order ids that were sent, by answer."""

    names: dict[str, set[str]] = field(default_factory=dict)

    def of(self, *words: str) -> set[str]:
        """Return the client order ids with one of these answers."""
        return set().union(*(self.names.get(word, set()) for word in words))


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMQServer]:
    """Start a RabbitMQ that tests may break."""
    with RabbitMQServer() as server:
        yield server


@pytest.fixture(scope="module")
def pressed_api(rabbitmq: RabbitMQServer) -> Iterator[Api]:
    """Start an api on that RabbitMQ, with a short queue order_entry."""
    short = {"BROKER_URL": rabbitmq.url, "ORDER_ENTRY_MAX_MESSAGES": str(MOST_MESSAGES)}
    with running_api(short) as api:
        yield api


@pytest.fixture
def pressed(pressed_api: Api, clearing_data: Database, rabbitmq: RabbitMQServer) -> Api:
    """Return the api, with an empty queue."""
    keys = make_keys(clearing_data)
    wait_until(lambda: pressed_api.ask("POST", "/orders", key=keys.single, json=limit()).status_code == 202)
    _purge(rabbitmq)
    return pressed_api


def _purge(rabbitmq: RabbitMQServer) -> None:
    queue = next(queue for queue in task_queues() if queue.name == ORDER_ENTRY)
    with Connection(rabbitmq.url) as connection, connection.channel() as channel:
        queue.bind(channel).purge()


def _names_in_queue(rabbitmq: RabbitMQServer) -> set[str]:
    """Return the client order ids of all queued orders; copies of an order have the same order id."""
    with Connection(rabbitmq.url) as connection:
        messages = queued(connection, depth(connection, ORDER_ENTRY))
    orders = {(one.client_order_id, one.order_id) for sent in messages for one in sent}  # type: ignore[union-attr]
    names = {name for name, _ in orders}
    assert len(names) == len(orders)
    return names


def _send(api: Api, key: str, answers: Answers, names: list[str]) -> requests.Response:
    """Send an order, or several in an array, and check the form of the answer."""
    orders = [limit(client_order_id=name) for name in names]
    started = time.monotonic()
    answer = api.ask("POST", "/orders", key=key, json=orders if len(orders) > 1 else orders[0])
    assert time.monotonic() - started < WITHIN_S
    if answer.status_code == 202:
        word = "accepted"
    else:
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["Retry-After"]) >= 1
        word = str(problem(answer)["code"])
        assert word in {"not_accepted", "unknown_outcome"}
    answers.names.setdefault(word, set()).update(names)
    return answer


def _send_crowd(api: Api, key: str, prefix: str) -> Answers:
    """Send one order, a moment later many orders and arrays at once, and then another order."""
    answers = Answers()
    with ThreadPoolExecutor(13) as crowd:
        first = crowd.submit(_send, api, key, answers, [f"{prefix}-first"])
        time.sleep(0.2)
        rest = [crowd.submit(_send, api, key, answers, [f"{prefix}-{n}"]) for n in range(8)]
        rest += [crowd.submit(_send, api, key, answers, [f"{prefix}-{n}-{m}" for m in range(50)]) for n in range(4)]
        for one in [first, *rest]:
            one.result()
    _send(api, key, answers, [f"{prefix}-last"])
    return answers


def test_29_queue_at_its_limit(pressed: Api, keys: Keys, rabbitmq: RabbitMQServer) -> None:
    answers = Answers()
    for n in range(2 * MOST_MESSAGES):
        _send(pressed, keys.single, answers, [f"full-{n}"])
    # A quorum queue notices with a delay that it is full.
    assert MOST_MESSAGES <= len(answers.of("accepted")) < 2 * MOST_MESSAGES
    assert answers.names.keys() == {"accepted", "not_accepted"}
    assert _names_in_queue(rabbitmq) == answers.of("accepted")
    # A refused order may be sent again under the same id.
    name = sorted(answers.of("not_accepted"))[0]
    again = pressed.ask("POST", "/orders", key=keys.single, json=limit(client_order_id=name))
    assert (again.status_code, again.json()["client_order_id"]) == (202, name)
    assert _names_in_queue(rabbitmq) == {name}


ALARMS = {
    "memory": (("set_vm_memory_high_watermark", "0.00001"), ("set_vm_memory_high_watermark", "0.6")),
    "disk": (("set_disk_free_limit", "1000000000000000"), ("set_disk_free_limit", "1000000")),
}


@pytest.mark.parametrize("resource", ["memory", "disk"])
def test_29_alarm(pressed: Api, keys: Keys, rabbitmq: RabbitMQServer, resource: str) -> None:
    on, off = ALARMS[resource]
    _assert_truthful(
        pressed, keys.single, rabbitmq, lambda: rabbitmq.control(*on), lambda: rabbitmq.control(*off), resource
    )


def test_29_hung(pressed: Api, keys: Keys, rabbitmq: RabbitMQServer) -> None:
    _assert_truthful(pressed, keys.single, rabbitmq, rabbitmq.pause, rabbitmq.resume, "hung")


def _assert_truthful(
    api: Api, key: str, rabbitmq: RabbitMQServer, spoil: Callable[[], None], mend: Callable[[], None], prefix: str
) -> None:
    spoil()
    try:
        answers = _send_crowd(api, key, prefix)
    finally:
        mend()
    assert "accepted" not in answers.names
    # The outcome of the message under way is unknown; from then on the api knows that RabbitMQ takes nothing. On a busy
    # machine the message has more orders than the first, or its time is over before it is sent.
    uncertain = answers.of("unknown_outcome")
    assert f"{prefix}-first" in uncertain or not uncertain
    assert f"{prefix}-last" in answers.of("not_accepted")
    wait_until(lambda: api.ask("POST", "/orders", key=key, json=limit(client_order_id="after")).status_code < 300)
    # The api sends orders of unknown outcome again, also those of an earlier test, until RabbitMQ has confirmed them.
    queued_now = _names_in_queue(rabbitmq)
    assert "after" in queued_now
    assert not queued_now & answers.of("not_accepted")


def test_29_stopped(pressed: Api, keys: Keys, rabbitmq: RabbitMQServer) -> None:
    """This test runs last, because RabbitMQ stays stopped; the tests above show that the api recovers."""
    rabbitmq.stop()
    answers = _send_crowd(pressed, keys.single, "stopped")
    # The api notices the closed connection before it sends anything over it.
    assert answers.names.keys() == {"not_accepted"}
