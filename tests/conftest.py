"""Fixtures on real services, whose addresses `make test` exports; see celery_app.settings for the variables."""

from __future__ import annotations

import time
from collections.abc import Iterator

import hypothesis
import pytest
from kombu import Connection
from sqlalchemy import Connection as Transaction
from sqlalchemy import MetaData, text

from celery_app.app import app
from celery_app.publisher import Publisher
from celery_app.settings import settings
from db.clearing_data import initial_data
from db.clearing_data import tables as clearing_tables
from db.connect import Database
from db.market_data import tables as market_tables
from db.migrate import migrate
from tests.support.broker import empty_queues

# `--hypothesis-profile millions`: twenty times as many examples, for the tests that scale with it.
hypothesis.settings.register_profile("millions", max_examples=20 * hypothesis.settings.default.max_examples)


@pytest.fixture(scope="session")
def broker_url() -> str:
    """The RabbitMQ of this run; its queues are shared, so a test empties those that it uses."""
    return settings().broker_url.get_secret_value()


@pytest.fixture
def broker(broker_url: str) -> Iterator[Connection]:
    """A connection to RabbitMQ with every queue of the exchange declared and empty."""
    with empty_queues(broker_url) as connection:
        yield connection


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """What a stage sends with."""
    publisher = Publisher(app)
    yield publisher
    publisher.close()


@pytest.fixture(scope="session")
def _databases() -> Iterator[tuple[Database, Database]]:
    urls = settings().clearing_data_url.get_secret_value(), settings().market_data_url.get_secret_value()
    migrate(*urls)
    databases = Database(urls[0], pool_size=8), Database(urls[1], pool_size=8)
    yield databases
    for database in databases:
        database.engine.dispose()


@pytest.fixture
def clearing_data(_databases: tuple[Database, Database]) -> Database:
    """`clearing_data` as a new exchange has it."""
    database = _databases[0]
    with database.transaction() as tx:
        _empty(tx, clearing_tables.metadata)
        tx.execute(text("ALTER SEQUENCE order_ids RESTART"))
        initial_data.load(tx, shards=settings().shards, now_us=time.time_ns() // 1_000)
    return database


@pytest.fixture
def market_data(_databases: tuple[Database, Database]) -> Database:
    """`market_data` without a row."""
    database = _databases[1]
    with database.transaction() as tx:
        _empty(tx, market_tables.metadata)
    return database


def _empty(tx: Transaction, metadata: MetaData) -> None:
    # Whoever owns the ledger may lift what protects it.
    protected = [name for name in ("ledger", "fee_rates") if name in metadata.tables]
    for name in protected:
        tx.execute(text(f"ALTER TABLE {name} DISABLE TRIGGER append_only"))
    tx.execute(text(f"TRUNCATE {', '.join(table.name for table in metadata.sorted_tables)} RESTART IDENTITY"))
    for name in protected:
        tx.execute(text(f"ALTER TABLE {name} ENABLE TRIGGER append_only"))
