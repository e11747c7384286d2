"""The initial data: contents, idempotent loading, and balanced books."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from db.clearing_data import initial_data
from db.clearing_data.clients import accounts
from db.clearing_data.listing import securities
from db.clearing_data.tables import DTCC, EXCHANGE, metadata
from db.connect import Database


def contents(tx: Connection) -> dict[str, list[tuple[object, ...]]]:
    return {table: [tuple(row) for row in tx.execute(text(f"SELECT * FROM {table}"))] for table in metadata.tables}


def test_traders_start_with_cash_and_shares_to_sell(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        for client_id in initial_data.TRADERS:
            assert accounts.account(tx, client_id).balance_cents == 1_000_000
            assert [(h.security_id, h.shares) for h in accounts.holdings(tx, client_id)] == [("MSFT", 1_000)]
        assert accounts.holding(tx, DTCC, "MSFT").shares == 100_000 - 1_000 * len(initial_data.TRADERS)
        assert accounts.account(tx, DTCC).balance_cents == 0


def test_securities_are_dealt_over_the_shards(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        dealt = {security.security_id: security.shard for security in securities.listed(tx)}
        assert dealt == {"MSFT": 0, "AAPL": 1, "TSLA": 0, "JPM": 1, "SHEL": 0}
        assert {security.last_price_cents for security in securities.listed(tx)} == {10_000}


def test_loading_again_changes_nothing(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        before = contents(tx)
        initial_data.load(tx, shards=2, now_us=2)
        assert contents(tx) == before


def test_loading_again_leaves_trades_alone(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        accounts.withdraw_cash(tx, "SINGLE", "w-1", amount_cents=1, now_us=2)
        tx.execute(text("UPDATE last_prices SET price_cents = 1, event_id = 1"))
        before = contents(tx)
        initial_data.load(tx, shards=2, now_us=2)
        assert contents(tx) == before


def test_loading_again_waits_for_nothing_that_trades(clearing_data: Database) -> None:
    with clearing_data.transaction() as trading, clearing_data.transaction() as loading:
        trading.execute(text("SELECT 1 FROM accounts FOR UPDATE"))
        trading.execute(text("SELECT 1 FROM shards FOR UPDATE"))
        loading.execute(text("SET LOCAL lock_timeout = '1s'"))
        initial_data.load(loading, shards=2, now_us=2)


def test_fewer_shards_are_refused(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        before = contents(tx)
        with pytest.raises(initial_data.WrongNumberOfShards, match="has 2 shards and SHARDS is 1: set SHARDS=2"):
            initial_data.load(tx, shards=1, now_us=2)
        assert contents(tx) == before


def test_more_shards_begin_with_empty_logs(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        before = contents(tx)
        initial_data.load(tx, shards=4, now_us=2)
        assert contents(tx) != before
        rows = tx.execute(text("SELECT shard, last_seq FROM shards WHERE shard > 1 ORDER BY shard"))
        assert [tuple(row) for row in rows] == [(2, 0), (3, 0)]
        tx.rollback()


def test_a_trader_is_not_opened_without_the_shares_it_is_due(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx, pytest.raises(initial_data.TransferRefused, match="insufficient_holdings"):
        initial_data.open_trader(tx, "RICH", shares={"MSFT": 100_001}, now_us=2)


def test_postings_sum_to_zero_and_to_every_balance(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        for asset, total in tx.execute(text("SELECT asset, sum(amount) FROM ledger_postings GROUP BY asset")):
            assert total == 0, asset
        cash = dict(
            tx.execute(text("SELECT account, sum(amount) FROM ledger_postings WHERE asset = 'USD' GROUP BY 1")).all()
        )
        deposited = -cash.pop(accounts.EXTERNAL)
        assert cash == {
            a.client_id: a.balance_cents for a in accounts.all_accounts(tx) if a.client_id not in (DTCC, EXCHANGE)
        }
        assert deposited == sum(cash.values())
        shares = {
            (account, asset): amount
            for account, asset, amount in tx.execute(
                text("SELECT account, asset, sum(amount) FROM ledger_postings WHERE asset <> 'USD' GROUP BY 1, 2")
            )
        }
        issued = {asset: -shares.pop((accounts.ISSUER, asset)) for asset in initial_data.SECURITIES}
        assert shares == {(h.client_id, h.security_id): h.shares for h in accounts.all_holdings(tx)}
        assert issued == {security.security_id: security.issued_shares for security in securities.listed(tx)}
