"""Orders of unknown outcome: the promised ones are sent again, and no others hold them up or crowd them out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from api.orders.intake import uncertain
from api.orders.intake.uncertain import MOST_AT_ONCE, UncertainOrders
from api.orders.intake.unfinished import Unfinished
from celery_app.clock import now_us
from db.connect import Database
from tasks.messages import OrderRequest


def _orders(first: int, count: int, client_id: str = "SINGLE", *, promised: bool) -> list[OrderRequest]:
    now = now_us()
    return [
        OrderRequest(n, client_id, f"mine-{n}" if promised else None, "MSFT", "limit", "buy", 1, 100, "gtc", False, now)
        for n in range(first, first + count)
    ]


def test_orders_that_only_wait_do_not_hold_up_those_to_send(clearing_data: Database, tmp_path: Path) -> None:
    orders = UncertainOrders(clearing_data, Unfinished(tmp_path))
    orders.remember(_orders(1, MOST_AT_ONCE + 1, promised=False))
    (promised,) = _orders(10_000, 1, "FLOOD", promised=True)
    orders.remember([promised])
    sent: list[Sequence[OrderRequest]] = []
    orders.send_again(sent.append)
    orders.forget_unpromised()
    orders.send_again(sent.append)
    assert sent == [[promised]]
    assert orders.order(10_000) is None
    assert all(orders.order(number) for number in range(1, MOST_AT_ONCE + 2))


def test_no_client_crowds_out_the_orders_of_others(
    clearing_data: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uncertain, "MOST_REMEMBERED", 20)
    orders = UncertainOrders(clearing_data, Unfinished(tmp_path))
    orders.remember(_orders(1, 5, "FLOOD", promised=True))
    orders.remember(_orders(100, 16, promised=True))
    assert [number for number in (*range(1, 6), *range(100, 116)) if orders.order(number) is None] == [100, 101, 102]
