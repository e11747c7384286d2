"""What a unit changes of the loans of its clients that sell short; see `rules.lending` for how that is worked out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from psycopg2.errors import CheckViolation
from sqlalchemy import Connection

from db.clearing_data import loans
from db.clearing_data.settlement import BooksBroken
from db.statements import Statements
from tasks.messages import Execution
from tasks.order_execution.rules import lending
from tasks.order_execution.rules.changes import Settlement


class Borrowing:
    """The loans of a unit, made before it changes orders and used after it; its accounts are locked.

    short_sellers  those of its clients that ever sold short
    """

    def __init__(
        self, tx: Connection, executions: Sequence[Execution], settlement: Settlement, short_sellers: Collection[str]
    ) -> None:
        self._tx = tx
        self._settlement = settlement
        self._short_sellers = short_sellers
        self._order_ids = lending.sell_orders(settlement, short_sellers)
        self._sales = lending.sales_of(executions, settlement, short_sellers)
        self._before = loans.short_orders(tx, self._order_ids) if self._order_ids else {}

    def settle(self, *, booked_us: int) -> None:
        """Lend what was sold short, take back what was returned, and require collateral.

        raises  BooksBroken  and then the transaction is lost
        """
        tx, settlement = self._tx, self._settlement
        after = loans.short_orders(tx, list(self._before)) if self._before else {}
        located = lending.take_holds(settlement, self._before, after)
        old = loans.positions(tx, [owner for owner in settlement.holdings if owner[0] in self._short_sellers])
        changes = lending.lend(settlement, old, located)
        loans.record_sales(tx, self._sales)
        owing = lending.unsecured(changes, old, self._sales)
        try:
            lending.secure(changes, owing, loans.last_sales(tx, {one: owes for one, owes in owing.items() if owes}))
        except ValueError as fault:
            raise BooksBroken(str(fault)) from fault
        loans.book(tx, changes.entries, booked_us=booked_us)
        statements = Statements(tx)
        loans.write(statements, changes)
        try:
            statements.run()
        except CheckViolation as violation:
            raise BooksBroken(str(violation)) from violation
