"""Keys and passwords are in no log, command line or answer, and in no file that others can read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from websocket import WebSocketBadStatusException, create_connection

from bots.client import Client
from bots.contract import LimitOrder
from celery_app.settings import settings
from db.connect import Database
from deploy.local import environment_file
from tests.support.databases import passwords_of_users
from tests.support.exchange import Exchange, running_exchange


@pytest.fixture
def exchange(clearing_data: Database, market_data: Database) -> Iterator[Exchange]:
    """Run an exchange with a bot, whose key is a secret as well."""
    with running_exchange({"BOTS": "random_walk"}) as running:
        yield running


def secrets_of(exchange: Exchange) -> set[str]:
    """Return the keys, and the passwords in the addresses of the services."""
    s = settings()
    urls = (s.broker_url, s.redis_url, s.clearing_data_url, s.market_data_url)
    passwords = {urlsplit(url.get_secret_value()).password for url in urls}
    passwords |= set(passwords_of_users().values())
    return set(exchange.keys.values()) | {password for password in passwords if password and len(password) > 8}


def test_secrets_are_nowhere_to_be_read(exchange: Exchange) -> None:
    environment_file.write(exchange.instance, exchange.environment)
    secrets = secrets_of(exchange)
    assert len(secrets) >= len(exchange.keys)
    answers = use_and_abuse(exchange)

    texts = {f"answer {number}": text for number, text in enumerate(answers)}
    texts |= {f"log {log.name}": log.read_text(errors="replace") for log in exchange.instance.logs.glob("*")}
    texts |= {f"command of {process.pid}": " ".join(process.cmdline()) for process in processes_of(exchange)}
    assert sum(name.startswith("command") for name in texts) > 6
    assert sum(name.startswith("log") for name in texts) > 6
    for name, text in texts.items():
        for secret in secrets:
            assert secret not in text, name

    holders = [file for file in exchange.instance.directory.rglob("*") if file.is_file() and holds(file, secrets)]
    assert "keys.json" in {file.name for file in holders}
    for file in holders:
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, f"{file} can be read by others"
    audit = exchange.audit()
    assert audit.passed, audit


def use_and_abuse(exchange: Exchange) -> list[str]:
    """Send keys in all valid and invalid places, and return the answers."""
    key = exchange.keys["SINGLE"]
    Client(exchange.url, key).place(LimitOrder(security_id="MSFT", side="buy", quantity=1, price="1.00"))
    answers = []
    for headers, path in [
        ({"Authorization": f"Bearer {key}"}, f"/nothing?api_key={key}"),
        ({"Authorization": f"Basic {key}"}, "/orders"),
        ({"Authorization": f"Bearer {key}", "X-API-Key": "other"}, "/orders"),
        ({"X-API-Key": key}, f"/orders?cursor={key}"),
        ({"X-API-Key": key}, f"/orders/{key}/{key}"),
        ({"X-API-Key": key}, "/accounts/SINGLE/keys"),
        ({"X-API-Key": key}, "/openapi.json"),
        ({}, "/metrics"),
        ({}, f"/stream/report?api_key={key}"),
    ]:
        answers.append(requests.get(exchange.url + path, headers=headers, timeout=10).text)
    body = {"type": "limit", "security_id": key, "client_order_id": key, "side": key}
    answers.append(requests.post(f"{exchange.url}/orders", json=body, headers={"X-API-Key": key}, timeout=10).text)
    address = exchange.url.replace("http", "ws")
    create_connection(f"{address}/stream/report?api_key={key}", timeout=10).close()
    with pytest.raises(WebSocketBadStatusException) as refused:
        create_connection(f"{address}/stream/report?api_key={key}x", timeout=10)
    answers.append(str(refused.value))
    return answers


def processes_of(exchange: Exchange) -> list[psutil.Process]:
    """Return all processes that work in the exchange's folder."""
    directory = str(exchange.instance.directory)
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("RUN_DIRECTORY") == directory:
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def holds(file: Path, secrets: set[str]) -> bool:
    text = file.read_bytes()
    return any(secret.encode() in text for secret in secrets)
