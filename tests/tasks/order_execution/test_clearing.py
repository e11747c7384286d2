"""The clearing rules by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.clearing_data.changes import AccountChange, ChangedOrder, HoldingChange, LastPrice, LedgerEntry, Settlement
from tasks.matching.engine import Engine
from tasks.messages import Command, Execution, ExecutionBatch, OrderClosed, TradeMade, event_id
from tasks.order_execution.clearing import ExecutionRefused, clear, count_closed, once_each, unsettled
from tests.support.command_logs import logs

# ANN buys 5 of BOB at 9,990, for which she holds 10,000 a share.
TRADE = TradeMade(
    event_id=event_id(0, 7, 0),
    security_id="MSFT",
    sequence=1,
    price_cents=9_990,
    quantity=5,
    aggressor_side="buy",
    buy_order_id=11,
    buyer="ANN",
    buy_hold_cents=10_000,
    sell_order_id=10,
    seller="BOB",
    traded_us=1_000,
)
# And what is open of her order is cancelled.
CLOSE = OrderClosed(
    event_id=event_id(0, 8, 0),
    order_id=11,
    client_id="ANN",
    security_id="MSFT",
    side="buy",
    quantity=3,
    hold_cents=10_000,
    status="cancelled",
    reason="cancelled",
    closed_us=2_000,
)


def changed(trade: TradeMade, **differences: object) -> TradeMade:
    return TradeMade(**{name: getattr(trade, name) for name in TradeMade.__struct_fields__} | differences)  # type: ignore[arg-type]


def executions_of(commands: Iterable[Command]) -> list[Execution]:
    """What the engine makes of a log."""
    engine = Engine(0)
    events = [event for seq, command in enumerate(commands, 1) for event in engine.apply(seq, command)]
    return [event for event in events if isinstance(event, TradeMade | OrderClosed)]


def sums(settlements: Iterable[Settlement]) -> dict[tuple[object, ...], int]:
    """All differences of all settlements together, without those that are zero."""
    total: Counter[tuple[object, ...]] = Counter()
    for settlement in settlements:
        for client_id, account in settlement.accounts.items():
            total["cash", client_id] += account.balance_cents
            total["held", client_id] += account.held_cents
        for owned, holding in settlement.holdings.items():
            total["shares", owned] += holding.shares
            total["held", owned] += holding.held
        for order_id, order in settlement.orders.items():
            total["filled", order_id] += order.filled_quantity
            total["paid", order_id] += order.filled_cents
            total["closed", order_id] += order.closed_quantity
    return {name: amount for name, amount in total.items() if amount}


def test_a_trade_exchanges_shares_for_cash_and_consumes_both_holds() -> None:
    settlement = clear([TRADE])
    assert settlement.accounts == {
        "ANN": AccountChange(balance_cents=-49_950, held_cents=-50_000),
        "BOB": AccountChange(balance_cents=49_950),
    }
    assert settlement.holdings == {
        ("ANN", "MSFT"): HoldingChange(shares=5),
        ("BOB", "MSFT"): HoldingChange(shares=-5, held=-5),
    }
    assert settlement.ledger == [
        LedgerEntry(TRADE.event_id, "ANN", "MSFT", cash_cents=-49_950, shares=5),
        LedgerEntry(TRADE.event_id, "BOB", "MSFT", cash_cents=49_950, shares=-5),
    ]
    assert settlement.last_prices == {"MSFT": LastPrice(TRADE.event_id, 9_990)}


def test_a_close_releases_what_is_held_for_the_rest() -> None:
    settlement = clear([CLOSE])
    assert settlement.accounts == {"ANN": AccountChange(held_cents=-30_000)}
    assert not settlement.holdings
    assert not settlement.ledger
    sell = OrderClosed(1, 10, "BOB", "MSFT", "sell", 4, 9_990, "cancelled", "cancelled", 2_000)
    settlement = clear([sell])
    assert settlement.accounts == {"BOB": AccountChange()}
    assert settlement.holdings == {("BOB", "MSFT"): HoldingChange(held=-4)}


def test_the_last_price_is_that_of_the_newest_trade() -> None:
    older = changed(TRADE, event_id=event_id(0, 6, 0), price_cents=9_980)
    assert clear([TRADE, older]).last_prices == {"MSFT": LastPrice(TRADE.event_id, 9_990)}


@given(logs(), st.lists(st.integers(0, 3), min_size=1))
def test_units_may_be_cut_and_ordered_in_any_way(log: list[Command], deal: list[int]) -> None:
    executions = executions_of(log)
    units: list[list[Execution]] = [[] for _ in range(4)]
    for position, execution in enumerate(executions):
        units[deal[position % len(deal)]].insert(0, execution)
    assert sums(clear(unit) for unit in reversed(units)) == sums([clear(executions)])


@given(logs())
def test_the_ledger_sums_to_zero_and_says_what_accounts_and_holdings_gain(log: list[Command]) -> None:
    settlement = clear(executions_of(log))
    cash: Counter[str] = Counter()
    shares: Counter[tuple[str, str]] = Counter()
    for entry in settlement.ledger:
        cash[entry.account] += entry.cash_cents
        shares[entry.account, entry.security_id] += entry.shares
    assert sum(cash.values()) == 0
    assert sum(shares.values()) == 0
    assert all(cash[client] == account.balance_cents for client, account in settlement.accounts.items())
    assert all(shares[owned] == holding.shares for owned, holding in settlement.holdings.items())
    assert len(settlement.ledger) == 2 * len({entry.event_id for entry in settlement.ledger})


def test_the_executions_of_all_batches_come_once_in_the_order_of_their_ids() -> None:
    first, second = ExecutionBatch(0, 1, [TRADE]), ExecutionBatch(0, 2, [CLOSE, TRADE])
    assert once_each([second, first]) == [TRADE, CLOSE]


@pytest.mark.parametrize(
    ("batches", "reason"),
    [
        ([ExecutionBatch(1, 1, [TRADE])], "not of shard 1"),
        ([ExecutionBatch(0, 1, [TRADE, changed(TRADE, quantity=6)])], "two contents"),
        ([ExecutionBatch(0, 1, [TRADE]), ExecutionBatch(0, 1, [changed(TRADE, sequence=2)])], "two contents"),
    ],
)
def test_batches_that_the_engine_cannot_have_sent(batches: list[ExecutionBatch], reason: str) -> None:
    with pytest.raises(ExecutionRefused, match=reason):
        once_each(batches)


def test_what_was_settled_falls_out_unless_its_content_differs() -> None:
    assert unsettled([TRADE, CLOSE], {TRADE.event_id: TRADE}) == [CLOSE]
    with pytest.raises(ExecutionRefused, match="settled with another content"):
        unsettled([TRADE, CLOSE], {TRADE.event_id: changed(TRADE, buyer="EVE")})


@pytest.mark.parametrize(
    "contradiction",
    [
        changed(TRADE, event_id=1, buyer="EVE"),
        changed(TRADE, event_id=1, security_id="AAPL"),
        changed(TRADE, event_id=1, buy_hold_cents=10_001),
        changed(TRADE, event_id=1, sell_order_id=11, seller="ANN"),
    ],
)
def test_executions_have_to_agree_on_their_orders(contradiction: TradeMade) -> None:
    with pytest.raises(ExecutionRefused, match="as another one"):
        clear([TRADE, contradiction])


def test_no_buyer_pays_more_than_was_held() -> None:
    with pytest.raises(ExecutionRefused, match="above what is held"):
        clear([changed(TRADE, price_cents=10_001)])


def test_an_order_is_counted_when_it_is_open_no_more() -> None:
    settlement = clear([TRADE, CLOSE])
    sold = ChangedOrder(10, "BOB", "MSFT", "sell", 9_990, is_closed=False)
    bought = ChangedOrder(11, "ANN", "MSFT", "buy", 10_000, is_closed=True)
    assert count_closed(settlement, [sold, bought]) == {"ANN": 1}


@pytest.mark.parametrize(
    "known",
    [
        None,
        ChangedOrder(11, "EVE", "MSFT", "buy", 10_000, is_closed=True),
        ChangedOrder(11, "ANN", "AAPL", "buy", 10_000, is_closed=True),
        ChangedOrder(11, "ANN", "MSFT", "sell", 10_000, is_closed=True),
        ChangedOrder(11, "ANN", "MSFT", "buy", 9_999, is_closed=True),
    ],
)
def test_every_order_has_to_be_the_one_that_the_execution_says(known: ChangedOrder | None) -> None:
    sold = ChangedOrder(10, "BOB", "MSFT", "sell", 9_990, is_closed=True)
    with pytest.raises(ExecutionRefused):
        count_closed(clear([TRADE]), [sold, known] if known else [sold])
