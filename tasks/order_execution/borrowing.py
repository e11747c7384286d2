"""Changes that a batch makes to the loans of its clients that sell short; `rules.lending` computes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection

from db.clearing_data.clearing.settlement import BooksBroken
from db.clearing_data.lending import loans
from tasks.messages import Execution
from tasks.order_execution.rules import lending
from tasks.order_execution.rules.changes import Settlement
from tasks.shared.rules.loan_rows import Loans, ShortOrder


def borrow(
    tx: Connection,
    executions: Sequence[Execution],
    settlement: Settlement,
    short_sellers: Collection[str],
    before: Mapping[int, ShortOrder],
) -> Loans:
    """Compute what is lent and returned, and the collateral. The orders are already written, the rest is not.

    short_sellers  the batch's clients that ever sold short; their accounts are locked
    before         the replaced orders before the batch

    raises  BooksBroken  the transaction must then be rolled back
    """
    order_ids = lending.sell_orders(settlement, short_sellers)
    new = lending.sales_of(executions, settlement, short_sellers)
    owners = [owner for owner in settlement.holdings if owner[0] in short_sellers]
    after, old = loans.orders_and_positions(tx, order_ids, owners)
    located = lending.take_holds(settlement, before, after)
    changes = lending.lend(settlement, old, located)
    owing = lending.unsecured(changes, old, new)
    sales = loans.last_sales(tx, {one: owes for one, owes in owing.items() if owes}, new=new)
    try:
        lending.secure(changes, owing, sales)
    except ValueError as fault:
        raise BooksBroken(str(fault)) from fault
    return changes
