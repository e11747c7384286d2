"""The whole exchange, started again for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from db.connect import Database
from tests.support.exchange import Exchange, running_exchange


@pytest.fixture
def exchange(clearing_data: Database, market_data: Database) -> Iterator[Exchange]:
    """Run an exchange without bots, on two new databases."""
    with running_exchange(without=["referee"]) as running:
        yield running
