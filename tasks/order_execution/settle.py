"""One unit of executions in one transaction: registered, cleared, written."""

from __future__ import annotations

from collections.abc import Sequence

from db.clearing_data import executions as register
from db.clearing_data import settlement as books
from db.connect import Database
from tasks.messages import Execution
from tasks.order_execution import clearing


def settle_once(clearing_data: Database, executions: Sequence[Execution], *, settled_us: int) -> None:
    """Settle those of the executions that are not settled yet, all of them or none.

    Almost always none is, so they are taken for new until the register says otherwise; then those that it knows are
    looked up first. It ends: each further turn means that another worker has settled one of them in between.

    executions  in the order of their event ids, each once
    settled_us  the time [us since 1970, UTC]

    raises  clearing.ExecutionRefused  one of them cannot have come from the engine
            settlement.BooksBroken     our books do not cover what they should
            sqlalchemy.exc.DBAPIError, psycopg2.OperationalError  Postgres is away, or two transactions met
    """
    fresh = executions
    while fresh:
        try:
            with clearing_data.transaction() as tx:
                register.register(tx, fresh, settled_us=settled_us)
                settlement = clearing.clear(fresh)
                books.lock_accounts(tx, settlement.accounts)
                orders = books.change_orders(tx, settlement.orders)
                closed = clearing.count_closed(settlement, orders)
                books.write(tx, settlement, closed, booked_us=settled_us)
            return
        except register.AlreadySettled:
            with clearing_data.transaction() as tx:
                fresh = clearing.unsettled(executions, register.known(tx, executions))
