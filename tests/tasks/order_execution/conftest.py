"""The exchange of the tests of settlement."""

from __future__ import annotations

import pytest

from db.connect import Database
from tests.support.trading import Exchange, open_accounts
from tests.tasks.order_execution.lending import Lending


@pytest.fixture
def exchange(clearing_data: Database) -> Exchange:
    open_accounts(clearing_data)
    return Exchange(clearing_data)


@pytest.fixture
def lending(clearing_data: Database) -> Lending:
    return Lending(clearing_data)
