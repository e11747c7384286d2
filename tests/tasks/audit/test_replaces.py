"""The rules on money and orders hold after every unit, however far ahead of their replacements fills have settled."""

from __future__ import annotations

import random

import pytest

from db.connect import Database
from tasks.audit.log import check_orders
from tasks.audit.money import check_conservation, check_holds
from tasks.audit.replaces import check_terms
from tasks.audit.settlement import check_failures, check_fees, check_legs, check_quantities
from tasks.order_execution.settle import settle_once
from tests.support.replacing import Market
from tests.support.trading import NOW_US, open_accounts

CHECKS = (
    check_orders,
    check_legs,
    check_fees,
    check_failures,
    check_conservation,
    check_holds,
    check_quantities,
    check_terms,
)


@pytest.mark.parametrize("seed", range(4))
def test_the_rules_hold_in_between(clearing_data: Database, seed: int) -> None:
    open_accounts(clearing_data)
    executions = Market(clearing_data, seed=seed, fees=seed % 2 == 1, orders=30).executions()
    random.Random(seed).shuffle(executions)
    units = [executions[start : start + 3] for start in range(0, len(executions), 3)]
    for unit in units:
        settle_once(clearing_data, sorted(unit, key=lambda one: one.event_id), settled_us=NOW_US)
        with clearing_data.snapshot() as tx:
            assert [finding for check in CHECKS for finding in check(tx).findings] == []
