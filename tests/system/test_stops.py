"""The kill switch through the whole pipeline: open orders end, later ones are denied."""

from __future__ import annotations

import requests
from sqlalchemy import text

from bots.client import Client
from bots.contract import LimitOrder
from db.connect import Database
from tests.support.exchange import Exchange

SECURITIES = ("MSFT", "AAPL", "TSLA")


def test_a_stopped_client_has_no_open_orders_and_gets_none(exchange: Exchange, clearing_data: Database) -> None:
    single, flood = (Client(exchange.url, exchange.keys[name]) for name in ("SINGLE", "FLOOD"))
    resting = [
        single.place(LimitOrder(security_id=security_id, side="buy", quantity=1, price="1.00"))
        for security_id in SECURITIES
    ]
    others = flood.place(LimitOrder(security_id="MSFT", side="buy", quantity=1, price="1.00"))
    exchange.wait_until(lambda: _open_orders(clearing_data, "SINGLE") == len(resting), "the orders rest")

    assert _set_state(exchange, "stopped") == 202
    exchange.wait_until(lambda: _open_orders(clearing_data, "SINGLE") == 0, "they are cancelled")
    late = single.place(LimitOrder(security_id="MSFT", side="buy", quantity=1, price="1.00"))
    exchange.wait_until(lambda: _order(clearing_data, late.order_id) is not None, "the late one is decided")
    assert _order(clearing_data, late.order_id) == ("rejected", "client_stopped")
    assert {_order(clearing_data, order.order_id) for order in resting} == {("cancelled", "cancelled")}
    assert _order(clearing_data, others.order_id) == ("new", None)

    assert _set_state(exchange, "open") == 200
    again = single.place(LimitOrder(security_id="MSFT", side="buy", quantity=1, price="1.00"))
    exchange.wait_until(lambda: _order(clearing_data, again.order_id) == ("new", None), "it trades again")
    audit = exchange.audit()
    assert audit.passed, audit
    assert exchange.dead_letters() == 0


def _set_state(exchange: Exchange, state: str) -> int:
    authorization = {"Authorization": f"Bearer {exchange.keys['admin']}"}
    answer = requests.patch(f"{exchange.url}/accounts/SINGLE", json={"state": state}, headers=authorization, timeout=10)
    return answer.status_code


def _open_orders(clearing_data: Database, client_id: str) -> int:
    with clearing_data.snapshot() as tx:
        query = text("SELECT open_orders FROM accounts WHERE client_id = :client_id")
        return int(tx.execute(query, {"client_id": client_id}).scalar_one())


def _order(clearing_data: Database, order_id: int) -> tuple[str, str | None] | None:
    with clearing_data.snapshot() as tx:
        row = tx.execute(text("SELECT status, reason FROM orders WHERE order_id = :id"), {"id": order_id}).first()
        return (row.status, row.reason) if row else None
