"""The size of the stores and their growth."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from celery_app.settings import Settings
from db.connect import Database
from deploy.local.places import Instance, write_private

# Growth is measured against a sample of this age, or else the oldest one. Against a younger one, a file that was just
# allocated ahead of its use would look like growth [s].
_BASE_AGE_S = 3600
_YOUNGEST_BASE_S = 60
_KEPT_SAMPLES = 200

_WRITE_AHEAD_LOG = "Postgres' write-ahead log"
_RABBITMQ = "RabbitMQ"
_LOGS = "logs"

# Stores of limited size; RabbitMQ's is limited while its queues are short, and those have a table of their own.
BOUNDED = frozenset({_WRITE_AHEAD_LOG, _RABBITMQ, _LOGS})


class _Sample(TypedDict):
    at_s: int  # since the epoch
    bytes: dict[str, int]


def sizes(instance: Instance, settings: Settings) -> dict[str, int]:
    """Return the bytes in each store, without a database that does not answer."""
    found = {}
    for url in (settings.clearing_data_url, settings.market_data_url):
        address = url.get_secret_value()
        size = _database_bytes(address)
        if size is not None:
            found[urlsplit(address).path.strip("/")] = size
    folders = {
        _WRITE_AHEAD_LOG: instance.directory / "postgres" / "data" / "pg_wal",
        _RABBITMQ: instance.directory / "rabbitmq",
        _LOGS: instance.logs,
    }
    return found | {name: _folder_bytes(folder) for name, folder in folders.items() if folder.exists()}


def bytes_a_trade(settings: Settings) -> float | None:
    """Return the bytes of a settled trade in `ledger` and `executions`, with their indexes.

    The number of rows is Postgres' estimate, which it updates from time to time; None before the first time.
    """
    database = Database(settings.clearing_data_url.get_secret_value(), application_name="status")
    try:
        with database.transaction() as tx:
            size, legs = tx.execute(_SETTLED).one()
    except DBAPIError:
        return None
    finally:
        database.engine.dispose()
    return float(size) / (legs / 2) if legs > 0 else None  # a trade has two legs


_SETTLED = text(
    "SELECT sum(pg_total_relation_size(oid)), max(reltuples) FILTER (WHERE relname = 'ledger') FROM pg_class "
    "WHERE relname IN ('ledger', 'executions') AND relkind = 'r'"
)


def take_sample(instance: Instance, settings: Settings) -> dict[str, int]:
    """Store the current sizes, to measure growth against them later, and return them."""
    now = sizes(instance, settings)
    file = instance.directory / "growth.json"
    samples = [*_samples(file), _Sample(at_s=round(time.time()), bytes=now)]
    write_private(file, json.dumps(samples[-_KEPT_SAMPLES:]) + "\n")
    return now


def per_hour(instance: Instance, now: dict[str, int]) -> dict[str, float]:
    """Return the bytes that each store grows in an hour, without stores that are too new to measure."""
    at_s = time.time()
    aged = [(at_s - sample["at_s"], sample["bytes"]) for sample in _samples(instance.directory / "growth.json")]
    bases = [(age_s, held) for age_s, held in aged if age_s >= _YOUNGEST_BASE_S]
    if not bases:
        return {}
    age_s, held = min(bases, key=lambda base: abs(base[0] - _BASE_AGE_S))
    return {
        name: (size - held[name]) * 3600 / age_s for name, size in now.items() if name in held and name not in BOUNDED
    }


def _samples(file: Path) -> list[_Sample]:
    return json.loads(file.read_text()) if file.exists() else []


def _database_bytes(url: str) -> int | None:
    database = Database(url, application_name="status")
    try:
        with database.transaction() as tx:
            return int(tx.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    except DBAPIError:
        return None
    finally:
        database.engine.dispose()


def _folder_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue  # rotated in the meantime
        total += status.st_blocks * 512
    return total
