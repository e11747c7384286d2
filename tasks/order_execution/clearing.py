"""The rules of the clearinghouse: what executions change, as values.

Each trade is novated: the buyer buys from the counterparty DTCC and DTCC buys from the seller, and each of the two
legs exchanges the shares for the cash in the same entry, delivery versus payment. DTCC is flat over every trade, so
its account and holdings are never touched. The ledger keeps both legs of each trade; accounts, holdings and orders
change by the sums of a unit.

Everything here is a difference, so the outcome does not depend on the order in which units settle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from db.clearing_data.changes import (
    AccountChange,
    ChangedOrder,
    HoldingChange,
    LastPrice,
    LedgerEntry,
    OrderChange,
    Settlement,
)
from tasks.messages import Execution, ExecutionBatch, OrderClosed, Side, TradeMade, split_event_id


class ExecutionRefused(Exception):
    """A message holds an execution that the engine cannot have sent: its sender is wrong, not we."""


def once_each(batches: Iterable[ExecutionBatch]) -> list[Execution]:
    """The executions of all batches in the order of their event ids, each once.

    raises  ExecutionRefused  one event with two contents, or of another shard than its batch
    """
    executions: dict[int, Execution] = {}
    for batch in batches:
        for execution in batch.executions:
            if split_event_id(execution.event_id)[0] != batch.shard:
                raise ExecutionRefused(f"event {execution.event_id} is not of shard {batch.shard}")
            first = executions.setdefault(execution.event_id, execution)
            if first is not execution and first != execution:
                raise ExecutionRefused(f"event {execution.event_id} came with two contents")
    return [executions[event_id] for event_id in sorted(executions)]


def unsettled(executions: Sequence[Execution], settled: Mapping[int, Execution]) -> list[Execution]:
    """Those of the executions that are not settled yet.

    settled  what was settled before, by event id
    raises   ExecutionRefused  an event was settled with another content
    """
    for execution in executions:
        if settled.get(execution.event_id, execution) != execution:
            raise ExecutionRefused(f"event {execution.event_id} was settled with another content")
    return [execution for execution in executions if execution.event_id not in settled]


def clear(executions: Iterable[Execution]) -> Settlement:
    """What the executions change.

    executions  each once
    raises      ExecutionRefused  they contradict each other, or a buyer pays more than was held for it
    """
    settlement = Settlement()
    for execution in executions:
        if type(execution) is TradeMade:
            _clear_trade(settlement, execution)
        elif type(execution) is OrderClosed:
            _release(settlement, execution)
    return settlement


def count_closed(settlement: Settlement, orders: Sequence[ChangedOrder]) -> Counter[str]:
    """How many orders of each client the settlement closes.

    An order is open until the very change that closes it, so over all units each is counted once.

    orders  those of the settlement's orders that were open for as much as it fills and closes
    raises  ExecutionRefused  an execution is of an order that was not, or is another one
    """
    closed: Counter[str] = Counter()
    for order in orders:
        change = settlement.orders[order.order_id]
        if (
            change.client_id != order.client_id
            or change.security_id != order.security_id
            or change.side != order.side
            or change.hold_cents not in (None, order.hold_cents)
        ):
            raise ExecutionRefused(f"order {order.order_id} is another one than the execution says")
        if order.is_closed:
            closed[order.client_id] += 1
    if len(orders) < len(settlement.orders):
        unfit = settlement.orders.keys() - {order.order_id for order in orders}
        raise ExecutionRefused(f"no such orders, or not open for as much: {sorted(unfit)[:10]}")
    return closed


def _clear_trade(settlement: Settlement, trade: TradeMade) -> None:
    """Novate a trade to DTCC and settle its two legs."""
    quantity, price_cents, hold_cents = trade.quantity, trade.price_cents, trade.buy_hold_cents
    buyer, seller, security_id = trade.buyer, trade.seller, trade.security_id
    if price_cents > hold_cents:
        # With the orders' quantities, which settlement checks, this is why no settlement can overdraw an account:
        # each share takes at most what was held for it.
        raise ExecutionRefused(f"trade {trade.event_id} is above what is held for the buy order")
    cash_cents = quantity * price_cents

    for order in (
        _order(settlement, trade, trade.buy_order_id, buyer, "buy", hold_cents),
        _order(settlement, trade, trade.sell_order_id, seller, "sell", None),
    ):
        order.filled_quantity += quantity
        order.filled_cents += cash_cents
        if order.updated_us < trade.traded_us:
            order.updated_us = trade.traded_us

    account = _account(settlement, buyer)
    account.balance_cents -= cash_cents
    account.held_cents -= quantity * hold_cents
    _account(settlement, seller).balance_cents += cash_cents

    _holding(settlement, buyer, security_id).shares += quantity
    holding = _holding(settlement, seller, security_id)
    holding.shares -= quantity
    holding.held -= quantity

    settlement.ledger.append(LedgerEntry(trade.event_id, buyer, security_id, -cash_cents, quantity))
    settlement.ledger.append(LedgerEntry(trade.event_id, seller, security_id, cash_cents, -quantity))
    last = settlement.last_prices.get(security_id)
    if last is None or last.event_id < trade.event_id:
        settlement.last_prices[security_id] = LastPrice(trade.event_id, price_cents)


def _release(settlement: Settlement, closed: OrderClosed) -> None:
    """Release what is held for the rest of an order."""
    is_buy = closed.side == "buy"
    hold_cents = closed.hold_cents if is_buy else None
    change = _order(settlement, closed, closed.order_id, closed.client_id, closed.side, hold_cents)
    change.closed_quantity += closed.quantity
    change.rejected = closed.status == "rejected"
    change.reason = closed.reason
    change.updated_us = max(change.updated_us, closed.closed_us)

    account = _account(settlement, closed.client_id)  # its count of open orders changes in any case
    if is_buy:
        account.held_cents -= closed.quantity * closed.hold_cents
    else:
        _holding(settlement, closed.client_id, closed.security_id).held -= closed.quantity


def _order(
    settlement: Settlement, execution: Execution, order_id: int, client_id: str, side: Side, hold_cents: int | None
) -> OrderChange:
    """The change of an order, of which all executions must say the same."""
    change = settlement.orders.get(order_id)
    if change is None:
        change = settlement.orders[order_id] = OrderChange(client_id, execution.security_id, side, hold_cents)
    elif (
        change.client_id != client_id
        or change.side != side
        or change.hold_cents != hold_cents
        or change.security_id != execution.security_id
    ):
        raise ExecutionRefused(f"event {execution.event_id} knows order {order_id} as another one")
    return change


def _account(settlement: Settlement, client_id: str) -> AccountChange:
    change = settlement.accounts.get(client_id)
    if change is None:
        change = settlement.accounts[client_id] = AccountChange()
    return change


def _holding(settlement: Settlement, client_id: str, security_id: str) -> HoldingChange:
    key = (client_id, security_id)
    change = settlement.holdings.get(key)
    if change is None:
        change = settlement.holdings[key] = HoldingChange()
    return change
