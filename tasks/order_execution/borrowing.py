"""Changes that a batch makes to the loans of its clients that sell short; `rules.lending` computes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from db.clearing_data.clearing.settlement import BooksBroken
from db.clearing_data.lending import loans
from tasks.messages import Execution
from tasks.order_execution.rules import lending
from tasks.order_execution.rules.changes import Settlement
from tasks.shared.rules.loan_rows import Loans


class Borrowing:
    """The loans of a batch. Create it before the batch changes orders, use it afterwards; the accounts are locked.

    short_sellers  the batch's clients that ever sold short
    """

    def __init__(
        self, tx: Connection, executions: Sequence[Execution], settlement: Settlement, short_sellers: Collection[str]
    ) -> None:
        self._tx = tx
        self._settlement = settlement
        self._short_sellers = short_sellers
        self._order_ids = lending.sell_orders(settlement, short_sellers)
        self._sales = lending.sales_of(executions, settlement, short_sellers)
        # The effect of fills and closes on an order is known; a replacement may change anything.
        replaced = {one.order_id for one in settlement.decided}.intersection(self._order_ids)
        self._before = loans.short_orders(tx, replaced) if replaced else {}

    def settle(self) -> Loans:
        """Compute what is lent and returned, and the collateral. The orders are already written, the rest is not.

        raises  BooksBroken  the transaction must then be rolled back
        """
        settlement = self._settlement
        owners = [owner for owner in settlement.holdings if owner[0] in self._short_sellers]
        after, old = loans.orders_and_positions(self._tx, self._order_ids, owners)
        located = lending.take_holds(settlement, self._before, after)
        changes = lending.lend(settlement, old, located)
        owing = lending.unsecured(changes, old, self._sales)
        sales = loans.last_sales(self._tx, {one: owes for one, owes in owing.items() if owes}, new=self._sales)
        try:
            lending.secure(changes, owing, sales)
        except ValueError as fault:
            raise BooksBroken(str(fault)) from fault
        return changes
