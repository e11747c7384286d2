"""What order entry and settlement read and write of stock loans.

DTCC's holdings are locked behind all accounts, by the names of the securities, and before everything that comes behind
these. A client's positions and orders are its own while its account is locked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection

from db.arrays import array
from db.clearing_data.tables import DTCC, MARGIN_HOLD, OWNED_OPEN, SHORT_OPEN
from db.connect import copy_rows
from db.statements import Statements, run_prepared
from tasks.shared.rules import loans
from tasks.shared.rules.loan_rows import LoanEntry, Loans, Owner, Position, ShortOrder, ShortSale
from tasks.shared.rules.loans import Split

LOAN = "loan"
RETURN = "return"

_LOCK_LENDABLE = (
    "SELECT security_id, shares - held FROM holdings WHERE client_id = $1 AND security_id = ANY($2::text[]) "
    "ORDER BY security_id FOR UPDATE"
)


def lock_lendable(tx: Connection, security_ids: Collection[str]) -> dict[str, int]:
    """Lock DTCC's holdings of securities; return how many shares of each it can still promise."""
    return dict(run_prepared(tx, "lock_lendable", _LOCK_LENDABLE, DTCC, array(security_ids)))


_DEBTS = """
    SELECT client_id, security_id, borrowed, sold_cents, COALESCE((
        SELECT sum(greatest(quantity, largest_quantity) - filled_quantity - closed_quantity)
        FROM open_orders JOIN orders USING (client_id, order_id)
        WHERE open_orders.client_id = owing.client_id AND orders.security_id = owing.security_id AND side = 'buy'
    ), 0)::bigint
    FROM holdings AS owing WHERE client_id = ANY($1::text[]) AND borrowed > 0
"""


def debts(tx: Connection, clients: Collection[str]) -> dict[Owner, tuple[int, int, int]]:
    """What clients owe, what it was sold for, and how many shares their open buy orders may still buy."""
    if not clients:
        return {}
    return {(row[0], row[1]): row[2:] for row in run_prepared(tx, "debts", _DEBTS, array(clients))}


_LOCATE = """
    INSERT INTO holdings AS own (client_id, security_id, shares, located)
    SELECT client_id, security_id, 0, more FROM unnest($1::text[], $2::text[], $3::bigint[])
        AS located (client_id, security_id, more)
    ON CONFLICT (client_id, security_id) DO UPDATE SET located = own.located + excluded.located
"""
_PROMISE = """
    UPDATE holdings SET held = held + more.shares FROM unnest($1::text[], $2::bigint[]) AS more (security_id, shares)
    WHERE client_id = $3 AND holdings.security_id = more.security_id
"""
_SELL_SHORT = "UPDATE accounts SET sells_short = true WHERE client_id = ANY($1::text[]) AND NOT sells_short"


def locate(statements: Statements, located: Mapping[Owner, int], promised: Mapping[str, int]) -> None:
    """Note how many shares more open orders may borrow, of clients, and of DTCC's holdings, which are locked."""
    if located:
        clients, securities = zip(*located, strict=True)
        statements.add_prepared("locate", _LOCATE, (array(clients), array(securities), array(located.values())))
    if promised:
        statements.add_prepared("promise", _PROMISE, (array(promised), array(promised.values()), DTCC))
    if located:
        statements.add_prepared("sell_short", _SELL_SHORT, (array({client_id for client_id, _ in located}),))


_SHORT_ORDERS = f"""
    SELECT order_id, client_id, security_id, {OWNED_OPEN}, {SHORT_OPEN}, {MARGIN_HOLD}
    FROM orders WHERE order_id = ANY($1::bigint[]) AND owned_quantity IS NOT NULL
"""  # noqa: S608 - the text is ours


def short_orders(tx: Connection, order_ids: Collection[int]) -> dict[int, ShortOrder]:
    """Those of the orders that sell short, by id, and what they hold."""
    rows = run_prepared(tx, "short_orders", _SHORT_ORDERS, array(order_ids))
    return {row[0]: ShortOrder(row[1], row[2], Split(*row[3:])) for row in rows}


_POSITIONS = """
    SELECT client_id, security_id, shares, held, borrowed, located, sold_cents
    FROM holdings JOIN unnest($1::text[], $2::text[]) AS wanted (client_id, security_id) USING (client_id, security_id)
"""


def positions(tx: Connection, owners: Collection[Owner]) -> dict[Owner, Position]:
    """What clients have and owe of securities, of those that ever had anything to do with them."""
    if not owners:
        return {}
    clients, securities = zip(*owners, strict=True)
    rows = run_prepared(tx, "positions", _POSITIONS, array(clients), array(securities))
    return {(row[0], row[1]): Position(*row[2:]) for row in rows}


def record_sales(tx: Connection, sales: Sequence[ShortSale]) -> None:
    """Enter what clients sold that sell short."""
    if sales:
        copy_rows(tx, "short_sales", ShortSale._fields, sales)


# Each sale is of a share at least, so as many sales as shares that are owed are enough.
_LAST_SALES = """
    SELECT owing.client_id, owing.security_id, sale.quantity, sale.price_cents
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS owing (client_id, security_id, borrowed)
    CROSS JOIN LATERAL (
        SELECT quantity, price_cents, event_id FROM short_sales
        WHERE short_sales.client_id = owing.client_id AND short_sales.security_id = owing.security_id
        ORDER BY event_id DESC LIMIT owing.borrowed
    ) AS sale
    ORDER BY 1, 2, sale.event_id DESC
"""


def last_sales(tx: Connection, borrowed: Mapping[Owner, int]) -> dict[Owner, list[tuple[int, int]]]:
    """The last sales (quantity, price) of clients, the last one first, of as many shares as they owe at least."""
    sales: dict[Owner, list[tuple[int, int]]] = defaultdict(list)
    if borrowed:
        clients, securities = zip(*borrowed, strict=True)
        parameters = array(clients), array(securities), array(borrowed.values())
        for client_id, security_id, quantity, price_cents in run_prepared(tx, "last_sales", _LAST_SALES, *parameters):
            sales[client_id, security_id].append((quantity, price_cents))
    return sales


_WRITE_POSITIONS = """
    UPDATE holdings SET shares = new.shares, held = new.held, borrowed = new.borrowed, located = new.located,
        sold_cents = new.sold_cents
    FROM unnest(
        $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]
    ) AS new (client_id, security_id, shares, held, borrowed, located, sold_cents)
    WHERE holdings.client_id = new.client_id AND holdings.security_id = new.security_id
"""
_SECURE = """
    UPDATE accounts SET collateral_cents = collateral_cents + more.cents
    FROM unnest($1::text[], $2::bigint[]) AS more (client_id, cents) WHERE accounts.client_id = more.client_id
"""
# The rows are locked in the order of the securities, or two units could block each other.
_LEND = """
    WITH locked AS MATERIALIZED (
        SELECT security_id FROM holdings WHERE client_id = $1 AND security_id = ANY($2::text[])
        ORDER BY security_id FOR UPDATE
    )
    UPDATE holdings SET shares = shares - more.lent, held = held + more.located
    FROM locked JOIN unnest($2::text[], $3::bigint[], $4::bigint[]) AS more (security_id, lent, located)
        USING (security_id)
    WHERE holdings.client_id = $1 AND holdings.security_id = locked.security_id
"""


def write(statements: Statements, changes: Loans) -> None:
    """Write what a unit changes of loans; the accounts of its clients are locked."""
    after = changes.positions
    if after:
        clients, securities = zip(*after, strict=True)
        columns = (array(column) for column in zip(*after.values(), strict=True))
        statements.add_prepared("write_positions", _WRITE_POSITIONS, (array(clients), array(securities), *columns))
    if changes.collateral_cents:
        collateral = changes.collateral_cents
        statements.add_prepared("secure", _SECURE, (array(collateral), array(collateral.values())))
    moved = [one for one in sorted({*changes.lent, *changes.located}) if changes.lent[one] or changes.located[one]]
    if moved:
        lent, located = ([change[one] for one in moved] for change in (changes.lent, changes.located))
        statements.add_prepared("lend", _LEND, (DTCC, array(moved), array(lent), array(located)))


def give_back(tx: Connection, client_id: str, security_id: str, quantity: int, *, now_us: int) -> int:
    """Return shares that come into an account to DTCC, as far as it owes any; the account is locked.

    Of the holdings of the client and DTCC, that of DTCC is changed by the caller.
    returns  how many shares it kept
    """
    owner = (client_id, security_id)
    old = positions(tx, [owner]).get(owner)
    if old is None or not old.borrowed:
        return quantity
    returned = min(old.borrowed, quantity)
    owes = old.borrowed - returned
    sold_cents = loans.sold_cents(last_sales(tx, {owner: owes})[owner] if owes else (), owes)
    changes = Loans({owner: old._replace(borrowed=owes, sold_cents=sold_cents)})
    changes.collateral_cents[client_id] = loans.collateral_cents(sold_cents) - loans.collateral_cents(old.sold_cents)
    book(tx, [LoanEntry(*owner, -returned)], booked_us=now_us)
    statements = Statements(tx)
    write(statements, changes)
    statements.run()
    return quantity - returned


def book(tx: Connection, entries: Iterable[LoanEntry], *, booked_us: int) -> None:
    """Enter loans and returns in the ledger, against DTCC."""
    rows = [(LOAN if entry.shares > 0 else RETURN, *entry, 0) for entry in entries]
    if rows:
        columns = ("kind", "account", "security_id", "shares", "cash_cents")
        copy_rows(tx, "ledger", columns, rows, {"contra_account": DTCC, "booked_us": booked_us})
