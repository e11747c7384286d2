"""The exchange as a whole, started anew for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from db.connect import Database
from tests.support.exchange import Exchange, running_exchange


@pytest.fixture
def exchange(clearing_data: Database, market_data: Database) -> Iterator[Exchange]:
    """A running exchange without bots, on the two databases as they are when new."""
    with running_exchange() as running:
        yield running
