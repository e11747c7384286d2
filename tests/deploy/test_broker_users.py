"""A role's user of RabbitMQ has exactly the rights that the role needs."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
import requests
from amqp import Message
from amqp.exceptions import AccessRefused, AMQPError
from kombu import Connection
from sqlalchemy import text

from celery_app import app
from celery_app.topology import (
    DATA_FEED,
    DEAD_LETTER,
    DEAD_LETTER_EXCHANGE,
    MATCHING,
    ORDER_ENTRY,
    ORDER_EXECUTION,
    STOCK_EXCHANGE,
    matching_queue,
    sends_to,
    task_queues,
)
from db.clearing_data.clients import keys
from db.connect import Database
from deploy.broker_users import ROLES, make_users, url_of
from tasks.audit.clearing.dead_letters import check_dead_letters
from tests.support.broker import depth, empty_queues
from tests.support.web import running_api
from tests.support.worker import Worker

MANAGEMENT = "FLOWER_BROKER_API"
CONSUMES = {ORDER_ENTRY: [ORDER_ENTRY], ORDER_EXECUTION: [ORDER_EXECUTION], DATA_FEED: [DATA_FEED]}


@pytest.fixture(scope="module")
def urls(broker_url: str) -> Iterator[dict[str, str]]:
    """Addresses of the broker for the users of the roles, which exist during these tests."""
    management = os.environ[MANAGEMENT]
    passwords = {role: secrets.token_hex(16) for role in ROLES}
    for _ in range(2):  # a second run changes nothing
        make_users(broker_url, management, passwords)
    yield {role: url_of(role, broker_url, password) for role, password in passwords.items()}
    parts = urlsplit(management)
    for role in ROLES:
        address = f"{parts.scheme}://{parts.hostname}:{parts.port}{parts.path.rstrip('/')}/users/{quote(role)}"
        requests.delete(address, auth=(parts.username or "", parts.password or ""), timeout=10).raise_for_status()


def queues_of(role: str) -> list[str]:
    names = [queue.name for queue in task_queues()]
    return [name for name in names if name.startswith(f"{MATCHING}.")] if role == MATCHING else CONSUMES.get(role, [])


def publish_as(url: str, exchange: str, key: str) -> str:
    """Publish a message and return its fate: refused, unroutable or sent."""
    returned: list[object] = []
    with Connection(url) as connection, connection.channel() as channel:
        channel.events["basic_return"].add(lambda *message: returned.append(message))
        try:
            channel.basic_publish_confirm(
                Message(b"{}"), exchange=exchange, routing_key=key, mandatory=True, timeout=10
            )
        except AccessRefused:
            return "refused"
    return "unroutable" if returned else "sent"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_sends_only_to_its_routes(broker: Connection, urls: dict[str, str], role: str) -> None:
    queues = [queue.name for queue in task_queues()]
    allowed = sends_to().get(role, [])
    for queue in queues:
        for exchange in (
            STOCK_EXCHANGE.name,
            "",
            DEAD_LETTER_EXCHANGE.name,
            *(f"from.{r}" for r in sends_to() if r != role),
        ):
            assert publish_as(urls[role], exchange, queue) == "refused", (exchange, queue)
        if role in sends_to():
            expected = "sent" if queue in allowed else "unroutable"
            assert publish_as(urls[role], f"from.{role}", queue) == expected, queue
    assert {queue: depth(broker, queue) for queue in queues} == {queue: int(queue in allowed) for queue in queues}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_consumes_only_its_queues_and_declares_nothing(
    broker: Connection, urls: dict[str, str], role: str
) -> None:
    for queue in [*(queue.name for queue in task_queues()), DEAD_LETTER]:
        with Connection(urls[role]) as connection:
            if queue in queues_of(role):
                connection.channel().basic_consume(queue)
                continue
            for forbidden in (
                lambda channel, queue=queue: channel.basic_consume(queue),
                lambda channel, queue=queue: channel.basic_get(queue),
                lambda channel, queue=queue: channel.queue_purge(queue),
                lambda channel, queue=queue: channel.queue_delete(queue),
                lambda channel, queue=queue: channel.queue_bind(queue, STOCK_EXCHANGE.name, "more"),
                lambda channel, queue=queue: channel.queue_declare(f"{queue}.more"),
                lambda channel: channel.exchange_declare("more", "direct"),
                lambda channel, queue=queue: channel.exchange_bind(STOCK_EXCHANGE.name, f"from.{role}", queue),
            ):
                with pytest.raises(AccessRefused):
                    forbidden(connection.channel())


def test_the_api_counts_dead_letters_and_reads_none(broker: Connection, urls: dict[str, str]) -> None:
    with broker.channel() as channel:
        broker.Producer(channel).publish("{}", exchange=DEAD_LETTER_EXCHANGE.name, routing_key=DEAD_LETTER)
    checked = check_dead_letters(urls["api"])
    assert checked.findings == ["dead letters without a name here: 1; `make dead-letters` names them"]


def test_a_bot_does_not_connect(broker_url: str, urls: dict[str, str]) -> None:
    for user, password in [("random_walk", "x"), ("guest", "guest"), ("api", "guessed")]:
        with pytest.raises((AMQPError, OSError)), Connection(url_of(user, broker_url, password)) as connection:
            connection.connect()


def test_the_pipeline_runs_with_the_roles_users(
    broker_url: str, urls: dict[str, str], clearing_data: Database, market_data: Database
) -> None:
    def role(name: str) -> dict[str, str]:
        return {"BROKER_URL": urls[name], "BROKER_ROLE": name}

    with clearing_data.transaction() as tx:
        single, flood = (keys.make_key(tx, name, role="client", now_us=1) for name in ("SINGLE", "FLOOD"))
    with (
        empty_queues(broker_url) as broker,
        Worker(ORDER_ENTRY, environment=role(ORDER_ENTRY)),
        Worker(matching_queue(0), environment=role(MATCHING)) as matching,
        Worker(ORDER_EXECUTION, environment=role(ORDER_EXECUTION)),
        Worker(DATA_FEED, environment=role(DATA_FEED)),
        running_api(role("api")) as api,
    ):
        for key, side in ((single, "sell"), (flood, "buy")):
            order = {"type": "limit", "security_id": "MSFT", "side": side, "quantity": 1, "price": 100}
            assert api.ask("POST", "/orders", key=key, json=order).status_code == 202
        ready = api.ask("GET", "/health/ready").json()["dependencies"]
        assert (ready["rabbitmq"], ready[ORDER_ENTRY]) == ("ok", "ok")
        deadline = time.monotonic() + 120
        while reports_of_settlements(market_data) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        # Flower pings the workers.
        with Connection(urls["flower"]) as flower:
            answers = app.control.inspect(connection=flower, timeout=30, limit=4).ping()
        assert matching.hostname() in answers
        assert depth(broker, DEAD_LETTER) == 0


def reports_of_settlements(market_data: Database) -> int:
    with market_data.snapshot() as tx:
        return int(tx.execute(text("SELECT count(*) FROM reports WHERE event_type = 'settlement'")).scalar_one())
