"""What is held is what open orders need, to the cent, after every step and in whichever order things settle."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import text

from db.connect import Database
from tasks.audit.clearing.money import check_holds
from tasks.messages import Execution
from tasks.order_execution.settle import settle_once
from tests.support.trading import NOW_US, Exchange, open_accounts


@pytest.mark.parametrize("seed", range(3))
def test_48_holds_are_what_open_orders_need_while_fees_are_paid(clearing_data: Database, seed: int) -> None:
    open_accounts(clearing_data)
    maker_ppm, taker_ppm = [(-150, 300), (0, 33), (10_000, 20_000)][seed]
    with clearing_data.transaction() as tx:
        rates = {"maker": maker_ppm, "taker": taker_ppm}
        tx.execute(text("UPDATE securities SET maker_fee_ppm = :maker, taker_fee_ppm = :taker"), rates)
    chance = random.Random(seed)
    exchange = Exchange(clearing_data, seed=seed)
    unsettled: list[Execution] = []
    for step in range(30):
        batches, _ = exchange.enter(exchange.every_kind(25) if step < 25 else [])
        unsettled += [execution for batch in batches for execution in batch.executions]
        chance.shuffle(unsettled)
        left = chance.randint(0, len(unsettled)) if step < 29 else 0
        batch, unsettled = unsettled[left:], unsettled[:left]
        settle_once(clearing_data, sorted(batch, key=lambda one: one.event_id), settled_us=NOW_US)
        with clearing_data.transaction() as tx:
            assert check_holds(tx).findings == []
    with clearing_data.transaction() as tx:
        kinds = set(tx.execute(text("SELECT kind FROM executions")).scalars())
        paid = tx.execute(text("SELECT count(*) FROM ledger WHERE kind = 'fee'")).scalar_one()
    assert kinds >= {"trade", "cancelled", "replaced"}
    assert paid
