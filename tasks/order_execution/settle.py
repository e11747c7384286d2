"""Settles one batch of executions in one transaction: register, clear, write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection

from db import coverage
from db.clearing_data.clearing import executions as register
from db.clearing_data.clearing import order_changes
from db.clearing_data.clearing import settlement as books
from db.clearing_data.clearing.settlement import MATCHING
from db.clearing_data.lending import loans
from db.clearing_data.lending import margin as accounts
from db.connect import Database
from db.statements import Statements
from tasks.messages import Execution, TradeMade
from tasks.order_execution.borrowing import Borrowing
from tasks.order_execution.rules import clearing
from tasks.order_execution.rules.margin import OwingAccount, to_buy_in
from tasks.shared.rules.coverage import Interval


def settle_once(
    clearing_data: Database,
    executions: Sequence[Execution],
    covers: Sequence[Interval] = (),
    *,
    settled_us: int,
    on_buy_ins: Callable[[Sequence[OwingAccount]], None] | None = None,
) -> dict[int, str]:
    """Settle the executions that are not settled yet, all of them or none.

    Almost always none is settled, so they are assumed to be new until the register says otherwise; then the known ones
    are looked up first. The loop ends: each further turn means that another worker settled one of them in between.

    executions  in the order of their event ids, each once
    covers      the intervals of events whose executions these are, completely
    settled_us  the time [us since 1970, UTC]
    on_buy_ins  called once the transaction is committed, with the accounts whose buy-ins it has begun
    returns     the reasons of the trades that failed, now or before, by event id

    raises  clearing.ExecutionRefused  one of them cannot have come from the engine
            settlement.BooksBroken     our books do not cover an amount that they should
            sqlalchemy.exc.DBAPIError, psycopg2.OperationalError  Postgres is away, or two transactions met
    """
    fresh = executions
    failed: dict[int, str] = {}
    closed: set[str] = set()
    while fresh:
        try:
            with clearing_data.transaction() as tx:
                trades, begun = _settle(tx, fresh, covers, closed, settled_us)
            if begun and on_buy_ins is not None:
                on_buy_ins(begun)
            return failed | {trade.event_id: clearing.ACCOUNT_CLOSED for trade in trades}
        except _AccountsClosed as others:
            closed |= others.clients
        except register.AlreadySettled:
            with clearing_data.transaction() as tx:
                fresh = clearing.unsettled(executions, register.known(tx, executions))
                failed = register.failed(tx, executions)
    if covers:
        with clearing_data.transaction() as tx:
            _cover(tx, covers)
    return failed


def _cover(tx: Connection, covers: Sequence[Interval]) -> None:
    statements = Statements(tx)
    coverage.add(statements, MATCHING, covers)
    statements.run()


class _AccountsClosed(Exception):
    """Accounts that were assumed to be open are closed; the transaction must be rolled back."""

    def __init__(self, clients: set[str]) -> None:
        super().__init__(f"{len(clients)} accounts are closed")
        self.clients = clients


def _settle(
    tx: Connection,
    executions: Sequence[Execution],
    covers: Sequence[Interval],
    closed: set[str],
    settled_us: int,
) -> tuple[list[TradeMade], list[OwingAccount]]:
    """Settle new executions; return the trades among them that fail, and the accounts whose buy-ins begin.

    Work that needs no account comes before the locks on accounts, because other workers wait for these. So the legs
    are booked on the assumption that the accounts are open; in the rare case that one is not, everything is repeated.

    closed  clients whose accounts are known to be closed; closing is final
    raises  _AccountsClosed  more accounts are closed
    """
    register.register(tx, executions, settled_us=settled_us)
    settlement = clearing.clear(executions, rates=books.fee_rates(tx), closed=closed)
    books.book(tx, settlement, booked_us=settled_us)
    if settlement.failed:
        register.fail(tx, settlement.failed, clearing.ACCOUNT_CLOSED)
    are_closed, short_sellers = books.lock_accounts(tx, settlement.accounts)
    if others := are_closed - closed:
        raise _AccountsClosed(others)
    borrowing = Borrowing(tx, executions, settlement, short_sellers) if short_sellers else None
    opened = order_changes.change_terms(tx, settlement.orders)
    changed = order_changes.change_orders(tx, settlement.orders)
    opened.subtract(clearing.count_closed(settlement, changed))
    released, fees = order_changes.release_replaces(tx, settlement.decided)
    clearing.require_decided(settlement, released)
    clearing.release_fees(settlement, changed, fees)
    if borrowing is None:
        books.change(tx, settlement, opened, covers)
        return settlement.failed, []
    changes = borrowing.settle()
    owing = books.change(
        tx,
        settlement,
        opened,
        covers,
        first=partial(loans.write, changes=changes, booked_us=settled_us),
        last=partial(accounts.add_owing, clients=short_sellers),
    )
    begun = to_buy_in(accounts.owing_of(owing))
    accounts.begin_buy_ins(tx, [one.client_id for one in begun], now_us=settled_us)
    return settlement.failed, begun
