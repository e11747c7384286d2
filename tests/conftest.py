"""Fixtures on real services, whose addresses `make test` exports; see celery_app.settings for the variables."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence

import hypothesis
import pytest
from execnet import XSpec
from kombu import Connection
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from celery_app.app import app
from celery_app.publisher import Publisher
from celery_app.settings import settings
from db.connect import Database
from db.migrate import migrate
from tests.support.broker import empty_queues
from tests.support.databases import let_users_in, renew_clearing_data, renew_market_data
from tests.support.side_by_side import services_of_their_own

# Long tests run first, so that no process waits for another at the end.
LONG = (
    "tests/deploy/local/commands/test_up.py",
    "tests/system/",
    "tests/tasks/matching/test_task.py",
    "tests/deploy/",
    "tests/api/",
)
# Each of these tests starts its own services, so they need not share a process.
ON_THEIR_OWN = (
    "tests/system/test_kills.py",
    "tests/tasks/matching/test_task.py",
    "tests/tasks/matching/test_fail_points.py",
    "tests/tasks/order_execution/test_task.py",
)

# The modules of these folders share one exchange.
TOGETHER = ("tests/system/page/",)


class ByModule(LoadScopeScheduling):  # type: ignore[misc]
    """Assigns tests to processes by module, because they share started services; some one by one, some by folder."""

    def _split_scope(self, nodeid: str) -> str:
        folder = next((folder for folder in TOGETHER if nodeid.startswith(folder)), None)
        return folder or (nodeid if nodeid.startswith(ON_THEIR_OWN) else nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByModule:
    """Return the scheduler that assigns tests to processes."""
    config.option.loadscopereorder = False
    return ByModule(config, log)


def pytest_xdist_setupnodes(specs: Sequence[XSpec]) -> None:
    """Give each test process services of its own, before it reads its settings."""
    for spec, variables in zip(specs, services_of_their_own([str(spec.id) for spec in specs], os.environ), strict=True):
        spec.env |= variables


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long tests first where several processes run them."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: next((n for n, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG)))


# `--hypothesis-profile millions`: twenty times as many examples, for the tests that scale with it.
hypothesis.settings.register_profile("millions", max_examples=20 * hypothesis.settings.default.max_examples)


def pytest_keyboard_interrupt() -> None:
    """Ignore the second interrupt that pytest-xdist sends to a process still cleaning up after 5 s."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.fixture(scope="session")
def broker_url() -> str:
    """Return the address of this run's RabbitMQ; tests share its queues, so each empties those that it uses."""
    return settings().broker_url.get_secret_value()


@pytest.fixture
def broker(broker_url: str) -> Iterator[Connection]:
    """Return a connection to RabbitMQ with every queue of the exchange declared and empty."""
    with empty_queues(broker_url) as connection:
        yield connection


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """Return a publisher as the stages use it."""
    publisher = Publisher(app)
    yield publisher
    publisher.close()


@pytest.fixture(scope="session")
def _databases() -> Iterator[tuple[Database, Database]]:
    """Return both databases as the previous test left them; most tests use the two fixtures below."""
    urls = settings().clearing_data_url.get_secret_value(), settings().market_data_url.get_secret_value()
    migrate(*urls)
    let_users_in()
    databases = Database(urls[0], pool_size=8), Database(urls[1], pool_size=8)
    yield databases
    for database in databases:
        database.engine.dispose()


@pytest.fixture
def clearing_data(_databases: tuple[Database, Database]) -> Database:
    """Return `clearing_data` with the initial data of a new exchange."""
    renew_clearing_data(_databases[0])
    return _databases[0]


@pytest.fixture
def market_data(_databases: tuple[Database, Database]) -> Database:
    """Return `market_data` without rows."""
    renew_market_data(_databases[1])
    return _databases[1]
