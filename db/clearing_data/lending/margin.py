"""The accounts that owe shares, for the clearinghouse: their margin, buy-ins, and the default fund."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from db.arrays import array
from db.clearing_data.tables import EXCHANGE
from db.statements import Statements
from tasks.order_execution.rules.margin import Owed, OwingAccount, Payment

DEFAULT_FUND = "default_fund"

# Only one of several workers checks the margin; the number is arbitrary.
_LOCK = 7_266_005

_OWING = """
    SELECT client_id, balance_cents, held_cents, collateral_cents, open_orders, buy_in_us, fund_cents FROM accounts
    WHERE sells_short AND (collateral_cents > 0 OR buy_in_us IS NOT NULL)
        AND (%(clients)s IS NULL OR client_id = ANY(%(clients)s)) ORDER BY client_id
"""
_OWED = """
    SELECT client_id, security_id, borrowed, price_cents FROM holdings JOIN last_prices USING (security_id)
    WHERE client_id = ANY(%s) AND borrowed > 0 ORDER BY client_id, security_id
"""


def is_ours(tx: Connection) -> bool:
    """Take the lock on the margin check until the transaction ends; return whether no other worker has it."""
    return bool(tx.exec_driver_sql("SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,)).scalar_one())


def owing(tx: Connection, clients: Collection[str] | None = None, *, lock: bool = False) -> list[OwingAccount]:
    """Return the accounts of these or of all clients that owe shares or are being bought in, by their names.

    lock  whether they stay locked until the transaction ends
    """
    named = None if clients is None else list(clients)
    rows = tx.exec_driver_sql(_OWING + ("FOR UPDATE" if lock else ""), {"clients": named}).mappings().all()
    owed: dict[str, list[Owed]] = defaultdict(list)
    if rows:
        # A separate statement, because it sees what was settled before the locks were granted.
        for client_id, *what in tx.exec_driver_sql(_OWED, ([row["client_id"] for row in rows],)):
            owed[client_id].append(Owed(*what))
    return [OwingAccount(**row, owed=owed[row["client_id"]]) for row in rows]


_BELOW = """
    SELECT client_id, balance_cents, held_cents, collateral_cents, buy_in_us, security_id, borrowed, price_cents
    FROM accounts JOIN holdings USING (client_id) JOIN last_prices USING (security_id)
    WHERE client_id = ANY($1::text[]) AND borrowed > 0 AND buy_in_us IS NULL
"""


def add_owing(statements: Statements, clients: Iterable[str]) -> None:
    """Add the query for the clients among these that owe shares and are not being bought in."""
    statements.add_prepared("margin", _BELOW, (array(clients),))


def owing_of(rows: Iterable[tuple[Any, ...]]) -> list[OwingAccount]:
    """Return the accounts in the rows of this query."""
    found: dict[str, OwingAccount] = {}
    for client_id, balance, held, collateral, since_us, *owed in rows:
        account = found.setdefault(
            client_id,
            OwingAccount(
                client_id, balance, held, collateral, open_orders=0, buy_in_us=since_us, fund_cents=0, owed=[]
            ),
        )
        account.owed.append(Owed(*owed))
    return list(found.values())


def begin_buy_ins(tx: Connection, clients: Sequence[str], *, now_us: int) -> None:
    """Begin the buy-ins of clients, whose accounts are locked."""
    if clients:
        tx.exec_driver_sql(
            "UPDATE accounts SET buy_in_us = %s, buy_in_tried_us = NULL "
            "WHERE client_id = ANY(%s) AND buy_in_us IS NULL",
            (now_us, list(clients)),
        )


def fund(tx: Connection) -> int:
    """Lock the default fund, after all other accounts, and return its cash [cents]."""
    query = "SELECT balance_cents - held_cents FROM accounts WHERE client_id = %s FOR UPDATE"
    cents: int = tx.exec_driver_sql(query, (EXCHANGE,)).scalar_one()
    return cents


def pay(tx: Connection, payments: Iterable[Payment], *, now_us: int) -> None:
    """Book the payments of the default fund and to it; the accounts and the fund are locked."""
    for one in payments:
        if one.cents:
            tx.exec_driver_sql(
                "INSERT INTO ledger (kind, account, contra_account, cash_cents, shares, booked_us) "
                "VALUES (%s, %s, %s, %s, 0, %s)",
                (DEFAULT_FUND, one.client_id, EXCHANGE, one.cents, now_us),
            )
            tx.exec_driver_sql(
                "UPDATE accounts SET balance_cents = balance_cents - %s WHERE client_id = %s", (one.cents, EXCHANGE)
            )
        tx.exec_driver_sql(
            "UPDATE accounts SET balance_cents = balance_cents + %s, "
            "fund_cents = CASE WHEN %s THEN 0 ELSE fund_cents + %s END, "
            "buy_in_us = CASE WHEN %s THEN NULL ELSE buy_in_us END WHERE client_id = %s",
            (one.cents, one.is_over, one.cents, one.is_over, one.client_id),
        )
