"""The api as a running process on empty databases and queues, and keys for it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kombu import Connection

from celery_app.topology import ORDER_ENTRY
from db.clearing_data.clients.keys import ADMIN, make_key
from db.connect import Database
from tasks.messages import EntryBatch, Request
from tests.support import broker
from tests.support.databases import renew_clearing_data, renew_market_data
from tests.support.web import Api, running_api

_decode = msgspec.json.Decoder(tuple[tuple[list[EntryBatch]], dict[str, Any], Any]).decode


@dataclass(frozen=True)
class Keys:
    """Keys of the admin and of two clients."""

    admin: str
    single: str
    flood: str


@pytest.fixture(scope="session")
def run_directory() -> Iterator[Path]:
    """Return the run directory of the shared api; no process `streams` uses it."""
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def shared_api(run_directory: Path, _databases: tuple[Database, Database]) -> Iterator[Api]:
    """Return an api on the databases as the tests before leave them; at first, those of a new exchange."""
    renew_clearing_data(_databases[0])
    renew_market_data(_databases[1])
    with running_api({"RUN_DIRECTORY": str(run_directory)}) as api:
        yield api


@pytest.fixture
def api(shared_api: Api, clearing_data: Database, market_data: Database, queues: Connection) -> Api:
    """Return the api on a new exchange; no stage runs."""
    return shared_api


@pytest.fixture
def keys(clearing_data: Database) -> Keys:
    """Return keys for this test."""
    return make_keys(clearing_data)


@pytest.fixture
def queues(broker_url: str) -> Iterator[Connection]:
    """Return a connection to RabbitMQ with empty queues."""
    with broker.empty_queues(broker_url) as connection:
        yield connection


def make_keys(clearing_data: Database) -> Keys:
    """Make new keys for the admin and two clients."""
    with clearing_data.transaction() as tx:
        return Keys(
            admin=make_key(tx, ADMIN, role="admin", now_us=1),
            single=make_key(tx, "SINGLE", role="client", now_us=1),
            flood=make_key(tx, "FLOOD", role="client", now_us=1),
        )


def queued(connection: Connection, messages: int = 1) -> list[list[Request]]:
    """Return the requests in the next messages of the queue order_entry."""
    found = []
    for message in broker.take(connection, ORDER_ENTRY, messages):
        body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
        ((batch,),), _, _ = _decode(body)
        found.append(batch.requests)
    return found


def limit(**terms: Any) -> dict[str, Any]:
    """Return a limit order as a client sends it, with these terms changed; a term of ... is left out."""
    order = {"type": "limit", "security_id": "MSFT", "side": "buy", "quantity": 10, "price": 100.12} | terms
    return {name: value for name, value in order.items() if value is not ...}
