"""The benchmark refuses a run whose clients could not trade."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.load.generator import Plan
from bench.load.usual import UnusualRun, require, require_reports, trades_an_order

PLAN = Plan(
    host="127.0.0.1",
    port=8000,
    keys=[],
    connections=20,
    array_size=100,
    seconds=60,
    rate=None,
    cancels=0,
    seed=1,
)
SINGLES = replace(PLAN, connections=64, array_size=0)
TWO_CONNECTIONS = replace(PLAN, connections=2)


def test_the_flow_makes_nine_trades_in_ten_orders_unless_connections_are_few() -> None:
    assert trades_an_order(PLAN) == pytest.approx(0.89, abs=0.02)
    assert trades_an_order(SINGLES) == pytest.approx(0.89, abs=0.02)
    assert trades_an_order(TWO_CONNECTIONS) == pytest.approx(0.28, abs=0.02)


@pytest.mark.parametrize(
    ("plan", "orders", "trades"),
    [
        (PLAN, 617_100, 503_362),
        (SINGLES, 75_165, 67_019),
        (TWO_CONNECTIONS, 100_000, 28_000),
        (PLAN, 1_000, 30),  # too few to judge
        (replace(PLAN, cancels=20), 100_000, 30_000),
        (replace(PLAN, connections=1), 100_000, 0),  # a client does not trade with itself
    ],
)
def test_a_run_that_trades_as_its_flow_does_passes(plan: Plan, orders: int, trades: int) -> None:
    require(plan, orders=orders, trades=trades)


@pytest.mark.parametrize(("orders", "trades"), [(600_000, 18_000), (600_000, 0), (600_000, 900_000)])
def test_a_run_that_trades_otherwise_is_refused_in_one_sentence(orders: int, trades: int) -> None:
    with pytest.raises(UnusualRun, match=r"0\.90, so its figures mean nothing.*shares.*make clean.*--own$") as refused:
        require(PLAN, orders=orders, trades=trades)
    assert f"made {trades / orders:.2f} trades an order" in str(refused.value)
    assert ". " not in str(refused.value)


def test_a_latency_run_without_its_trade_reports_is_refused() -> None:
    require_reports(orders=3_000, missing=300)
    with pytest.raises(UnusualRun, match=r"^301 of 3,000 orders .* no trade report.*shares.*make clean.*--own$"):
        require_reports(orders=3_000, missing=301)
