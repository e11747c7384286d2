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

# Where tests are long: they go first, so that at the end no process waits for another one.
LONG = (
    "tests/deploy/local/commands/test_up.py",
    "tests/system/",
    "tests/tasks/matching/test_task.py",
    "tests/deploy/",
    "tests/api/",
)
# Where each test starts what it needs, so that they need not stay together.
ON_THEIR_OWN = (
    "tests/system/test_kills.py",
    "tests/tasks/matching/test_task.py",
    "tests/tasks/matching/test_fail_points.py",
    "tests/tasks/order_execution/test_task.py",
)


class ByModule(LoadScopeScheduling):  # type: ignore[misc]
    """Deals tests among processes by modules, whose tests share what was started for them; some one by one."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(ON_THEIR_OWN) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByModule:
    """How pytest-xdist deals the tests."""
    config.option.loadscopereorder = False
    return ByModule(config, log)


def pytest_xdist_setupnodes(specs: Sequence[XSpec]) -> None:
    """Give each process that will run tests services of its own, before it reads its settings."""
    for spec, variables in zip(specs, services_of_their_own([str(spec.id) for spec in specs], os.environ), strict=True):
        spec.env |= variables


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long tests first where several processes run them."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: next((n for n, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG)))


# `--hypothesis-profile millions`: twenty times as many examples, for the tests that scale with it.
hypothesis.settings.register_profile("millions", max_examples=20 * hypothesis.settings.default.max_examples)


def pytest_keyboard_interrupt() -> None:
    """pytest-xdist interrupts a process again when it is still putting away, after 5 s, what it has started."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


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
    """Both databases with whatever the test before has left in them; most tests take the two fixtures below."""
    urls = settings().clearing_data_url.get_secret_value(), settings().market_data_url.get_secret_value()
    migrate(*urls)
    let_users_in()
    databases = Database(urls[0], pool_size=8), Database(urls[1], pool_size=8)
    yield databases
    for database in databases:
        database.engine.dispose()


@pytest.fixture
def clearing_data(_databases: tuple[Database, Database]) -> Database:
    """`clearing_data` as a new exchange has it."""
    renew_clearing_data(_databases[0])
    return _databases[0]


@pytest.fixture
def market_data(_databases: tuple[Database, Database]) -> Database:
    """`market_data` without a row."""
    renew_market_data(_databases[1])
    return _databases[1]
