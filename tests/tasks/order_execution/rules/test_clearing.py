"""The clearing rules by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tasks.matching.rules.engine import Engine
from tasks.messages import (
    Command,
    Execution,
    ExecutionBatch,
    OrderClosed,
    OrderReplaced,
    ReplaceRefused,
    TradeMade,
    event_id,
)
from tasks.order_execution.rules.changes import (
    AccountChange,
    ChangedOrder,
    Decided,
    FeeRates,
    HoldingChange,
    LastPrice,
    LedgerEntry,
    Settlement,
    Terms,
)
from tasks.order_execution.rules.clearing import (
    ExecutionRefused,
    clear,
    count_closed,
    once_each,
    release_fees,
    require_decided,
    unsettled,
)
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
# Before that she had changed it from 4 at 9,000 to 8 at 10,000, for which 44,000 more were reserved.
REPLACED = OrderReplaced(
    event_id=event_id(0, 6, 0),
    command_id=99,
    order_id=11,
    client_id="ANN",
    security_id="MSFT",
    side="buy",
    quantity=8,
    price_cents=10_000,
    old_open=4,
    old_hold_cents=9_000,
    open_quantity=8,
    hold_cents=10_000,
    reserved=44_000,
    replaced_us=900,
)
REFUSED = ReplaceRefused(event_id(0, 9, 0), 100, 11, "ANN", "MSFT", "buy", 500, "unknown_order", 3_000)


def changed(trade: TradeMade, **differences: object) -> TradeMade:
    return TradeMade(**(fields(trade) | differences))  # type: ignore[arg-type]


def fields(message: TradeMade | OrderReplaced) -> dict[str, object]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


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


def test_fees_are_booked_to_the_exchange() -> None:
    # Of 49,950 cents the aggressor, who buys, pays 3 basis points and the other side is paid 1.5.
    settlement = clear([TRADE], rates={"MSFT": FeeRates(maker_ppm=-150, taker_ppm=300)})
    assert settlement.accounts == {
        "ANN": AccountChange(balance_cents=-49_950 - 14, held_cents=-50_000),
        "BOB": AccountChange(balance_cents=49_950 + 7),
    }
    assert settlement.fees == [
        LedgerEntry(TRADE.event_id, "ANN", "MSFT", cash_cents=-14, shares=0),
        LedgerEntry(TRADE.event_id, "BOB", "MSFT", cash_cents=7, shares=0),
    ]
    assert settlement.earned_cents == 7
    assert settlement.ledger == clear([TRADE]).ledger
    assert clear([TRADE], rates={"AAPL": FeeRates(0, 300)}) == clear([TRADE])


def test_the_side_that_rested_pays_the_fee_of_the_maker() -> None:
    settlement = clear([changed(TRADE, aggressor_side="sell")], rates={"MSFT": FeeRates(maker_ppm=0, taker_ppm=300)})
    assert [entry.account for entry in settlement.fees] == ["BOB"]


@pytest.mark.parametrize("closed", ["ANN", "BOB"])
def test_a_trade_with_a_closed_account_fails_as_a_whole(closed: str) -> None:
    settlement = clear([TRADE], closed={closed}, rates={"MSFT": FeeRates(100, 100)})
    assert settlement.failed == [TRADE]
    assert settlement.accounts == {"ANN": AccountChange(held_cents=-50_000), "BOB": AccountChange()}
    assert settlement.holdings == {("BOB", "MSFT"): HoldingChange(held=-5)}
    assert (settlement.ledger, settlement.fees, settlement.earned_cents, settlement.last_prices) == ([], [], 0, {})
    for order in settlement.orders.values():
        assert (order.filled_quantity, order.closed_quantity, order.reason) == (0, 5, "account_closed")


@pytest.mark.parametrize("executions", [[TRADE, CLOSE], [CLOSE, TRADE]])
def test_an_order_keeps_the_failure_of_a_trade_as_its_reason(executions: list[Execution]) -> None:
    order = clear(executions, closed={"BOB"}).orders[11]
    assert (order.closed_quantity, order.reason) == (8, "account_closed")


def test_a_replacement_holds_what_the_new_terms_need_instead_of_what_was_reserved() -> None:
    settlement = clear([REPLACED])
    assert settlement.accounts == {"ANN": AccountChange(held_cents=8 * 10_000 - 4 * 9_000 - 44_000)}
    assert settlement.orders[11].terms == Terms(REPLACED.event_id, 8, 10_000, 10_000)
    assert settlement.decided == [Decided(11, 99, "ANN", 44_000)]
    sold = OrderReplaced(1, 99, 10, "BOB", "MSFT", "sell", 9, 9_000, 2, 9_500, 6, 9_000, 4, 900)
    settlement = clear([sold])
    assert settlement.accounts == {"BOB": AccountChange()}
    assert not settlement.holdings[("BOB", "MSFT")].held


def test_a_refused_replacement_releases_what_was_reserved_and_changes_nothing_else() -> None:
    settlement = clear([REFUSED])
    assert settlement.accounts == {"ANN": AccountChange(held_cents=-500)}
    assert settlement.decided == [Decided(11, 100, "ANN", 500)]
    order = settlement.orders[11]
    assert (order.terms, order.filled_quantity, order.closed_quantity, order.reason) == (None, 0, 0, None)


@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_replacements_the_later_one_stands(turn: int) -> None:
    later = OrderReplaced(**(fields(REPLACED) | {"event_id": REPLACED.event_id + 1, "command_id": 98, "quantity": 9}))
    assert clear([REPLACED, later][::turn]).orders[11].terms == Terms(later.event_id, 9, 10_000, 10_000)


def test_every_decided_replacement_has_to_be_pending() -> None:
    settlement = clear([REPLACED, REFUSED])
    require_decided(settlement, {(11, 99), (11, 100)})
    with pytest.raises(ExecutionRefused, match="replacement 100 of order 11"):
        require_decided(settlement, {(11, 99)})


@given(logs(), st.lists(st.integers(0, 3), min_size=1))
def test_units_may_be_cut_and_ordered_in_any_way(log: list[Command], deal: list[int]) -> None:
    executions = executions_of(log)
    batches: list[list[Execution]] = [[] for _ in range(4)]
    for position, execution in enumerate(executions):
        batches[deal[position % len(deal)]].insert(0, execution)
    assert sums(clear(batch) for batch in reversed(batches)) == sums([clear(executions)])


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
        ([ExecutionBatch(0, 1, [TRADE, changed(TRADE, quantity=6)])], "two different contents"),
        ([ExecutionBatch(0, 1, [TRADE]), ExecutionBatch(0, 1, [changed(TRADE, sequence=2)])], "two different contents"),
    ],
)
def test_batches_that_the_engine_cannot_have_sent(batches: list[ExecutionBatch], reason: str) -> None:
    with pytest.raises(ExecutionRefused, match=reason):
        once_each(batches)


def test_what_was_settled_falls_out_unless_its_content_differs() -> None:
    assert unsettled([TRADE, CLOSE], {TRADE.event_id: TRADE}) == [CLOSE]
    with pytest.raises(ExecutionRefused, match="settled with different content"):
        unsettled([TRADE, CLOSE], {TRADE.event_id: changed(TRADE, buyer="EVE")})


@pytest.mark.parametrize(
    "contradiction",
    [
        changed(TRADE, event_id=1, buyer="EVE"),
        changed(TRADE, event_id=1, security_id="AAPL"),
        changed(TRADE, event_id=1, sell_order_id=11, seller="ANN"),
    ],
)
def test_executions_have_to_agree_on_their_orders(contradiction: TradeMade) -> None:
    with pytest.raises(ExecutionRefused, match="contradicts another event"):
        clear([TRADE, contradiction])


def test_what_a_close_says_for_its_report_makes_it_no_other_close() -> None:
    with_limit = replace(CLOSE, limit_cents=9_000)
    batches = [ExecutionBatch(0, 1, [CLOSE]), ExecutionBatch(0, 1, [with_limit])]
    assert once_each(batches) == [CLOSE]
    assert unsettled([with_limit], {CLOSE.event_id: CLOSE}) == []
    with pytest.raises(ExecutionRefused, match="different content"):
        unsettled([replace(with_limit, quantity=1)], {CLOSE.event_id: CLOSE})


def test_no_buyer_pays_more_than_was_held() -> None:
    with pytest.raises(ExecutionRefused, match="above what is held"):
        clear([changed(TRADE, price_cents=10_001)])
    # What is held for fees the register of orders knows.
    assert clear([changed(TRADE, price_cents=10_000)], rates={"MSFT": FeeRates(0, 100)}).accounts["ANN"] == (
        AccountChange(-50_005, -50_000)
    )


def test_48_fees_that_are_held_no_longer_are_released() -> None:
    settlement = clear([TRADE])
    sold = ChangedOrder(10, "BOB", "MSFT", "sell", 9_990, is_replaced=False, is_closed=False)
    bought = ChangedOrder(11, "ANN", "MSFT", "buy", 10_000, False, False, fee_released_cents=6)
    release_fees(settlement, [sold, bought], {"ANN": 2, "EVE": 1})
    assert settlement.accounts["ANN"].held_cents == -5 * 10_000 - 8
    assert settlement.accounts["EVE"] == AccountChange(0, -1)
    assert settlement.accounts["BOB"].held_cents == 0


@pytest.mark.parametrize("executions", [[TRADE, changed(TRADE, event_id=1, buy_hold_cents=10_001)], [TRADE]])
def test_only_an_order_that_was_replaced_may_have_had_other_holds(executions: list[Execution]) -> None:
    sold = ChangedOrder(10, "BOB", "MSFT", "sell", 9_990, is_replaced=False, is_closed=False)
    bought = ChangedOrder(11, "ANN", "MSFT", "buy", 10_001, is_replaced=True, is_closed=False)
    assert not count_closed(clear(executions), [sold, bought])
    with pytest.raises(ExecutionRefused, match="differs from what the execution says"):
        count_closed(clear(executions), [sold, replace(bought, is_replaced=False)])


def test_an_order_is_counted_when_it_is_open_no_more() -> None:
    settlement = clear([TRADE, CLOSE])
    sold = ChangedOrder(10, "BOB", "MSFT", "sell", 9_990, is_replaced=False, is_closed=False)
    bought = ChangedOrder(11, "ANN", "MSFT", "buy", 10_000, is_replaced=False, is_closed=True)
    assert count_closed(settlement, [sold, bought]) == {"ANN": 1}


@pytest.mark.parametrize(
    "known",
    [
        None,
        ChangedOrder(11, "EVE", "MSFT", "buy", 10_000, is_replaced=False, is_closed=True),
        ChangedOrder(11, "ANN", "AAPL", "buy", 10_000, is_replaced=False, is_closed=True),
        ChangedOrder(11, "ANN", "MSFT", "sell", 10_000, is_replaced=False, is_closed=True),
        ChangedOrder(11, "ANN", "MSFT", "buy", 9_999, is_replaced=False, is_closed=True),
    ],
)
def test_every_order_has_to_be_the_one_that_the_execution_says(known: ChangedOrder | None) -> None:
    sold = ChangedOrder(10, "BOB", "MSFT", "sell", 9_990, is_replaced=False, is_closed=True)
    with pytest.raises(ExecutionRefused):
        count_closed(clear([TRADE]), [sold, known] if known else [sold])
