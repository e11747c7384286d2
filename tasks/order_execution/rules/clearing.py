"""The rules of the clearinghouse: the changes that executions make, as values.

Each trade is novated: the buyer buys from the counterparty DTCC and DTCC buys from the seller, and each of the two
legs exchanges the shares for the cash in the same entry, delivery versus payment. DTCC is flat over every trade, so
its account and holdings are never touched. The ledger keeps both legs of each trade and the fees of both sides;
accounts, holdings and orders change by the sums of a batch.

A trade with a closed account fails as a whole: neither leg is booked, and the quantity counts as closed for both
orders, so that its holds are released.

Everything here is a difference, so the outcome does not depend on the order in which batches settle. Only the terms of
an order are not a difference: of several replacements, the one with the highest event id applies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from tasks.messages import (
    Execution,
    ExecutionBatch,
    OrderClosed,
    OrderReplaced,
    ReplaceRefused,
    Side,
    TradeMade,
    as_settled,
    split_event_id,
)
from tasks.order_execution.rules.changes import (
    AccountChange,
    ChangedOrder,
    Decided,
    FeeRates,
    HoldingChange,
    LastPrice,
    LedgerEntry,
    OrderChange,
    Settlement,
    Terms,
)
from tasks.shared.rules.fees import fee_cents, rate_ppm

# Why a trade fails. An order that lost quantity this way keeps this reason, whatever closes the rest of it.
ACCOUNT_CLOSED = "account_closed"


class ExecutionRefused(Exception):
    """A message contains an execution that the engine cannot have sent: the sender is wrong, not the clearinghouse."""


def once_each(batches: Iterable[ExecutionBatch]) -> list[Execution]:
    """Return the executions of all batches in the order of their event ids, each once.

    raises  ExecutionRefused  an event has two contents, or belongs to another shard than its batch
    """
    executions: dict[int, Execution] = {}
    for batch in batches:
        for execution in batch.executions:
            if split_event_id(execution.event_id)[0] != batch.shard:
                raise ExecutionRefused(f"event {execution.event_id} is not of shard {batch.shard}")
            first = executions.setdefault(execution.event_id, execution)
            if first != execution and as_settled(first) != as_settled(execution):
                raise ExecutionRefused(f"event {execution.event_id} has two different contents")
    return [executions[event_id] for event_id in sorted(executions)]


def unsettled(executions: Sequence[Execution], settled: Mapping[int, Execution]) -> list[Execution]:
    """Return the executions that are not settled yet.

    settled  the executions settled before, by event id
    raises   ExecutionRefused  an event was settled with different content
    """
    for execution in executions:
        if settled.get(execution.event_id, execution) not in (execution, as_settled(execution)):
            raise ExecutionRefused(f"event {execution.event_id} was settled with different content")
    return [execution for execution in executions if execution.event_id not in settled]


def clear(
    executions: Iterable[Execution], *, rates: Mapping[str, FeeRates] | None = None, closed: Collection[str] = ()
) -> Settlement:
    """Return the changes that the executions make.

    executions  each once
    rates       the fees of the securities that have any
    closed      clients whose accounts are closed: their trades fail
    raises      ExecutionRefused  they contradict each other, or a buyer pays more than was held for it
    """
    settlement = Settlement()
    for execution in executions:
        if type(execution) is TradeMade:
            if closed and (execution.buyer in closed or execution.seller in closed):
                _fail(settlement, execution)
            else:
                _clear_trade(settlement, execution, rates.get(execution.security_id) if rates else None)
        elif type(execution) is OrderClosed:
            _release(settlement, execution)
        elif type(execution) is OrderReplaced:
            _replace(settlement, execution)
        elif type(execution) is ReplaceRefused:
            _leave(settlement, execution)
    return settlement


def count_closed(settlement: Settlement, orders: Sequence[ChangedOrder]) -> Counter[str]:
    """Return how many orders of each client the settlement's fills and closes close.

    An order is open until the one change that closes it, so over all batches each order is counted once.

    orders  the settlement's orders whose open quantity covered its fills and closes
    raises  ExecutionRefused  the open quantity of an order was too small, or the order is not the one executed
    """
    closed: Counter[str] = Counter()
    for order in orders:
        change = settlement.orders[order.order_id]
        if (
            change.client_id != order.client_id
            or change.security_id != order.security_id
            or change.side != order.side
            or (
                (change.holds_differ or change.hold_cents not in (None, order.hold_cents))
                and not order.is_replaced  # fills under other terms may settle earlier or later
            )
        ):
            raise ExecutionRefused(f"order {order.order_id} differs from what the execution says")
        if order.is_closed:
            closed[order.client_id] += 1
    if len(orders) < len(settlement.orders):
        unfit = settlement.orders.keys() - {order.order_id for order in orders}
        raise ExecutionRefused(f"orders that do not exist, or have too little open: {sorted(unfit)[:10]}")
    return closed


def release_fees(settlement: Settlement, orders: Iterable[ChangedOrder], others: Mapping[str, int]) -> None:
    """Release the cash that orders hold for fees and no longer need.

    others  by client: cash released in addition because replacements were decided [cents]
    """
    for order in orders:
        if order.fee_released_cents:
            _account(settlement, order.client_id).held_cents -= order.fee_released_cents
    for client_id, cents in others.items():
        _account(settlement, client_id).held_cents -= cents


def require_decided(settlement: Settlement, released: Collection[tuple[int, int]]) -> None:
    """Require that every replacement decided by the executions was pending.

    released  (order id, command id) of the replacements that were pending
    raises    ExecutionRefused  one was not
    """
    for decided in settlement.decided:
        if (decided.order_id, decided.command_id) not in released:
            raise ExecutionRefused(
                f"replacement {decided.command_id} of order {decided.order_id} is not pending with this reservation"
            )


def _clear_trade(settlement: Settlement, trade: TradeMade, rates: FeeRates | None) -> None:
    """Novate a trade to DTCC and settle its two legs."""
    quantity, price_cents, hold_cents = trade.quantity, trade.price_cents, trade.buy_hold_cents
    buyer, seller, security_id, event_id = trade.buyer, trade.seller, trade.security_id, trade.event_id
    cash_cents = quantity * price_cents
    buyer_pays = seller_pays = 0
    if rates is not None:
        of_buyer, of_seller = (
            rate_ppm(side, trade.aggressor_side, maker_ppm=rates.maker_ppm, taker_ppm=rates.taker_ppm)
            for side in ("buy", "sell")
        )
        buyer_pays = fee_cents(cash_cents, of_buyer)
        seller_pays = fee_cents(cash_cents, of_seller)
        _charge(settlement, trade, buyer, buyer_pays)
        _charge(settlement, trade, seller, seller_pays)
    held_cents = quantity * hold_cents
    if cash_cents > held_cents:
        # With the check of the orders' quantities in settlement, this is why no settlement can overdraw an account:
        # each share costs at most the cash held for it, and its fee at most the cash held for fees.
        raise ExecutionRefused(f"trade {event_id} is above what is held for the buy order")

    for order in (
        _order(settlement, trade, trade.buy_order_id, buyer, "buy", hold_cents),
        _order(settlement, trade, trade.sell_order_id, seller, "sell", None),
    ):
        order.filled_quantity += quantity
        order.filled_cents += cash_cents
        if order.updated_us < trade.traded_us:
            order.updated_us = trade.traded_us

    account = _account(settlement, buyer)
    account.balance_cents -= cash_cents + buyer_pays
    account.held_cents -= held_cents
    _account(settlement, seller).balance_cents += cash_cents - seller_pays

    _holding(settlement, buyer, security_id).shares += quantity
    holding = _holding(settlement, seller, security_id)
    holding.shares -= quantity
    holding.held -= quantity

    settlement.ledger.append(LedgerEntry(event_id, buyer, security_id, -cash_cents, quantity))
    settlement.ledger.append(LedgerEntry(event_id, seller, security_id, cash_cents, -quantity))
    last = settlement.last_prices.get(security_id)
    if last is None or last.event_id < event_id:
        settlement.last_prices[security_id] = LastPrice(event_id, price_cents)


def _charge(settlement: Settlement, trade: TradeMade, client_id: str, cents: int) -> None:
    """Enter the fee or the rebate of one side."""
    if cents:
        settlement.fees.append(LedgerEntry(trade.event_id, client_id, trade.security_id, -cents, 0))
        settlement.earned_cents += cents


def _fail(settlement: Settlement, trade: TradeMade) -> None:
    """Settle neither leg of a trade, and release the holds for both."""
    quantity = trade.quantity
    for order in (
        _order(settlement, trade, trade.buy_order_id, trade.buyer, "buy", trade.buy_hold_cents),
        _order(settlement, trade, trade.sell_order_id, trade.seller, "sell", None),
    ):
        order.closed_quantity += quantity
        order.reason = ACCOUNT_CLOSED
        order.updated_us = max(order.updated_us, trade.traded_us)
    _account(settlement, trade.buyer).held_cents -= quantity * trade.buy_hold_cents
    _account(settlement, trade.seller)
    _holding(settlement, trade.seller, trade.security_id).held -= quantity
    settlement.failed.append(trade)


def _release(settlement: Settlement, closed: OrderClosed) -> None:
    """Release the hold for the rest of an order."""
    is_buy = closed.side == "buy"
    hold_cents = closed.hold_cents if is_buy else None
    change = _order(settlement, closed, closed.order_id, closed.client_id, closed.side, hold_cents)
    change.closed_quantity += closed.quantity
    change.rejected = closed.status == "rejected"
    if change.reason != ACCOUNT_CLOSED:
        change.reason = closed.reason
    change.updated_us = max(change.updated_us, closed.closed_us)

    account = _account(settlement, closed.client_id)  # its count of open orders changes in any case
    if is_buy:
        account.held_cents -= closed.quantity * closed.hold_cents
    else:
        _holding(settlement, closed.client_id, closed.security_id).held -= closed.quantity


def _replace(settlement: Settlement, replaced: OrderReplaced) -> None:
    """Give an order its new terms, and hold what they need in place of the earlier hold and the reservation."""
    change = _order(settlement, replaced, replaced.order_id, replaced.client_id, replaced.side, None)
    if change.terms is None or change.terms.event_id < replaced.event_id:
        change.terms = Terms(replaced.event_id, replaced.quantity, replaced.price_cents, replaced.hold_cents)
    change.updated_us = max(change.updated_us, replaced.replaced_us)
    if replaced.side == "buy":
        needed = replaced.open_quantity * replaced.hold_cents - replaced.old_open * replaced.old_hold_cents
    else:
        needed = replaced.open_quantity - replaced.old_open
        change.needed += needed - replaced.reserved
    _decide(settlement, replaced, needed)


def _leave(settlement: Settlement, refused: ReplaceRefused) -> None:
    """Leave an order as it is, and release the reservation for its replacement."""
    change = _order(settlement, refused, refused.order_id, refused.client_id, refused.side, None)
    if refused.side == "sell":
        change.needed -= refused.reserved
    _decide(settlement, refused, 0)


def _decide(settlement: Settlement, decision: OrderReplaced | ReplaceRefused, needed: int) -> None:
    """Change the hold by the order's additional need, and release the reservation for its replacement."""
    order_id, client_id, reserved = decision.order_id, decision.client_id, decision.reserved
    account = _account(settlement, client_id)
    if decision.side == "buy":
        account.held_cents += needed - reserved
    else:
        _holding(settlement, client_id, decision.security_id).held += needed - reserved
    settlement.decided.append(Decided(order_id, decision.command_id, client_id, reserved))


def _order(
    settlement: Settlement, execution: Execution, order_id: int, client_id: str, side: Side, hold_cents: int | None
) -> OrderChange:
    """Return the change of an order; all executions must state the same client, security and side for it."""
    change = settlement.orders.get(order_id)
    if change is None:
        change = settlement.orders[order_id] = OrderChange(client_id, execution.security_id, side, hold_cents)
        return change
    if change.client_id != client_id or change.side != side or change.security_id != execution.security_id:
        raise ExecutionRefused(f"event {execution.event_id} contradicts another event about order {order_id}")
    if hold_cents is not None and change.hold_cents != hold_cents:
        change.holds_differ = change.hold_cents is not None
        change.hold_cents = hold_cents
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
