"""The benchmark of settlement settles its trades, and they pass the audit."""

from __future__ import annotations

import pytest

from bench.settlement.measure import audit_section, measure
from celery_app.settings import settings

pytestmark = pytest.mark.usefixtures("clearing_data", "market_data")  # the benchmark makes its databases next to these


def urls() -> tuple[str, str]:
    return settings().clearing_data_url.get_secret_value(), settings().market_data_url.get_secret_value()


def test_one_worker_and_two_take_turns() -> None:
    done, on_disk = measure(urls(), trades=360, batch_size=20, workers=(1, 2), rounds=2, seed=1)
    assert [[len(one.workers) for one in rounds] for rounds in done.values()] == [[1, 1], [2, 2]]
    assert all(one.trades >= 80 for rounds in done.values() for one in rounds)
    assert {"executions on disk", "ledger on disk", "orders on disk"} <= {name for name, _ in on_disk}


def test_settled_and_stored_trades_pass_the_audit() -> None:
    section = audit_section(urls(), trades=100, batch_size=20, seed=1)
    assert section.figures["passed"]
    assert "order_reports on disk" in {name for name, _ in section.rows}
