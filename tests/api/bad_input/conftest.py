"""One exchange for each module: nothing that is sent here may change it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from celery_app.settings import settings
from celery_app.topology import ORDER_ENTRY
from db.clearing_data import initial_data
from db.connect import Database
from tests.api.conftest import Keys, make_keys
from tests.support.broker import depth, empty_queues
from tests.support.web import Api


@pytest.fixture(scope="module")
def clearing_data(_databases: tuple[Database, Database]) -> Database:
    """Return `clearing_data` with at least the initial data."""
    with _databases[0].transaction() as tx:
        initial_data.load(tx, shards=settings().shards, now_us=1)
    return _databases[0]


@pytest.fixture(scope="module")
def keys(clearing_data: Database) -> Keys:
    """Return keys for this module."""
    return make_keys(clearing_data)


@pytest.fixture(scope="module")
def api(shared_api: Api, clearing_data: Database, broker_url: str) -> Iterator[Api]:
    """Return the api, and check at the end that nothing was queued."""
    with empty_queues(broker_url) as queues:
        yield shared_api
        assert depth(queues, ORDER_ENTRY) == 0
