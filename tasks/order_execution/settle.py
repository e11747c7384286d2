"""Settles one batch of executions in one transaction: register, clear, write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from psycopg2.errors import UniqueViolation

from db import coverage
from db.clearing_data.clearing import executions as register
from db.clearing_data.clearing import order_changes
from db.clearing_data.clearing import settlement as books
from db.clearing_data.clearing.settlement import MATCHING
from db.clearing_data.lending import loans
from db.clearing_data.lending import margin as accounts
from db.connect import Database
from db.statements import Statements, one_transaction
from tasks.messages import Execution, TradeMade
from tasks.order_execution.borrowing import borrow
from tasks.order_execution.rules import clearing
from tasks.order_execution.rules.changes import Settlement
from tasks.order_execution.rules.margin import OwingAccount, to_buy_in
from tasks.shared.rules.coverage import Interval
from tasks.shared.rules.loan_rows import ShortOrder


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
            with one_transaction(clearing_data) as statements:
                trades, begun = _settle(statements, fresh, covers, closed, settled_us)
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
        with one_transaction(clearing_data) as statements:
            coverage.add(statements, MATCHING, covers)
    return failed


class _AccountsClosed(Exception):
    """Accounts that were assumed to be open are closed; the transaction must be rolled back."""

    def __init__(self, clients: set[str]) -> None:
        super().__init__(f"{len(clients)} accounts are closed")
        self.clients = clients


def _settle(
    statements: Statements,
    executions: Sequence[Execution],
    covers: Sequence[Interval],
    closed: set[str],
    settled_us: int,
) -> tuple[list[TradeMade], list[OwingAccount]]:
    """Settle new executions in four round trips if they are few.

    Return the trades among them that fail, and the accounts whose buy-ins begin.

    Work that needs no account comes before the locks on accounts, because other workers wait for these. So the legs
    are booked on the assumption that the accounts are open; in the rare case that one is not, everything is repeated.

    closed  clients whose accounts are known to be closed; closing is final
    raises  AlreadySettled   some are registered
            _AccountsClosed  more accounts are closed
    """
    tx = statements.tx
    try:
        register.register(statements, executions, settled_us=settled_us)
        rates = books.fee_rates(statements)
    except UniqueViolation as violation:
        raise register.AlreadySettled from violation
    settlement = clearing.clear(executions, rates=rates, closed=closed)
    books.book(statements, settlement, booked_us=settled_us)
    books.lock_accounts(statements, settlement.accounts)
    if settlement.failed:
        statements.run()
        register.fail(tx, settlement.failed, clearing.ACCOUNT_CLOSED)
    before = _short_orders_replaced(statements, settlement)
    opened = order_changes.change_terms(statements, settlement.orders)
    changed = order_changes.change_orders(statements, settlement.orders, settlement.accounts)
    if others := changed.closed_accounts - closed:
        raise _AccountsClosed(others)
    order_changes.close_orders(statements, changed.orders)
    opened.subtract(clearing.count_closed(settlement, changed.orders))
    released, fees = order_changes.release_replaces(tx, settlement.decided)
    clearing.require_decided(settlement, released)
    clearing.release_fees(settlement, changed.orders, fees)
    if not changed.short_sellers:
        books.change(statements, settlement, opened, covers)
        return settlement.failed, []
    changes = borrow(tx, executions, settlement, changed.short_sellers, before)
    books.change(
        statements, settlement, opened, covers, first=partial(loans.write, changes=changes, booked_us=settled_us)
    )
    accounts.add_owing(statements, changed.short_sellers)
    begun = to_buy_in(accounts.owing_of(statements.run()))
    accounts.begin_buy_ins(tx, [one.client_id for one in begun], now_us=settled_us)
    return settlement.failed, begun


def _short_orders_replaced(statements: Statements, settlement: Settlement) -> dict[int, ShortOrder]:
    """Return the orders that sell short and that the batch replaces, before it changes them.

    The effect of fills and closes on an order is known; a replacement may change anything.
    """
    replaced = {one.order_id for one in settlement.decided if settlement.orders[one.order_id].side == "sell"}
    if not replaced:
        return {}
    statements.run()  # the accounts must be locked
    return loans.short_orders(statements.tx, replaced)
