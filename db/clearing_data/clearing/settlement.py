"""Writes the changes that a batch makes to money and shares: few statements, whatever the size of the batch.

The order of the locks is that of the whole exchange: executions, accounts, and under a client's account row its
orders and holdings; then the account of EXCHANGE, which every batch with fees needs, and last prices at the end. The
rows of DTCC are never locked, because it is flat over every trade.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from psycopg2.errors import CheckViolation

from db import coverage
from db.arrays import array
from db.clearing_data.tables import DTCC, EXCHANGE
from db.statements import Statements
from tasks.order_execution.rules.changes import FeeRates, HoldingChange, LastPrice, LedgerEntry, Settlement
from tasks.shared.rules.coverage import Interval

# A function that adds statements to others.
Adds = Callable[[Statements], None]

# The stage whose events are settled, in `coverage`.
MATCHING = "matching"


class BooksBroken(Exception):
    """Accounts or holdings do not cover what their own open orders need."""


_LOCK_ACCOUNTS = "SELECT FROM accounts WHERE client_id = ANY($1::text[]) ORDER BY client_id FOR UPDATE"


def lock_accounts(statements: Statements, clients: Iterable[str]) -> None:
    """Lock the accounts of clients, always in the same order; this also protects their orders and holdings.

    The next statement that runs sends this along.
    """
    statements.add_prepared("lock_accounts_to_settle", _LOCK_ACCOUNTS, (array(clients),))


_FEE_RATES = (
    "SELECT security_id, maker_fee_ppm, taker_fee_ppm FROM securities WHERE maker_fee_ppm <> 0 OR taker_fee_ppm <> 0"
)


def fee_rates(statements: Statements) -> dict[str, FeeRates]:
    """Run waiting statements; return the fees of the securities that have any.

    They change only while a security has nothing left to settle.
    """
    statements.add_prepared("fee_rates", _FEE_RATES, ())
    return {security_id: FeeRates(maker, taker) for security_id, maker, taker in statements.run()}


def change(
    statements: Statements,
    settlement: Settlement,
    opened_orders: Mapping[str, int],
    covers: Iterable[Interval] = (),
    *,
    first: Adds | None = None,
) -> None:
    """Write a batch's changes of accounts, holdings and last prices, and the events that it covers.

    The next statement that runs sends the last of them along.
    opened_orders  change in each client's number of open orders
    first          adds statements before these, in the same round trip

    raises  BooksBroken  the transaction must then be rolled back
    """
    # This conflicts with nothing, so it shares the next round trip instead of taking one of its own.
    coverage.add(statements, MATCHING, covers)
    if first is not None:
        first(statements)
    try:
        _change_accounts_and_holdings(statements, settlement, opened_orders)
    except CheckViolation as violation:
        raise BooksBroken(str(violation)) from violation
    if settlement.earned_cents:
        statements.add(_EARN, (settlement.earned_cents, EXCHANGE))
    _set_last_prices(statements, settlement.last_prices)


# The accounts are already locked, so it does not matter which of the two tables Postgres changes first.
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
    """Change both, and insert a holding for a buyer that never had the security.

    An upsert would not do: it first tests the proposed row, a seller's negative difference, against the CHECK.
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


def book(statements: Statements, settlement: Settlement, *, booked_us: int) -> None:
    """Enter the legs of trades in the ledger, each against DTCC, and the fees against EXCHANGE."""
    for kind, contra_account, entries in (("trade", DTCC, settlement.ledger), ("fee", EXCHANGE, settlement.fees)):
        of_all = {"kind": kind, "contra_account": contra_account, "booked_us": booked_us}
        statements.insert("ledger", LedgerEntry.__struct_fields__, entries, of_all)


# Every batch with fees waits here for the others, so this comes as late as possible.
_EARN = "UPDATE accounts SET balance_cents = balance_cents + %s WHERE client_id = %s"


# The rows are locked in the order of the securities; otherwise two batches could block each other.
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
