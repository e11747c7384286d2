"""The clearinghouse over HTTP: closing accounts, corrections, fees, netting."""

from __future__ import annotations

from typing import Any

import pytest
from kombu import Connection
from sqlalchemy import text

from celery_app.settings import settings
from celery_app.topology import ORDER_ENTRY
from db.connect import Database
from tasks.messages import ExecutionBatch, MassCancelRequest
from tasks.order_execution.rules.clearing import once_each
from tasks.order_execution.settle import settle_once
from tests.api.conftest import Keys, queued
from tests.support.broker import depth
from tests.support.trading import NOW_US, Exchange
from tests.support.web import Api, problem

WINDOW = "from=2023-11-14T22:13:20Z&to=2023-11-14T22:13:21Z"  # that of NOW_US


def settle(clearing_data: Database, batches: list[ExecutionBatch]) -> None:
    settle_once(clearing_data, once_each(batches), settled_us=NOW_US)


def trade(clearing_data: Database, *sides: tuple[str, str, int, int]) -> None:
    """Settle orders given as (side, client, quantity, price in cents)."""
    exchange = Exchange(clearing_data)
    settle(clearing_data, exchange.enter([exchange.order(*side) for side in sides])[0])


def cash(api: Api, keys: Keys, client_id: str) -> float:
    return float(api.ask("GET", f"/balance/{client_id}", key=keys.admin).json()["balance"])


# -- closing -----------------------------------------------------------------------------------------------------------


def test_a_closed_account_has_its_orders_cancelled_and_its_money_to_withdraw(
    api: Api, keys: Keys, queues: Connection
) -> None:
    for _ in range(2):  # a repetition has no further effect, but sends the cancels again
        closed = api.ask("DELETE", "/accounts/SINGLE", key=keys.admin)
        assert closed.status_code == 202
        numbers = closed.json()["command_ids"]
        assert closed.json() == {"client_id": "SINGLE", "state": "closed", "command_ids": numbers}
        (requests,) = queued(queues)
        assert [
            (one.command_id, one.client_id, one.shard) for one in requests if isinstance(one, MassCancelRequest)
        ] == [(number, "SINGLE", shard) for shard, number in enumerate(numbers)]
        assert len(numbers) == settings().shards
    reopened = api.ask("PATCH", "/accounts/SINGLE", key=keys.admin, json={"state": "open"})
    assert problem(reopened)["code"] == "account_closed"
    money = {"transfer_id": "in", "amount": 1}
    deposit = api.ask("POST", "/accounts/SINGLE/deposits", key=keys.admin, json=money)
    assert (deposit.status_code, problem(deposit)["code"]) == (409, "account_closed")
    money = {"transfer_id": "out", "amount": 10_000}
    assert api.ask("POST", "/accounts/SINGLE/withdrawals", key=keys.admin, json=money).status_code == 201
    assert api.ask("GET", "/balance/SINGLE", key=keys.single).json()["balance"] == 0


@pytest.mark.parametrize("client_id", ["NOBODY", "DTCC", "EXCHANGE", "%00"])
def test_accounts_that_cannot_be_closed(api: Api, keys: Keys, client_id: str, queues: Connection) -> None:
    answer = api.ask("DELETE", f"/accounts/{client_id}", key=keys.admin)
    assert (answer.status_code, problem(answer)["code"]) == (404, "not_found")
    assert depth(queues, ORDER_ENTRY) == 0


# -- corrections -------------------------------------------------------------------------------------------------------


def test_corrections_are_transfers_between_a_client_and_the_house(api: Api, keys: Keys) -> None:
    base = {"client_id": "SINGLE", "reason": "trade 0-1-0 was a mistake", "entry_id": 1}
    lacks = {
        "a": "EXCHANGE needs 5.00; 0.00 available",
        "d": "the account needs 100,000.00; 9,992.66 available",
        "g": "the account needs 1,000 shares; 998 available",
    }
    for correction, status, code in [
        ({"transfer_id": "a", "amount": 5}, 422, "insufficient_funds"),  # EXCHANGE has nothing yet
        ({"transfer_id": "b", "amount": -12.34}, 201, None),
        ({"transfer_id": "b", "amount": -12.34}, 200, None),
        ({"transfer_id": "b", "amount": -12.35}, 409, "transfer_id_reused"),
        ({"transfer_id": "c", "amount": 5}, 201, None),
        ({"transfer_id": "d", "amount": -100_000}, 422, "insufficient_funds"),
        ({"transfer_id": "e", "security_id": "MSFT", "quantity": -3}, 201, None),
        ({"transfer_id": "f", "security_id": "MSFT", "quantity": 1}, 201, None),
        ({"transfer_id": "g", "security_id": "MSFT", "quantity": -1_000}, 422, "insufficient_holdings"),
        ({"transfer_id": "h", "security_id": "GOOG", "quantity": 1}, 422, "unknown_security"),
        ({"transfer_id": "i", "amount": 1, "client_id": "NOBODY"}, 404, "not_found"),
        ({"transfer_id": "j", "amount": 1, "client_id": "EXCHANGE"}, 404, "not_found"),
    ]:
        answer = api.ask("POST", "/corrections", key=keys.admin, json=base | correction)
        assert answer.status_code == status, correction
        assert code is None or problem(answer)["code"] == code
        if correction["transfer_id"] in lacks:
            assert problem(answer)["detail"] == lacks[correction["transfer_id"]]
    assert cash(api, keys, "SINGLE") == 10_000 - 12.34 + 5
    assert cash(api, keys, "EXCHANGE") == 7.34
    assert api.ask("GET", "/holdings/MSFT/SINGLE", key=keys.single).json()["shares"] == 998


@pytest.mark.parametrize(
    "correction",
    [
        {"amount": 0},
        {"amount": 0.001},
        {"amount": "NaN"},
        {"quantity": 0, "security_id": "MSFT"},
        {"quantity": 1},
        {"amount": 1, "quantity": 1, "security_id": "MSFT"},
        {"amount": 1, "reason": ""},
        {"amount": 1, "reason": "two\nlines"},
        {"amount": 1, "entry_id": 0},
        {},
    ],
)
def test_invalid_corrections(api: Api, keys: Keys, correction: dict[str, Any]) -> None:
    body = {"transfer_id": "a", "client_id": "SINGLE", "reason": "a mistake"} | correction
    answer = api.ask("POST", "/corrections", key=keys.admin, json=body)
    assert (answer.status_code, problem(answer)["code"]) == (422, "validation_error")


# -- fees --------------------------------------------------------------------------------------------------------------


def test_fees_are_paid_from_the_next_trade_on(api: Api, keys: Keys, clearing_data: Database) -> None:
    trade(clearing_data, ("sell", "SINGLE", 10, 10_000), ("buy", "FLOOD", 10, 10_000))
    fees = {"maker_fee": -1.5, "taker_fee": 3}
    changed = api.ask("PATCH", "/securities/MSFT", key=keys.admin, json=fees)
    assert changed.status_code == 200
    assert changed.json().items() >= fees.items()
    assert {one["security_id"]: one["taker_fee"] for one in api.ask("GET", "/securities").json()["data"]}["MSFT"] == 3


def test_fees_do_not_change_under_an_open_order(api: Api, keys: Keys, clearing_data: Database) -> None:
    fees = {"maker_fee": 0, "taker_fee": "2.50"}
    trade(clearing_data, ("sell", "SINGLE", 10, 10_000))
    refused = api.ask("PATCH", "/securities/MSFT", key=keys.admin, json=fees)
    assert (refused.status_code, problem(refused)["code"]) == (409, "orders_open")
    assert api.ask("PATCH", "/securities/AAPL", key=keys.admin, json=fees).status_code == 200
    again = api.ask("PATCH", "/securities/AAPL", key=keys.admin, json=fees | {"taker_fee": 1})
    assert again.json()["taker_fee"] == 1


@pytest.mark.parametrize(
    ("key", "security_id", "fees", "status"),
    [
        ("single", "MSFT", {"maker_fee": 0, "taker_fee": 0}, 403),
        ("admin", "GOOG", {"maker_fee": 0, "taker_fee": 0}, 404),
        ("admin", "MSFT", {"maker_fee": 0}, 422),
        ("admin", "MSFT", {"maker_fee": -2, "taker_fee": 1}, 422),
        ("admin", "MSFT", {"maker_fee": 0, "taker_fee": 1_000.01}, 422),
        ("admin", "MSFT", {"maker_fee": 0, "taker_fee": 0.001}, 422),
        ("admin", "MSFT", {"maker_fee": 0, "taker_fee": None}, 422),
        ("admin", "MSFT", {"maker_fee": 0, "taker_fee": 1, "halted": True}, 422),
    ],
)
def test_invalid_fees(api: Api, keys: Keys, key: str, security_id: str, fees: dict[str, Any], status: int) -> None:
    answer = api.ask("PATCH", f"/securities/{security_id}", key=getattr(keys, key), json=fees)
    assert answer.status_code == status
    assert problem(answer)["status"] == status


def test_fills_include_the_fee_paid(api: Api, keys: Keys, clearing_data: Database) -> None:
    assert (
        api.ask("PATCH", "/securities/MSFT", key=keys.admin, json={"maker_fee": -1, "taker_fee": 3}).status_code == 200
    )
    exchange = Exchange(clearing_data)
    sell, buy = exchange.order("sell", "SINGLE", 10, 10_000), exchange.order("buy", "FLOOD", 10, 10_000)
    batches, _ = exchange.enter([sell, buy])
    settle(clearing_data, batches)
    assert api.ask("GET", "/fills", key=keys.single).json()["data"][0]["fee"] == -0.1
    assert api.ask("GET", "/fills", key=keys.flood).json()["data"][0]["fee"] == 0.3
    assert cash(api, keys, "EXCHANGE") == 0.2
    with clearing_data.snapshot() as tx:
        total = tx.execute(text("SELECT sum(balance_cents) FROM accounts")).scalar_one()
        assert total == tx.execute(text("SELECT sum(cash_cents) FROM ledger WHERE kind = 'deposit'")).scalar_one()


# -- netting -----------------------------------------------------------------------------------------------------------


def test_netting_offsets_all_obligations(api: Api, keys: Keys, clearing_data: Database) -> None:
    # FLOOD buys 10 from SINGLE and sells 8 of them on.
    trade(
        clearing_data,
        ("sell", "SINGLE", 10, 10_000),
        ("buy", "FLOOD", 10, 10_000),
        ("sell", "FLOOD", 8, 10_000),
        ("buy", "GAUSS", 8, 10_000),
    )
    netted = api.ask("GET", f"/clearing/netting?{WINDOW}", key=keys.admin).json()
    assert netted["trades"] == 2
    assert (netted["gross_cash"], netted["net_cash"], netted["cash_efficiency"]) == (3_600, 2_000, 0.444444)
    assert (netted["gross_shares"], netted["net_shares"], netted["share_efficiency"]) == (36, 20, 0.444444)
    assert netted["clients"] == [
        {"client_id": "FLOOD", "gross_cash": 1_800, "net_cash": -200},
        {"client_id": "GAUSS", "gross_cash": 800, "net_cash": -800},
        {"client_id": "SINGLE", "gross_cash": 1_000, "net_cash": 1_000},
    ]
    assert netted["obligations"][0] == {
        "client_id": "FLOOD",
        "security_id": "MSFT",
        "bought": 10,
        "sold": 8,
        "net_shares": 2,
        "paid": 1_000,
        "received": 800,
        "net_cash": -200,
    }


def test_a_time_without_trades_nets_nothing(api: Api, keys: Keys) -> None:
    netted = api.ask("GET", "/clearing/netting", key=keys.admin).json()
    assert (netted["trades"], netted["cash_efficiency"], netted["obligations"]) == (0, None, [])


@pytest.mark.parametrize(
    "window",
    [
        "from=yesterday",
        "from=2026-01-02",
        "from=2026-01-02T03:04:05",  # of which zone?
        "from=2026-13-02T03:04:05Z",
        "from=2026-01-03T00:00:00Z&to=2026-01-02T00:00:00Z",
        "from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z",
    ],
)
def test_invalid_times(api: Api, keys: Keys, window: str) -> None:
    answer = api.ask("GET", f"/clearing/netting?{window}", key=keys.admin)
    assert (answer.status_code, problem(answer)["code"]) == (422, "validation_error")
