"""RabbitMQ's definitions: users, their rights, exchanges, queues and routes.

RabbitMQ imports the file at each start (`load_definitions`), so it has them even after it lost its data, and the
processes, which may declare nothing, find their queues. The file contains passwords as salted hashes only.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from celery_app.settings import settings
from celery_app.topology import (
    DEAD_LETTER_EXCHANGE,
    DEAD_LETTER_QUEUE,
    STOCK_EXCHANGE,
    exchange_of_role,
    sends_to,
    task_queues,
)
from deploy.broker_users import rights_of, tag_of
from deploy.local.places import write_private

_ALL = {"configure": ".*", "write": ".*", "read": ".*"}
_SALT_BYTES = 4


def definitions(owner: str, password: str, roles: Mapping[str, str], *, virtual_host: str = "/") -> str:
    """Return the definitions as JSON.

    owner, password  of the user with all rights
    roles            passwords of the roles' users, by role
    """
    exchanges = [STOCK_EXCHANGE, DEAD_LETTER_EXCHANGE, *map(exchange_of_role, sends_to())]
    queues = [*task_queues(), DEAD_LETTER_QUEUE]
    bindings = [_binding(queue.exchange.name, "queue", queue.name, queue.routing_key) for queue in queues]
    for role, keys in sends_to().items():
        source = exchange_of_role(role).name
        bindings += [_binding(source, "exchange", STOCK_EXCHANGE.name, key) for key in keys]
    return json.dumps(
        {
            "users": [
                _user(owner, password, "administrator"),
                *(_user(role, of_role, tag_of(role)) for role, of_role in roles.items()),
            ],
            "vhosts": [{"name": virtual_host}],
            "permissions": [
                {"user": owner, "vhost": virtual_host, **_ALL},
                *({"user": role, "vhost": virtual_host, **rights_of(role)} for role in roles),
            ],
            "exchanges": [
                {
                    "name": exchange.name,
                    "vhost": virtual_host,
                    "type": exchange.type,
                    "durable": True,
                    "auto_delete": False,
                    "internal": False,
                    "arguments": {},
                }
                for exchange in exchanges
            ],
            "queues": [
                {
                    "name": queue.name,
                    "vhost": virtual_host,
                    "durable": True,
                    "auto_delete": False,
                    "arguments": queue.queue_arguments,  # type: ignore[attr-defined]
                }
                for queue in queues
            ],
            "bindings": [{"vhost": virtual_host, **binding} for binding in bindings],
        },
        indent=1,
    )


def _user(name: str, password: str, tag: str) -> dict[str, Any]:
    salt = secrets.token_bytes(_SALT_BYTES)
    hashed = salt + hashlib.sha256(salt + password.encode()).digest()
    return {
        "name": name,
        "password_hash": base64.b64encode(hashed).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": [tag] if tag else [],
    }


def _binding(source: str, kind: str, destination: str, key: str) -> dict[str, Any]:
    return {
        "source": source,
        "destination": destination,
        "destination_type": kind,
        "routing_key": key,
        "arguments": {},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the definitions for the settings' broker and users to a file that only one user may read."""
    parser = argparse.ArgumentParser(prog="python -m deploy.broker_definitions")
    parser.add_argument("file", type=Path)
    parser.add_argument("--owner", type=int, help="id of the user that owns the file, which is RabbitMQ's")
    asked = parser.parse_args(arguments)
    broker = urlsplit(settings().broker_url.get_secret_value())
    passwords = {role: password.get_secret_value() for role, password in settings().broker_users.items()}
    write_private(asked.file, definitions(unquote(broker.username or ""), unquote(broker.password or ""), passwords))
    if asked.owner is not None:
        os.chown(asked.file, asked.owner, asked.owner)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
