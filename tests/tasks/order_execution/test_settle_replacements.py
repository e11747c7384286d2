"""Settlement of replacements, before and after the fills that they allow."""

from __future__ import annotations

from itertools import permutations

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from db.connect import Database
from tasks.messages import OrderClosed, OrderReplaced, ReplaceRefused, TradeMade, event_id
from tasks.order_execution.rules.clearing import ExecutionRefused
from tests.support.trading import CASH_CENTS, NOW_US, Exchange
from tests.tasks.order_execution.states import account, executions_of, order, restorable, settle, state


def replacement(clearing_data: Database, order_id: int, *, quantity: int, price_cents: int, reserved: int) -> None:
    """Put a replacement of ANN's buy order into the books, as order entry does."""
    with clearing_data.transaction() as tx:
        terms = {"id": order_id, "quantity": quantity, "price": price_cents, "reserved": reserved}
        tx.execute(text("INSERT INTO pending_replaces VALUES (:id, 77, 'ANN', :quantity, :price, :reserved)"), terms)
        tx.execute(text("UPDATE orders SET largest_quantity = :quantity WHERE order_id = :id"), terms)
        tx.execute(text("UPDATE accounts SET held_cents = held_cents + :reserved WHERE client_id = 'ANN'"), terms)


@pytest.fixture
def replaced(exchange: Exchange, clearing_data: Database) -> tuple[OrderReplaced, TradeMade]:
    """ANN changes her order of 5 at 100.00 to one of 9 at 100.10, which then trades 7."""
    buy, sell = exchange.order("buy", "ANN", 5, 10_000), exchange.order("sell", "BOB", 7, 10_010)
    exchange.enter([buy, sell])
    replacement(clearing_data, buy.order_id, quantity=9, price_cents=10_010, reserved=40_090)
    event = OrderReplaced(
        event_id=event_id(0, 900, 0),
        command_id=77,
        order_id=buy.order_id,
        client_id="ANN",
        security_id="MSFT",
        side="buy",
        quantity=9,
        price_cents=10_010,
        old_open=5,
        old_hold_cents=10_000,
        open_quantity=9,
        hold_cents=10_010,
        reserved=40_090,
        replaced_us=NOW_US,
    )
    trade = TradeMade(
        event_id(0, 900, 1), "MSFT", 1, 10_010, 7, "buy", buy.order_id, "ANN", 10_010, sell.order_id, "BOB", NOW_US
    )
    return event, trade


def test_a_fill_may_settle_ahead_of_the_replacement_that_allows_it(
    replaced: tuple[OrderReplaced, TradeMade], clearing_data: Database
) -> None:
    event, trade = replaced
    settle(clearing_data, [trade])
    assert order(clearing_data, event.order_id) == ("filled", 7, 0, None)
    assert account(clearing_data, "ANN")[2] == 0
    settle(clearing_data, [event])
    assert order(clearing_data, event.order_id) == ("partially_filled", 7, 0, None)
    assert account(clearing_data, "ANN") == (CASH_CENTS - 7 * 10_010, 2 * 10_010, 1)
    assert ("ANN", event.order_id, None) in state(clearing_data)["open_orders"]
    assert state(clearing_data)["pending_replaces"] == []
    settle(clearing_data, [event, trade])  # again, which changes nothing
    assert account(clearing_data, "ANN") == (CASH_CENTS - 7 * 10_010, 2 * 10_010, 1)


def test_an_order_may_trade_before_and_after_another_price_in_any_order(
    exchange: Exchange, clearing_data: Database
) -> None:
    """A replacement of the price alone leaves the total as it is, and fills at both prices hold differently."""
    buy, sell = exchange.order("buy", "ANN", 12, 10_009), exchange.order("sell", "BOB", 7, 10_009)
    dearer, last = exchange.replace(buy, quantity=None, price_cents=10_011), exchange.order("sell", "CID", 3, 10_011)
    batches, _ = exchange.enter([buy, sell, dearer, last, exchange.cancel(buy)])
    executions = executions_of(batches)
    assert [type(one) for one in executions] == [TradeMade, OrderReplaced, TradeMade, OrderClosed]
    with restorable(clearing_data) as restore:
        for parts in ([executions], *([[one] for one in some] for some in permutations(executions))):
            for part in parts:
                settle(clearing_data, part)
            assert order(clearing_data, buy.order_id) == ("cancelled", 10, 2, "cancelled")
            assert account(clearing_data, "ANN") == (CASH_CENTS - 7 * 10_009 - 3 * 10_011, 0, 0)
            assert state(clearing_data)["pending_replaces"] == state(clearing_data)["open_orders"] == []
            restore()


@pytest.mark.parametrize(
    "forged",
    [{"command_id": 78}, {"reserved": 1}, {"client_id": "CID"}, {"side": "sell"}, {"security_id": "AAPL"}],
)
def test_a_replacement_that_no_client_asked_for_is_refused(
    replaced: tuple[OrderReplaced, TradeMade], clearing_data: Database, forged: dict[str, object]
) -> None:
    before = state(clearing_data)
    with pytest.raises(ExecutionRefused):
        settle(clearing_data, [replace(replaced[0], **forged)])
    assert state(clearing_data) == before


def test_a_replacement_with_another_content_is_seen(
    replaced: tuple[OrderReplaced, TradeMade], clearing_data: Database
) -> None:
    event, _ = replaced
    settle(clearing_data, [event])
    for changed in ({"old_open": 4}, {"old_hold_cents": 1}, {"open_quantity": 1}, {"price_cents": 1}):
        with pytest.raises(ExecutionRefused, match="different content"):
            settle(clearing_data, [replace(event, **changed)])


def test_once_nothing_is_pending_no_order_fills_beyond_its_quantity(
    replaced: tuple[OrderReplaced, TradeMade], clearing_data: Database
) -> None:
    event, trade = replaced
    refused = ReplaceRefused(
        event.event_id, event.command_id, event.order_id, "ANN", "MSFT", "buy", event.reserved, "halted", NOW_US
    )
    settle(clearing_data, [refused])
    with pytest.raises(ExecutionRefused, match="have too little open"):
        settle(clearing_data, [trade])
    settle(clearing_data, [replace(trade, quantity=5, price_cents=10_000, buy_hold_cents=10_000)])
    assert order(clearing_data, event.order_id) == ("filled", 5, 0, None)
