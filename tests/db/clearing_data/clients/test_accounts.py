"""Accounts: each transfer has one effect, is booked, and never takes more than what is available."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from db.clearing_data.clients import accounts
from db.clearing_data.tables import DTCC
from db.connect import Database


def test_an_account_is_opened_once_and_empty(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        assert accounts.open_account(tx, "ALICE", now_us=1)
        assert not accounts.open_account(tx, "ALICE", now_us=2)
        assert accounts.account(tx, "ALICE").available_cents == 0
        assert accounts.holdings(tx, "ALICE") == []
        assert accounts.holding(tx, "ALICE", "MSFT").available == 0
        assert accounts.account(tx, "NOBODY") is None


@pytest.mark.parametrize("name", ["ADMIN", "EXTERNAL", "ISSUER", "DTCC"])
def test_reserved_names_are_no_accounts(clearing_data: Database, name: str) -> None:
    with clearing_data.transaction() as tx:
        assert not accounts.open_account(tx, name, now_us=1)


def test_cash_comes_and_goes_once_for_each_transfer_id(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        assert accounts.deposit_cash(tx, "SINGLE", "t1", amount_cents=500, now_us=1) == "booked"
        assert accounts.deposit_cash(tx, "SINGLE", "t1", amount_cents=500, now_us=2) == "repeated"
        assert accounts.withdraw_cash(tx, "SINGLE", "t2", amount_cents=200, now_us=3) == "booked"
        assert accounts.withdraw_cash(tx, "SINGLE", "t2", amount_cents=200, now_us=4) == "repeated"
        assert accounts.account(tx, "SINGLE").balance_cents == 1_000_300


def test_shares_come_from_dtcc_and_go_back(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        before = accounts.holding(tx, DTCC, "TSLA").shares
        move = {"security_id": "TSLA", "now_us": 1}
        assert accounts.deposit_shares(tx, "SINGLE", "t1", quantity=30, **move) == "booked"
        assert accounts.deposit_shares(tx, "SINGLE", "t1", quantity=30, **move) == "repeated"
        assert accounts.withdraw_shares(tx, "SINGLE", "t2", quantity=10, **move) == "booked"
        assert accounts.holding(tx, "SINGLE", "TSLA").shares == 20
        assert accounts.holding(tx, DTCC, "TSLA").shares == before - 20


def test_a_transfer_id_stands_for_one_transfer(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        accounts.deposit_cash(tx, "SINGLE", "t1", amount_cents=500, now_us=1)
        assert accounts.deposit_cash(tx, "SINGLE", "t1", amount_cents=501, now_us=2) == "transfer_id_reused"
        assert accounts.deposit_cash(tx, "RETAIL", "t1", amount_cents=500, now_us=2) == "transfer_id_reused"
        assert accounts.withdraw_cash(tx, "SINGLE", "t1", amount_cents=500, now_us=2) == "transfer_id_reused"
        assert accounts.account(tx, "SINGLE").balance_cents == 1_000_500
        assert accounts.account(tx, "RETAIL").balance_cents == 1_000_000


def test_held_cash_and_shares_cannot_be_withdrawn(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE accounts SET held_cents = 999990 WHERE client_id = 'SINGLE'"))
        tx.execute(text("UPDATE holdings SET held = 990 WHERE client_id = 'SINGLE'"))
        share = {"security_id": "MSFT", "now_us": 1}
        assert accounts.withdraw_cash(tx, "SINGLE", "t1", amount_cents=11, now_us=1) == "insufficient_funds"
        assert accounts.withdraw_cash(tx, "SINGLE", "t1", amount_cents=10, now_us=1) == "booked"
        assert accounts.withdraw_shares(tx, "SINGLE", "t2", quantity=11, **share) == "insufficient_holdings"
        assert accounts.withdraw_shares(tx, "SINGLE", "t2", quantity=10, **share) == "booked"


def test_missing_cash_and_shares_are_named(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        move = {"quantity": 1, "now_us": 1}
        assert accounts.deposit_cash(tx, "NOBODY", "t1", amount_cents=1, now_us=1) == "unknown_account"
        assert accounts.deposit_shares(tx, "SINGLE", "t1", security_id="XXXX", **move) == "unknown_security"
        assert accounts.withdraw_shares(tx, "SINGLE", "t1", security_id="TSLA", **move) == "insufficient_holdings"
        move["quantity"] = 100_001
        assert accounts.deposit_shares(tx, "SINGLE", "t1", security_id="TSLA", **move) == "insufficient_holdings"


@pytest.mark.parametrize("amount", [0, -1])
def test_an_empty_transfer_is_refused(clearing_data: Database, amount: int) -> None:
    with clearing_data.transaction() as tx, pytest.raises(ValueError, match="positive"):
        accounts.deposit_cash(tx, "SINGLE", "t1", amount_cents=amount, now_us=1)


def test_the_same_transfer_from_many_sides_has_one_effect(clearing_data: Database) -> None:
    def deposit(_: int) -> str:
        with clearing_data.transaction() as tx:
            return accounts.deposit_cash(tx, "SINGLE", "t1", amount_cents=500, now_us=1)

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(deposit, range(16)))
    assert sorted(outcomes) == ["booked"] + ["repeated"] * 15
    with clearing_data.transaction() as tx:
        assert accounts.account(tx, "SINGLE").balance_cents == 1_000_500


def test_many_withdrawals_at_once_never_take_more_than_there_is(clearing_data: Database) -> None:
    def withdraw(number: int) -> str:
        with clearing_data.transaction() as tx:
            return accounts.withdraw_cash(tx, "SINGLE", f"w{number}", amount_cents=300_000, now_us=1)

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(withdraw, range(8)))
    assert sorted(outcomes) == ["booked"] * 3 + ["insufficient_funds"] * 5
    with clearing_data.transaction() as tx:
        assert accounts.account(tx, "SINGLE").balance_cents == 100_000
