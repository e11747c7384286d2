"""Writes what a unit of executions changes: one statement a table, whatever the size of the unit.

The order of the locks is that of the whole exchange: executions, accounts, and under a client's account row its
orders and holdings; then the account of EXCHANGE, which every unit with fees needs, and last prices last. The rows of
DTCC are never locked; it is flat over every trade.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg2.errors import CheckViolation
from sqlalchemy import Connection, text

from db.arrays import array
from db.clearing_data.changes import (
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
from db.clearing_data.tables import DTCC, EXCHANGE
from db.connect import copy_rows
from db.statements import Statements


class BooksBroken(Exception):
    """Accounts or holdings do not cover what their own open orders need."""


_LOCK_ACCOUNTS = "SELECT client_id, state FROM accounts WHERE client_id = ANY($1::text[]) ORDER BY client_id FOR UPDATE"


def lock_accounts(tx: Connection, clients: Iterable[str]) -> set[str]:
    """Lock the accounts of clients, always in the same order; so their orders and holdings are ours, too.

    returns  those whose accounts are closed
    """
    rows = _run(tx, "lock_accounts_to_settle", _LOCK_ACCOUNTS, array(clients))
    return {client_id for client_id, state in rows if state == "closed"}


_FEE_RATES = (
    "SELECT security_id, maker_fee_ppm, taker_fee_ppm FROM securities WHERE maker_fee_ppm <> 0 OR taker_fee_ppm <> 0"
)


def fee_rates(tx: Connection) -> dict[str, FeeRates]:
    """The fees of the securities that have any. They change only while nothing of a security is left to settle."""
    return {security_id: FeeRates(maker, taker) for security_id, maker, taker in _run(tx, "fee_rates", _FEE_RATES)}


def _run(tx: Connection, name: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """The rows of a statement that every unit needs, so that the connection keeps it parsed and planned."""
    statements = Statements(tx)
    statements.add_prepared(name, statement, parameters)
    return statements.run()


# Of two replacements that settle in the wrong order the later one stands.
_CHANGE_TERMS = text(
    """
    WITH change AS (
        SELECT order_id, client_id, terms.event_id, terms.quantity, terms.price_cents, terms.hold_cents,
            filled_quantity + closed_quantity < orders.quantity AS was_open,
            filled_quantity + closed_quantity < terms.quantity AS is_open
        FROM orders JOIN unnest(
            CAST(:order_ids AS bigint[]), CAST(:event_ids AS bigint[]), CAST(:quantities AS bigint[]),
            CAST(:price_cents AS bigint[]), CAST(:hold_cents AS bigint[])
        ) AS terms (order_id, event_id, quantity, price_cents, hold_cents) USING (order_id)
        WHERE COALESCE(orders.terms_event_id, 0) < terms.event_id
    ), changed AS (
        UPDATE orders SET
            quantity = change.quantity,
            price_cents = CASE WHEN orders.price_cents IS NULL THEN NULL ELSE change.price_cents END,
            hold_cents = change.hold_cents,
            terms_event_id = change.event_id
        FROM change WHERE orders.order_id = change.order_id
    ), opened AS (
        INSERT INTO open_orders (client_id, order_id)
        SELECT client_id, order_id FROM change WHERE is_open AND NOT was_open
    ), no_longer_open AS (
        DELETE FROM open_orders USING change
        WHERE change.was_open AND NOT change.is_open
            AND open_orders.client_id = change.client_id AND open_orders.order_id = change.order_id
    )
    SELECT client_id, CAST(is_open AS int) - CAST(was_open AS int) FROM change WHERE is_open <> was_open
    """
)


def change_terms(tx: Connection, changes: Mapping[int, OrderChange]) -> Counter[str]:
    """Write the new terms of replaced orders; returns how many orders more (+) or less (-) each client has open.

    What was filled ahead of a replacement may have closed an order that has more to trade: then it is open again.
    """
    terms: dict[int, Terms] = {order_id: change.terms for order_id, change in changes.items() if change.terms}
    opened: Counter[str] = Counter()
    if terms:
        event_ids, quantities, price_cents, hold_cents = zip(*terms.values(), strict=True)
        rows = tx.execute(
            _CHANGE_TERMS,
            {
                "order_ids": list(terms),
                "event_ids": list(event_ids),
                "quantities": list(quantities),
                "price_cents": list(price_cents),
                "hold_cents": list(hold_cents),
            },
        )
        for client_id, orders in rows:
            opened[client_id] += orders
    return opened


_RELEASE = text(
    """
    DELETE FROM pending_replaces AS pending
    USING unnest(
        CAST(:order_ids AS bigint[]), CAST(:command_ids AS bigint[]), CAST(:client_ids AS text[]),
        CAST(:reserved AS bigint[])
    ) AS decided (order_id, command_id, client_id, reserved)
    WHERE pending.order_id = decided.order_id AND pending.command_id = decided.command_id
        AND pending.client_id = decided.client_id AND pending.reserved = decided.reserved
    RETURNING pending.order_id, pending.command_id
    """
)

# With nothing pending, an order can be filled up to its quantity again, and no further.
_LIMIT_FILLS = text(
    """
    UPDATE orders SET largest_quantity = quantity
    WHERE order_id = ANY(:order_ids) AND filled_quantity + closed_quantity <= quantity
        AND NOT EXISTS (SELECT FROM pending_replaces AS pending WHERE pending.order_id = orders.order_id)
    """
)


def release_replaces(tx: Connection, decided: Sequence[Decided]) -> set[tuple[int, int]]:
    """Strike replacements off that were decided; returns (order id, command id) of those that were pending so."""
    if not decided:
        return set()
    order_ids, command_ids, client_ids, reserved = (list(column) for column in zip(*decided, strict=True))
    rows = tx.execute(
        _RELEASE, {"order_ids": order_ids, "command_ids": command_ids, "client_ids": client_ids, "reserved": reserved}
    )
    released = {(order_id, command_id) for order_id, command_id in rows}
    tx.execute(_LIMIT_FILLS, {"order_ids": order_ids})
    return released


# An order is closed when fills and closes add up to its quantity, in whichever order they came; ahead of a replacement
# they may be more. A close of the whole order says whether it was cancelled or rejected; with a fill before or after
# it, it was cancelled. Its reason stands, unless a trade of it failed.
_CHANGE_ORDERS = """
    UPDATE orders SET
        filled_quantity = orders.filled_quantity + change.filled_quantity,
        filled_cents = orders.filled_cents + change.filled_cents,
        closed_quantity = orders.closed_quantity + change.closed_quantity,
        status = CASE
            WHEN orders.filled_quantity + change.filled_quantity >= orders.quantity THEN 'filled'
            WHEN change.closed_quantity = orders.quantity AND change.rejected THEN 'rejected'
            WHEN orders.status = 'rejected' THEN 'rejected'
            WHEN orders.filled_quantity + change.filled_quantity
               + orders.closed_quantity + change.closed_quantity >= orders.quantity THEN 'cancelled'
            WHEN orders.filled_quantity + change.filled_quantity > 0 THEN 'partially_filled'
            ELSE 'new'
        END,
        reason = CASE orders.reason
            WHEN 'account_closed' THEN orders.reason ELSE COALESCE(change.reason, orders.reason)
        END,
        updated_us = GREATEST(orders.updated_us, change.updated_us)
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[], $6::text[], $7::bigint[])
        AS change (order_id, filled_quantity, filled_cents, closed_quantity, rejected, reason, updated_us)
    WHERE orders.order_id = change.order_id
        AND orders.filled_quantity + change.filled_quantity
          + orders.closed_quantity + change.closed_quantity <= greatest(orders.quantity, orders.largest_quantity)
    RETURNING orders.order_id, orders.client_id, orders.security_id, orders.side, orders.hold_cents,
        orders.largest_quantity IS NOT NULL AS is_replaced,
        orders.filled_quantity + orders.closed_quantity >= orders.quantity
            AND orders.filled_quantity + orders.closed_quantity
              - change.filled_quantity - change.closed_quantity < orders.quantity AS is_closed
"""

# Planned anew each time: the best plan depends on how many orders are open, and it would be kept from when few were.
_NO_LONGER_OPEN = """
    DELETE FROM open_orders USING unnest(%s::text[], %s::bigint[]) AS closed (client_id, order_id)
    WHERE open_orders.client_id = closed.client_id AND open_orders.order_id = closed.order_id
"""


def change_orders(tx: Connection, changes: Mapping[int, OrderChange]) -> list[ChangedOrder]:
    """Write what happened to open orders; returns those that were open for as much as the change says."""
    rows = _run(
        tx,
        "change_orders",
        _CHANGE_ORDERS,
        array(changes),
        array([change.filled_quantity for change in changes.values()]),
        array([change.filled_cents for change in changes.values()]),
        array([change.closed_quantity for change in changes.values()]),
        array([change.rejected for change in changes.values()]),
        array([change.reason for change in changes.values()]),
        array([change.updated_us for change in changes.values()]),
    )
    changed = [ChangedOrder(*row) for row in rows]
    closed = [order for order in changed if order.is_closed]
    if closed:
        statements = Statements(tx)
        parameters = array([order.client_id for order in closed]), array([order.order_id for order in closed])
        statements.add(_NO_LONGER_OPEN, parameters)
        statements.run()
    return changed


def change(tx: Connection, settlement: Settlement, opened_orders: Mapping[str, int]) -> None:
    """Write what a unit changes of accounts, holdings and last prices.

    opened_orders  how many orders more (+) or less (-) each client has open

    raises  BooksBroken  and then the transaction is lost
    """
    statements = Statements(tx)
    try:
        _change_accounts_and_holdings(statements, settlement, opened_orders)
    except CheckViolation as violation:
        raise BooksBroken(str(violation)) from violation
    if settlement.earned_cents:
        statements.add(_EARN, (settlement.earned_cents, EXCHANGE))
    _set_last_prices(statements, settlement.last_prices)
    statements.run()


# The accounts are locked before, so it does not matter which of the two tables Postgres changes first.
_CHANGE = """
    WITH account AS (
        UPDATE accounts SET
            balance_cents = accounts.balance_cents + change.balance_cents,
            held_cents = accounts.held_cents + change.held_cents,
            open_orders = accounts.open_orders + change.opened_orders
        FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
            AS change (client_id, balance_cents, held_cents, opened_orders)
        WHERE accounts.client_id = change.client_id
        RETURNING accounts.client_id
    ), holding AS (
        UPDATE holdings SET shares = holdings.shares + change.shares, held = holdings.held + change.held
        FROM unnest($5::text[], $6::text[], $7::bigint[], $8::bigint[])
            AS change (client_id, security_id, shares, held)
        WHERE holdings.client_id = change.client_id AND holdings.security_id = change.security_id
        RETURNING holdings.client_id, holdings.security_id
    )
    SELECT client_id, NULL FROM account UNION ALL SELECT client_id, security_id FROM holding
"""

_OPEN_HOLDINGS = """
    INSERT INTO holdings (client_id, security_id, shares, held)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[])
"""


def _change_accounts_and_holdings(
    statements: Statements, settlement: Settlement, opened_orders: Mapping[str, int]
) -> None:
    """Change both, and open a holding for a buyer who never had the security.

    An upsert would not do: it holds the proposed row, a seller's negative difference, against the CHECK first.
    """
    accounts, holdings = settlement.accounts, settlement.holdings
    statements.add_prepared(
        "change_accounts_and_holdings",
        _CHANGE,
        (
            array(accounts),
            array([change.balance_cents for change in accounts.values()]),
            array([change.held_cents for change in accounts.values()]),
            array([opened_orders.get(client_id, 0) for client_id in accounts]),
            *_columns_of(holdings),
        ),
    )
    changed = set(statements.run())
    if any((client_id, None) not in changed for client_id in accounts):
        raise BooksBroken(f"an order without an account, of one of {sorted(accounts)[:10]}")
    if len(changed) < len(accounts) + len(holdings):
        statements.add(_OPEN_HOLDINGS, _columns_of({key: holdings[key] for key in holdings.keys() - changed}))
        statements.run()


def _columns_of(changes: Mapping[tuple[str, str], HoldingChange]) -> tuple[str, ...]:
    return (
        array([client_id for client_id, _ in changes]),
        array([security_id for _, security_id in changes]),
        array([change.shares for change in changes.values()]),
        array([change.held for change in changes.values()]),
    )


def book(tx: Connection, settlement: Settlement, *, booked_us: int) -> None:
    """Enter the legs of trades in the ledger, each against DTCC, and the fees against EXCHANGE."""
    for kind, contra_account, entries in (("trade", DTCC, settlement.ledger), ("fee", EXCHANGE, settlement.fees)):
        if entries:
            of_all = {"kind": kind, "contra_account": contra_account, "booked_us": booked_us}
            copy_rows(tx, "ledger", LedgerEntry.__struct_fields__, entries, of_all)


# Every unit with fees waits here for the others, so it comes as late as it can.
_EARN = "UPDATE accounts SET balance_cents = balance_cents + %s WHERE client_id = %s"


# The rows are locked in the order of the securities, or two units could block each other.
_SET_LAST_PRICES = """
    WITH newer AS (
        SELECT security_id, trade.event_id, trade.price_cents
        FROM last_prices
        JOIN unnest($1::text[], $2::bigint[], $3::bigint[]) AS trade (security_id, event_id, price_cents)
            USING (security_id)
        WHERE trade.event_id > last_prices.event_id
        ORDER BY security_id
        FOR UPDATE OF last_prices
    )
    UPDATE last_prices SET event_id = newer.event_id, price_cents = newer.price_cents
    FROM newer WHERE last_prices.security_id = newer.security_id
"""


def _set_last_prices(statements: Statements, prices: Mapping[str, LastPrice]) -> None:
    if not prices:
        return
    statements.add_prepared(
        "set_last_prices",
        _SET_LAST_PRICES,
        (
            array(prices),
            array([price.event_id for price in prices.values()]),
            array([price.price_cents for price in prices.values()]),
        ),
    )
