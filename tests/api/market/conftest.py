"""The api with order entry at work, for what waits for its decision."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest
from kombu import Connection

from db.connect import Database
from tests.support.web import Api, running_api
from tests.support.worker import Worker


@pytest.fixture
def deciding_api(clearing_data: Database, market_data: Database, queues: Connection) -> Iterator[Api]:
    """An api of its own, as what it remembers of listed securities would follow it into other tests."""
    with (
        tempfile.TemporaryDirectory(prefix="run-") as no_streams,
        running_api({"RUN_DIRECTORY": no_streams}) as api,
        Worker("order_entry"),
    ):
        yield api
