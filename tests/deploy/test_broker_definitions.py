"""A RabbitMQ that has lost its data has users, rights, queues and routes as soon as it answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from kombu import Connection

from celery_app.topology import DEAD_LETTER_QUEUE, ORDER_ENTRY, sends_to, task_queues
from deploy.broker_definitions import definitions
from deploy.broker_users import ROLES, url_of
from tests.deploy.test_broker_users import publish_as
from tests.support.rabbitmq_server import RabbitMQServer

PASSWORDS = {role: f"secret of {role}" for role in ROLES}


def test_after_a_loss_everything_returns_without_a_declaration() -> None:
    with RabbitMQServer(defined=True) as rabbitmq:
        for _ in range(2):
            for role, password in rabbitmq.passwords.items():
                url = url_of(role, rabbitmq.url, password)
                with Connection(url) as connection, connection.channel() as channel:
                    for queue in (*task_queues(), DEAD_LETTER_QUEUE):
                        channel.queue_declare(queue.name, passive=True)
                for queue_name in sends_to().get(role, []):
                    assert publish_as(url, f"from.{role}", queue_name) == "sent"
                assert publish_as(url, "stock_exchange", ORDER_ENTRY) == "refused"
            rabbitmq.stop()
            rabbitmq.lose_data()
            rabbitmq.start()
        # RabbitMQ would refuse a declaration with other arguments than the workers'.
        with Connection(rabbitmq.url) as connection, connection.channel() as channel:
            for queue in (*task_queues(), DEAD_LETTER_QUEUE):
                queue.bind(channel).declare()


def test_the_definitions_contain_no_readable_password() -> None:
    text = definitions("exchange", "secret of all", PASSWORDS)
    assert "secret" not in text
    assert {user["name"] for user in json.loads(text)["users"]} == {"exchange", *ROLES}


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    file = tmp_path / "definitions.json"
    users = {"BROKER_USERS": json.dumps(PASSWORDS), "BROKER_URL": "amqp://all:secret@rabbitmq:5672//"}
    command = [sys.executable, "-m", "deploy.broker_definitions", str(file), "--owner", str(os.getuid())]
    subprocess.run(command, env=os.environ | users, check=True)
    assert file.stat().st_mode & 0o777 == 0o600
    assert {user["name"] for user in json.loads(file.read_text())["users"]} == {"all", *ROLES}
