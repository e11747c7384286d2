"""Settlement on a real Postgres: once, both legs, in any order, by several workers at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from db.clearing_data.clearing.settlement import BooksBroken
from db.connect import Database
from tasks.messages import (
    Execution,
    OrderClosed,
    OrderRequest,
    Request,
    TradeMade,
)
from tasks.order_execution.rules.clearing import ExecutionRefused
from tasks.order_execution.settle import settle_once
from tests.support.trading import CASH_CENTS, NOW_US, SHARES, Exchange, open_accounts
from tests.tasks.order_execution.states import account, executions_of, order, restorable, settle, state


def test_a_trade_moves_shares_cash_holds_and_orders(exchange: Exchange, clearing_data: Database) -> None:
    sell = exchange.order("sell", "BOB", 5, 9_990)
    buy = exchange.order("buy", "ANN", 8, 10_000)
    batches, _ = exchange.enter([sell, buy])
    settle(clearing_data, executions_of(batches))
    assert account(clearing_data, "ANN") == (CASH_CENTS - 5 * 9_990, 3 * 10_000, 1)
    assert account(clearing_data, "BOB") == (CASH_CENTS + 5 * 9_990, 0, 0)
    assert ("ANN", "MSFT", SHARES + 5, 0) in state(clearing_data)["holdings"]
    assert ("BOB", "MSFT", SHARES - 5, 0) in state(clearing_data)["holdings"]
    assert order(clearing_data, buy.order_id) == ("partially_filled", 5, 0, None)
    assert order(clearing_data, sell.order_id) == ("filled", 5, 0, None)
    assert ("MSFT", 9_990, executions_of(batches)[0].event_id) in state(clearing_data)["last_prices"]
    batches, _ = exchange.enter([exchange.cancel(buy)])
    settle(clearing_data, executions_of(batches))
    assert order(clearing_data, buy.order_id) == ("cancelled", 5, 3, "cancelled")
    assert account(clearing_data, "ANN") == (CASH_CENTS - 5 * 9_990, 0, 0)


def test_the_first_purchase_of_a_security_makes_a_holding(exchange: Exchange, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        tx.execute(text("DELETE FROM holdings WHERE client_id = 'ANN' AND security_id = 'MSFT'"))
    batches, _ = exchange.enter([exchange.order("sell", "BOB", 5, 9_990), exchange.order("buy", "ANN", 5, 9_990)])
    settle(clearing_data, executions_of(batches))
    assert ("ANN", "MSFT", 5, 0) in state(clearing_data)["holdings"]


def test_a_close_may_come_before_an_earlier_fill(exchange: Exchange, clearing_data: Database) -> None:
    sell, buy = exchange.order("sell", "BOB", 5, 9_990), exchange.order("buy", "ANN", 8, 10_000, time_in_force="ioc")
    batches, _ = exchange.enter([sell, buy])
    fill, close = executions_of(batches)
    assert isinstance(fill, TradeMade)
    assert isinstance(close, OrderClosed)
    settle(clearing_data, [close])
    assert order(clearing_data, buy.order_id) == ("new", 0, 3, "unfilled")
    assert account(clearing_data, "ANN")[2] == 1
    settle(clearing_data, [fill])
    assert order(clearing_data, buy.order_id) == ("cancelled", 5, 3, "unfilled")
    assert account(clearing_data, "ANN") == (CASH_CENTS - 5 * 9_990, 0, 0)


def test_an_order_that_rests_never_because_it_would_trade_is_rejected(
    exchange: Exchange, clearing_data: Database
) -> None:
    sell, buy = exchange.order("sell", "BOB", 5, 9_990), exchange.order("buy", "ANN", 8, 10_000, post_only=True)
    batches, _ = exchange.enter([sell, buy])
    settle(clearing_data, executions_of(batches))
    assert order(clearing_data, buy.order_id) == ("rejected", 0, 8, "would_cross")
    assert account(clearing_data, "ANN") == (CASH_CENTS, 0, 0)


def test_an_older_trade_does_not_set_the_last_price(exchange: Exchange, clearing_data: Database) -> None:
    sells = [exchange.order("sell", "BOB", 1, price) for price in (9_990, 9_995)]
    batches, _ = exchange.enter([*sells, exchange.order("buy", "ANN", 2, 10_000)])
    first, second = executions_of(batches)
    settle(clearing_data, [second])
    settle(clearing_data, [first])
    assert ("MSFT", 9_995, second.event_id) in state(clearing_data)["last_prices"]


@pytest.mark.parametrize("of_kind", [Exchange.requests, Exchange.every_kind])
@pytest.mark.parametrize("seed", range(5))
def test_the_outcome_does_not_depend_on_order_repetition_or_batches(
    clearing_data: Database, seed: int, of_kind: Callable[[Exchange, int], list[Request]]
) -> None:
    open_accounts(clearing_data)
    exchange = Exchange(clearing_data, seed=seed)
    executions = executions_of([batch for _ in range(10) for batch in exchange.enter(of_kind(exchange, 40))[0]])
    assert len(executions) > 100
    with restorable(clearing_data) as restore:
        settle(clearing_data, executions)
        at_once = state(clearing_data)
        restore()
        chance = random.Random(seed)
        batches = [[one] for one in executions] + [chance.sample(executions, chance.randint(1, 30)) for _ in range(20)]
        chance.shuffle(batches)
        with ThreadPoolExecutor(max_workers=3) as workers:
            for batch in [workers.submit(settle, clearing_data, batch) for batch in batches]:
                batch.result()
        assert state(clearing_data) == at_once


@pytest.mark.parametrize("seed", range(3))
def test_balances_and_holdings_are_what_the_ledger_says(clearing_data: Database, seed: int) -> None:
    open_accounts(clearing_data)
    exchange = Exchange(clearing_data, seed=seed)
    for _ in range(5):
        settle(clearing_data, executions_of(exchange.enter(exchange.requests(60))[0]))
    with clearing_data.snapshot() as tx:
        wrong = tx.execute(
            text(
                """
                WITH posting AS (
                    SELECT account, cash_cents, security_id, shares FROM ledger
                    UNION ALL SELECT contra_account, -cash_cents, security_id, -shares FROM ledger
                )
                SELECT client_id, balance_cents FROM accounts WHERE balance_cents <>
                    (SELECT COALESCE(sum(cash_cents), 0) FROM posting WHERE account = client_id)
                UNION ALL
                SELECT client_id, shares FROM holdings WHERE shares <> (
                    SELECT COALESCE(sum(shares), 0) FROM posting
                    WHERE account = client_id AND posting.security_id = holdings.security_id
                )
                """
            )
        ).all()
    assert wrong == []


class Scene(NamedTuple):
    """ANN bought 5 of 8 from BOB, who sells 3 more; DOT's sale was denied.

    `settled` is that trade; `trade` and `close` name orders that are open for as much, so they would be settled.
    """

    settled: TradeMade
    trade: TradeMade
    close: OrderClosed
    buy: OrderRequest
    sell: OrderRequest
    denied: OrderRequest


@pytest.fixture
def scene(exchange: Exchange, clearing_data: Database) -> Scene:
    buy, sell = exchange.order("buy", "ANN", 8, 10_000), exchange.order("sell", "BOB", 3, 10_050)
    denied = exchange.order("sell", "DOT", 10_000_000, 9_990)
    batches, _ = exchange.enter([exchange.order("sell", "BOB", 5, 9_990), buy, sell, denied])
    settle(clearing_data, executions_of(batches))
    (settled,) = executions_of(batches)
    assert isinstance(settled, TradeMade)
    trade = replace(settled, event_id=settled.event_id + 100, quantity=1, sell_order_id=sell.order_id)
    close = OrderClosed(
        settled.event_id + 200, buy.order_id, "ANN", "MSFT", "buy", 1, 10_000, "cancelled", "cancelled", NOW_US
    )
    return Scene(settled, trade, close, buy, sell, denied)


FORGERIES: dict[str, Callable[[Scene], Execution]] = {
    "of an unknown order": lambda scene: replace(scene.trade, buy_order_id=999_999),
    "of another client's order": lambda scene: replace(scene.trade, buyer="CID"),
    "of a security that neither order is of": lambda scene: replace(scene.trade, security_id="AAPL"),
    "that swaps the sides": lambda scene: replace(
        scene.trade,
        buy_order_id=scene.sell.order_id,
        buyer="BOB",
        buy_hold_cents=10_050,
        sell_order_id=scene.buy.order_id,
        seller="ANN",
    ),
    "of more than is open": lambda scene: replace(scene.trade, quantity=4),
    "of another hold": lambda scene: replace(scene.trade, buy_hold_cents=20_000),
    "of a denied order": lambda scene: replace(scene.trade, sell_order_id=scene.denied.order_id, seller="DOT"),
    "that closes more than is open": lambda scene: replace(scene.close, quantity=4),
    "that closes another client's order": lambda scene: replace(scene.close, client_id="CID"),
    "that releases another hold": lambda scene: replace(scene.close, hold_cents=1),
    "known at another price": lambda scene: replace(scene.settled, price_cents=9_980),
    "known of another aggressor": lambda scene: replace(scene.settled, aggressor_side="sell"),
    "known as another kind": lambda scene: replace(scene.close, event_id=scene.settled.event_id),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_35_an_execution_is_refused_and_changes_nothing(scene: Scene, clearing_data: Database, forgery: str) -> None:
    before = state(clearing_data)
    with pytest.raises(ExecutionRefused):
        settle(clearing_data, [FORGERIES[forgery](scene)])
    assert state(clearing_data) == before


def test_the_executions_that_the_forged_ones_are_made_of_are_settled(scene: Scene, clearing_data: Database) -> None:
    settle(clearing_data, [scene.settled, scene.trade, scene.close])
    assert order(clearing_data, scene.buy.order_id) == ("partially_filled", 6, 1, "cancelled")


def test_books_that_do_not_cover_what_is_open_are_our_own_fault(exchange: Exchange, clearing_data: Database) -> None:
    batches, _ = exchange.enter([exchange.order("sell", "BOB", 5, 9_990), exchange.order("buy", "ANN", 5, 9_990)])
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE accounts SET held_cents = 0 WHERE client_id = 'ANN'"))
    before = state(clearing_data)
    with pytest.raises(BooksBroken):
        settle(clearing_data, executions_of(batches))
    assert state(clearing_data) == before


def close_account(clearing_data: Database, client_id: str) -> None:
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE accounts SET state = 'closed' WHERE client_id = :id"), {"id": client_id})


def test_a_trade_with_a_closed_account_fails_once_and_for_good(exchange: Exchange, clearing_data: Database) -> None:
    sell, buy = exchange.order("sell", "BOB", 5, 9_990), exchange.order("buy", "ANN", 8, 10_000)
    batches, _ = exchange.enter([sell, buy])
    (trade,) = executions_of(batches)
    close_account(clearing_data, "BOB")
    before = state(clearing_data)
    for _ in range(2):
        assert settle_once(clearing_data, [trade], settled_us=NOW_US) == {trade.event_id: "account_closed"}
    assert account(clearing_data, "ANN") == (CASH_CENTS, 3 * 10_000, 1)
    assert account(clearing_data, "BOB") == (CASH_CENTS, 0, 0)
    assert ("BOB", "MSFT", SHARES, 0) in state(clearing_data)["holdings"]
    assert order(clearing_data, sell.order_id) == ("cancelled", 0, 5, "account_closed")
    assert order(clearing_data, buy.order_id) == ("new", 0, 5, "account_closed")
    assert state(clearing_data)["ledger"] == before["ledger"]
    assert state(clearing_data)["last_prices"] == before["last_prices"]
    with pytest.raises(ExecutionRefused, match="different content"):
        settle(clearing_data, [replace(trade, price_cents=9_980)])
