"""Client order ids: each stands for one order, even if many requests arrive at once."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from kombu import Connection as BrokerConnection
from msgspec.structs import replace
from sqlalchemy import Connection, text

from api.orders.intake.promises import OrderPromise, Promises
from api.orders.intake.unfinished import Unfinished
from bench.chaos.proxy import Proxy
from celery_app.settings import settings
from celery_app.topology import ORDER_ENTRY
from db.clearing_data.log import orders
from db.connect import Database
from tasks.messages import OrderRequest
from tests.api.conftest import Keys, limit, queued
from tests.support.broker import depth
from tests.support.streams import wait_until
from tests.support.web import Api, running_api
from tests.support.worker import Worker

COPIES = 100


@pytest.fixture
def apis(clearing_data: Database, queues: BrokerConnection) -> Iterator[list[Api]]:
    """Start three processes of one exchange on its current database, so that no two have the same order ids."""
    with ExitStack() as all_of_them:
        yield [all_of_them.enter_context(running_api()) for _ in range(3)]


def test_37_a_hundred_copies_at_once_on_several_processes(
    apis: list[Api], keys: Keys, queues: BrokerConnection, clearing_data: Database
) -> None:
    body = json.dumps(limit(client_order_id="copy")).encode()
    head = f"POST /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {keys.single}\r\n"
    request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with ExitStack() as connections:
        sockets = [
            connections.enter_context(socket.create_connection(("127.0.0.1", apis[n % len(apis)].port)))
            for n in range(COPIES)
        ]
        # All but the last byte of each, so that the copies are complete at nearly the same moment.
        for one in sockets:
            one.sendall(request[:-1])
        for one in sockets:
            one.sendall(request[-1:])
        with ThreadPoolExecutor(COPIES) as crowd:
            answers = list(crowd.map(_answer, sockets))
    assert Counter(status for status, _ in answers) == {202: 1, 200: COPIES - 1}
    assert len({answer["order_id"] for _, answer in answers}) == 1
    assert {answer.get("duplicate", False) for status, answer in answers if status == 200} == {True}
    requests = [one for message in queued(queues, depth(queues, ORDER_ENTRY)) for one in message]
    assert {(one.order_id, one.client_order_id) for one in requests} == {(answers[0][1]["order_id"], "copy")}  # type: ignore[union-attr]
    with clearing_data.snapshot() as tx:
        assert tx.execute(text("SELECT count(*) FROM client_order_ids")).scalar_one() == 1


def _answer(client: socket.socket) -> tuple[int, dict[str, object]]:
    received = b""
    while part := client.recv(65_536):
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), json.loads(body)


def test_37_copies_among_orders_of_others(api: Api, keys: Keys, queues: BrokerConnection) -> None:
    def send(number: int) -> tuple[int, int]:
        mine = number % 2 == 0
        order = limit(client_order_id="copy" if mine else f"other-{number}")
        answer = api.ask("POST", "/orders", key=keys.single if mine else keys.flood, json=order)
        return answer.status_code, answer.json()["order_id"]

    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(send, range(60)))
    assert Counter(status for status, _ in answers[::2]) == {202: 1, 200: 29}
    assert Counter(status for status, _ in answers[1::2]) == {202: 30}
    assert len({order_id for _, order_id in answers}) == 31


@pytest.mark.usefixtures("api")
def test_orders_that_are_never_decided_are_named_once_and_stay_pending(keys: Keys, queues: BrokerConnection) -> None:
    with running_api({"UNDECIDED_AFTER_S": "1"}) as api:
        taken = api.ask("POST", "/orders", key=keys.single, json=[limit()] * 3).json()["results"]
        lost = [one["order_id"] for one in taken]
        queued(queues, depth(queues, ORDER_ENTRY))  # which loses them, as a loss of RabbitMQ's data does
        named = f"order_ids={lost[0]}-{lost[2]}"
        wait_until(lambda: named in api.process.log)
        with Worker("order_entry"):
            kept = api.ask("POST", "/orders", key=keys.single, json=limit()).json()["order_id"]
            wait_until(lambda: _status(api, keys, kept) == "new")
            wait_until(lambda: "exchange_orders_undecided 3.0" in api.ask("GET", "/metrics").text)
        assert [_status(api, keys, order_id) for order_id in lost] == ["pending"] * 3
        assert api.process.log.count(named) == 1


def _status(api: Api, keys: Keys, order_id: int) -> str:
    return str(api.ask("GET", f"/orders/MSFT/{order_id}", key=keys.single).json()["status"])


@pytest.mark.usefixtures("keys")
def test_a_promise_that_is_being_committed_is_given_back(clearing_data: Database, tmp_path: Path) -> None:
    """As after a commit that was cut off; in the meantime the client tried again, and was refused again."""
    first = OrderRequest(7, "SINGLE", "mine", "MSFT", "limit", "buy", 1, 100, "gtc", False, 0)
    promise, promises = OrderPromise(first), Promises(clearing_data, Unfinished(tmp_path))
    other = Database(settings().clearing_data_url.get_secret_value())
    with ThreadPoolExecutor() as crowd:
        with other.transaction() as tx:
            orders.promise(tx, [(*promise.name, first.order_id, promise.digest)])
            withdrawal = crowd.submit(promises.withdraw, [first, replace(first, order_id=8)])
            wait_until(lambda: _waits_for_a_lock(tx))
        withdrawal.result()
    other.engine.dispose()
    with clearing_data.snapshot() as tx:
        assert orders.promised(tx, *promise.name) is None


def _waits_for_a_lock(tx: Connection) -> bool:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    return bool(tx.execute(text(waiting)).scalar_one())


@pytest.mark.usefixtures("keys")
def test_promises_are_given_back_when_postgres_returns(clearing_data: Database, tmp_path: Path) -> None:
    url = settings().clearing_data_url.get_secret_value()
    parts = urlsplit(url)
    order = OrderRequest(7, "SINGLE", "mine", "MSFT", "limit", "buy", 1, 100, "gtc", False, 0)
    promise = OrderPromise(order)
    with clearing_data.transaction() as tx:
        orders.promise(tx, [(*promise.name, order.order_id, promise.digest)])
    with Proxy(str(parts.hostname), int(parts.port or 0)) as proxy:
        login = parts.netloc.rpartition("@")[0]
        through = Database(urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}")))
        promises = Promises(through, Unfinished(tmp_path))
        proxy.refuse()
        promises.withdraw([order])
        with clearing_data.snapshot() as tx:
            assert orders.promised(tx, *promise.name) is not None
        proxy.go_on()
        promises.withdraw_given_up()
        through.engine.dispose()
    with clearing_data.snapshot() as tx:
        assert orders.promised(tx, *promise.name) is None
