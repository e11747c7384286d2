"""Loans: the changes that a batch of executions makes to what clients owe, and to the collateral for it.

Only for clients that ever sold short; all others change as `clearing` says. Everything follows from sums and from the
set of all sales, so it does not matter in which batches, and in which order, executions settle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from tasks.messages import Execution, TradeMade
from tasks.order_execution.rules.changes import HoldingChange, Settlement
from tasks.shared.rules import loans
from tasks.shared.rules.loan_rows import LoanEntry, Loans, Owner, Position, ShortOrder, ShortSale


def sell_orders(settlement: Settlement, clients: Collection[str]) -> list[int]:
    """Return the sell orders of these clients that a batch changes."""
    return [
        order_id
        for order_id, change in settlement.orders.items()
        if change.side == "sell" and change.client_id in clients
    ]


def sales_of(executions: Iterable[Execution], settlement: Settlement, clients: Collection[str]) -> list[ShortSale]:
    """Return the sales of these clients in a batch, without trades that fail."""
    failed = {trade.event_id for trade in settlement.failed}
    return [
        ShortSale(one.seller, one.security_id, one.event_id, one.quantity, one.price_cents)
        for one in executions
        if type(one) is TradeMade and one.seller in clients and one.event_id not in failed
    ]


def take_holds(
    settlement: Settlement, before: Mapping[int, ShortOrder], after: Mapping[int, ShortOrder]
) -> Counter[Owner]:
    """Make orders that sell short hold what their rows say, in place of the shares that clearing assumed.

    before   the replaced orders before the batch; the others follow from their fills and closes
    after    all these orders after the batch
    returns  the change in located shares of each client and security
    """
    located: Counter[Owner] = Counter()
    for order_id, order in after.items():
        change = settlement.orders[order_id]
        gone = change.filled_quantity, change.closed_quantity
        earlier = before.get(order_id) or order._replace(filled=order.filled - gone[0], closed=order.closed - gone[1])
        old, new = earlier.holds, order.holds
        owner = (change.client_id, change.security_id)
        reckoned = change.needed - sum(gone)
        settlement.holdings.setdefault(owner, HoldingChange()).held += new.owned - old.owned - reckoned
        settlement.accounts[change.client_id].held_cents += new.margin_cents - old.margin_cents
        located[owner] += new.short - old.short
    return located


def lend(settlement: Settlement, positions: Mapping[Owner, Position], located: Mapping[Owner, int]) -> Loans:
    """Lend the missing shares, and take back the available ones; `secure` computes the collateral.

    The positions are removed from the holdings that the settlement changes.

    positions  of the clients that sell short
    """
    changes = Loans()
    for owner, old in positions.items():
        change = settlement.holdings.pop(owner, None) or HoldingChange()
        held = old.held + change.held
        net = old.shares - old.borrowed + change.shares
        borrowed = loans.owed(net, held)
        more = borrowed - old.borrowed
        promised = located.get(owner, 0)
        changes.positions[owner] = Position(net + borrowed, held, borrowed, old.located + promised, old.sold_cents)
        if more:
            changes.entries.append(LoanEntry(*owner, more))
        changes.lent[owner[1]] += more
        changes.located[owner[1]] += promised
    return changes


def unsecured(changes: Loans, old: Mapping[Owner, Position], sales: Iterable[ShortSale]) -> dict[Owner, int]:
    """Return the positions whose collateral may change, with the shares owed in them."""
    sold = {(sale.client_id, sale.security_id) for sale in sales}
    return {
        owner: new.borrowed
        for owner, new in changes.positions.items()
        if new.borrowed != old[owner].borrowed or (new.borrowed and owner in sold)
    }


def secure(changes: Loans, owing: Mapping[Owner, int], sales: Mapping[Owner, Iterable[tuple[int, int]]]) -> None:
    """Require collateral for owed shares.

    owing  the positions whose collateral may change, with the shares owed in them
    sales  the sales of these positions, the last first
    """
    for owner, borrowed in owing.items():
        position = changes.positions[owner]
        sold_cents = loans.sold_cents(sales.get(owner, ()), borrowed)
        more = loans.collateral_cents(sold_cents) - loans.collateral_cents(position.sold_cents)
        if more:
            changes.collateral_cents[owner[0]] += more
        changes.positions[owner] = position._replace(sold_cents=sold_cents)
