"""Accounts over HTTP: opening them, transfers of cash and shares, and access rights."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from sqlalchemy import text

from db.clearing_data.clients import accounts
from db.connect import Database
from tests.api.conftest import Keys
from tests.support.streams import wait_until
from tests.support.web import Api, problem


def test_an_opened_account_has_what_every_trader_starts_with(api: Api, keys: Keys) -> None:
    opened = api.ask("POST", "/accounts", key=keys.admin, json={"client_id": "ALICE"})
    assert opened.status_code == 201
    assert opened.headers["Cache-Control"] == "no-store"
    key = opened.json()["api_key"]
    assert opened.json() == {"client_id": "ALICE", "balance": 10_000.0, "api_key": key}
    assert api.ask("GET", "/balance/ALICE", key=key).json() == {
        "client_id": "ALICE",
        "balance": 10_000,
        "held": 0,
        "available": 10_000,
        "collateral": 0,
    }
    assert api.ask("GET", "/holdings/MSFT/ALICE", key=key).json() == {
        "security_id": "MSFT",
        "client_id": "ALICE",
        "shares": 1_000,
        "held": 0,
        "available": 1_000,
        "borrowed": 0,
    }
    # 1,000 shares at the reference price of 100.00, and the cash.
    account = api.ask("GET", "/accounts/ALICE", key=key).json()
    assert account.keys() == {
        "client_id",
        "balance",
        "held",
        "available",
        "collateral",
        "holdings",
        "borrowed",
        "equity",
        "limits",
    }
    assert account["equity"] == 110_000
    assert api.ask("GET", "/balance/ALICE", key=keys.admin).status_code == 200
    assert api.ask("GET", "/balance/ALICE", key=keys.single).status_code == 403


@pytest.mark.parametrize("client_id", ["SINGLE", "DTCC", "EXTERNAL", "ISSUER", "ADMIN"])
def test_an_account_name_is_used_once(api: Api, keys: Keys, client_id: str) -> None:
    answer = api.ask("POST", "/accounts", key=keys.admin, json={"client_id": client_id})
    assert (answer.status_code, problem(answer)["code"]) == (409, "account_exists")


def test_accounts_are_opened_even_when_no_shares_are_left(api: Api, keys: Keys, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        left = accounts.holding(tx, "DTCC", "MSFT").available
    transfer = {"transfer_id": "all", "security_id": "MSFT", "quantity": left}
    assert api.ask("POST", "/accounts/SINGLE/deposits", key=keys.admin, json=transfer).status_code == 201
    opened = api.ask("POST", "/accounts", key=keys.admin, json={"client_id": "ALICE"})
    assert (opened.status_code, opened.json()["balance"]) == (201, 10_000)
    assert api.ask("GET", "/accounts/ALICE", key=keys.admin).json()["holdings"] == []


@pytest.mark.parametrize(
    "body", [{}, {"client_id": ""}, {"client_id": "a b"}, {"client_id": "x" * 49}, {"client_id": 5}, []]
)
def test_invalid_account_names(api: Api, keys: Keys, body: Any) -> None:
    assert api.ask("POST", "/accounts", key=keys.admin, json=body).status_code == 422


def test_32_transfers(api: Api, keys: Keys) -> None:
    lacks = {
        "b": "the account needs 10,012.35; 10,012.34 available",
        "e": "the account needs 6 shares; 5 available",
        "f": "DTCC needs 100,000 shares; 99,995 available",
    }
    for direction, transfer, status, code in [
        ("deposits", {"transfer_id": "a", "amount": 12.34}, 201, None),
        ("deposits", {"transfer_id": "a", "amount": "12.34"}, 200, None),
        ("deposits", {"transfer_id": "a", "amount": 12.35}, 409, "transfer_id_reused"),
        ("withdrawals", {"transfer_id": "a", "amount": 12.34}, 409, "transfer_id_reused"),
        ("withdrawals", {"transfer_id": "b", "amount": 10_012.35}, 422, "insufficient_funds"),
        ("withdrawals", {"transfer_id": "c", "amount": 12.34}, 201, None),
        ("deposits", {"transfer_id": "d", "security_id": "AAPL", "quantity": 5}, 201, None),
        ("deposits", {"transfer_id": "d", "security_id": "AAPL", "quantity": 5}, 200, None),
        ("withdrawals", {"transfer_id": "e", "security_id": "AAPL", "quantity": 6}, 422, "insufficient_holdings"),
        ("deposits", {"transfer_id": "f", "security_id": "AAPL", "quantity": 100_000}, 422, "insufficient_holdings"),
        ("deposits", {"transfer_id": "g", "security_id": "GOOG", "quantity": 1}, 422, "unknown_security"),
    ]:
        answer = api.ask("POST", f"/accounts/SINGLE/{direction}", key=keys.admin, json=transfer)
        assert answer.status_code == status, transfer
        assert code is None or problem(answer)["code"] == code
        assert transfer["transfer_id"] not in lacks or problem(answer)["detail"] == lacks.pop(transfer["transfer_id"])
        assert status != 200 or answer.json()["duplicate"] is True
    assert lacks == {}
    assert api.ask("GET", "/balance/SINGLE", key=keys.single).json()["balance"] == 10_000
    assert api.ask("GET", "/holdings/AAPL/SINGLE", key=keys.single).json()["shares"] == 5
    unknown = api.ask("POST", "/accounts/NOBODY/deposits", key=keys.admin, json={"transfer_id": "h", "amount": 1})
    assert (unknown.status_code, problem(unknown)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "transfer",
    [
        {"transfer_id": "a", "amount": -1},
        {"transfer_id": "a", "amount": 0},
        {"transfer_id": "a", "amount": 0.001},
        {"transfer_id": "a", "amount": 10**30},
        {"transfer_id": "a", "amount": "NaN"},
        {"transfer_id": "a", "amount": True},
        {"transfer_id": "a", "amount": None},
        {"transfer_id": "", "amount": 1},
        {"transfer_id": "a b", "amount": 1},
        {"amount": 1},
        {"transfer_id": "a"},
        {"transfer_id": "a", "amount": 1, "security_id": "MSFT", "quantity": 1},
        {"transfer_id": "a", "security_id": "MSFT", "quantity": 0},
        {"transfer_id": "a", "security_id": "MSFT", "quantity": -1},
        {"transfer_id": "a", "security_id": "MSFT", "quantity": 2**63},
        {"transfer_id": "a", "security_id": "MSFT", "quantity": 1.5},
        [],
        "x",
    ],
)
@pytest.mark.parametrize("direction", ["deposits", "withdrawals"])
def test_32_invalid_transfers(shared_api: Api, keys: Keys, direction: str, transfer: Any) -> None:
    answer = shared_api.ask("POST", f"/accounts/SINGLE/{direction}", key=keys.admin, json=transfer)
    assert (answer.status_code, problem(answer)["code"]) == (422, "validation_error")


def test_the_leaderboard_ranks_by_equity(api: Api, keys: Keys) -> None:
    board = api.ask("GET", "/leaderboard").json()["data"]
    assert [row["equity"] for row in board] == sorted((row["equity"] for row in board), reverse=True)
    assert "DTCC" not in {row["client_id"] for row in board}
    single = next(row for row in board if row["client_id"] == "SINGLE")
    assert single.keys() == {"rank", "client_id", "equity", "balance", "holdings", "trades", "return", "versus_holding"}
    assert (single["equity"], single["holdings"], single["trades"], single["return"]) == (
        110_000,
        {"MSFT": 1_000},
        0,
        0,
    )


def test_51_equal_equity_is_an_equal_rank(api: Api, keys: Keys) -> None:
    for client_id, amount in [("SINGLE", 5), ("RETAIL", 5), ("FLOOD", 1)]:
        transfer = {"transfer_id": f"more-{client_id}", "amount": amount}
        assert api.ask("POST", f"/accounts/{client_id}/deposits", key=keys.admin, json=transfer).status_code == 201
    wait_until(lambda: _board(api)["SINGLE"]["equity"] == 110_005)  # the board is remembered for a second
    board = _board(api)
    ranks = {client_id: row["rank"] for client_id, row in board.items()}
    assert (ranks["SINGLE"], ranks["RETAIL"], ranks["FLOOD"]) == (1, 1, 3)
    assert {rank for client_id, rank in ranks.items() if client_id not in ("SINGLE", "RETAIL", "FLOOD")} == {4}


def test_51_deposits_and_withdrawals_are_not_returns(api: Api, keys: Keys, clearing_data: Database) -> None:
    """SINGLE begins with $10,000 and 1,000 shares at 100.00, worth $110,000 together."""

    def transfer(direction: str, **moved: object) -> None:
        sent = {"transfer_id": f"t{next(numbers)}", **moved}
        assert api.ask("POST", f"/accounts/SINGLE/{direction}", key=keys.admin, json=sent).status_code == 201

    def price(cents: int) -> None:
        with clearing_data.transaction() as tx:
            tx.execute(text("UPDATE last_prices SET price_cents = :cents WHERE security_id = 'MSFT'"), {"cents": cents})

    def returns(expected: float) -> None:
        wait_until(lambda: _board(api)["SINGLE"]["return"] == expected)

    numbers = count()
    returns(0)
    price(105_50)  # 1,000 shares gain $5,500 of $110,000
    returns(0.05)
    transfer("withdrawals", amount=10_000)
    transfer("withdrawals", security_id="MSFT", quantity=999)
    returns(0.05)
    transfer("deposits", amount=1_000_000)
    returns(0.05)
    transfer("withdrawals", amount=1_000_000)
    price(211_00)  # what is left doubles
    returns(1.1)
    transfer("withdrawals", security_id="MSFT", quantity=1)
    returns(1.1)  # nothing is left, and what was gained stays
    transfer("deposits", amount=500)
    returns(1.1)


def _board(api: Api) -> dict[str, dict[str, Any]]:
    return {row["client_id"]: row for row in api.ask("GET", "/leaderboard").json()["data"]}
