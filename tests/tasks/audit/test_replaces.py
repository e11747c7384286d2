"""The rules on money and orders hold after every batch, however far fills settle ahead of their replacements."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import text

from db.connect import Database
from tasks.audit.clearing.log import check_orders
from tasks.audit.clearing.money import check_conservation, check_holds
from tasks.audit.clearing.replaces import check_terms
from tasks.audit.clearing.settlement import check_failures, check_fees, check_legs, check_quantities
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
def test_the_rules_hold_after_every_batch(clearing_data: Database, seed: int) -> None:
    open_accounts(clearing_data)
    executions = Market(clearing_data, seed=seed, fees=seed % 2 == 1, orders=30).executions()
    random.Random(seed).shuffle(executions)
    batches = [executions[start : start + 3] for start in range(0, len(executions), 3)]
    for batch in batches:
        settle_once(clearing_data, sorted(batch, key=lambda one: one.event_id), settled_us=NOW_US)
        with clearing_data.snapshot() as tx:
            assert [finding for check in CHECKS for finding in check(tx).findings] == []


def test_a_line_of_the_log_may_end_with_its_hold_or_with_when_the_order_expires(clearing_data: Database) -> None:
    open_accounts(clearing_data)
    Market(clearing_data, seed=1, fees=True, orders=9)
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE order_log SET command = left(command, -6) || ']' WHERE command_id % 3 = 0"))
        tx.execute(text("UPDATE orders SET time_in_force = 'gtd' WHERE order_id % 3 = 1"))
        tx.execute(
            text(
                "UPDATE order_log SET command = left(replace(command, '\"gtc\",', '\"gtd\",'), -6) || ',1234567]' "
                "WHERE command_id % 3 = 1 AND starts_with(command, '[\"place\"')"
            )
        )
    with clearing_data.snapshot() as tx:
        assert check_orders(tx).findings == []
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE orders SET hold_cents = hold_cents + 1 WHERE order_id IN (2, 3, 4)"))
    with clearing_data.snapshot() as tx:
        assert len(check_orders(tx).findings) == 3
