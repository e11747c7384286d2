"""Reads and writes of stock loans, for order entry and settlement.

DTCC's holdings are locked in the order of the securities' names: after all accounts, and before everything that is
locked after accounts. While a client's account is locked, no other transaction changes its positions and orders.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection

from db.arrays import array
from db.clearing_data.tables import DTCC
from db.statements import Statements, run_prepared
from tasks.shared.rules import loans
from tasks.shared.rules.loan_rows import LoanEntry, Loans, Owner, Position, ShortOrder, ShortSale

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
    ), 0)::bigint, price_cents
    FROM holdings AS owing JOIN last_prices USING (security_id)
    WHERE client_id = ANY($1::text[]) AND borrowed > 0
"""


def debts(tx: Connection, clients: Collection[str]) -> dict[Owner, tuple[int, int, int, int]]:
    """Return the shares that clients owe, what they were sold for, the shares in their open buy orders, last prices."""
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
    """Note the additional shares that open orders may borrow, for clients and for DTCC's holdings, which are locked."""
    if located:
        clients, securities = zip(*located, strict=True)
        statements.add_prepared("locate", _LOCATE, (array(clients), array(securities), array(located.values())))
    if promised:
        statements.add_prepared("promise", _PROMISE, (array(promised), array(promised.values()), DTCC))
    if located:
        statements.add_prepared("sell_short", _SELL_SHORT, (array({client_id for client_id, _ in located}),))


_SHORT_ORDERS = """
    SELECT order_id, greatest(quantity, largest_quantity), owned_quantity, filled_quantity, closed_quantity,
        margin_price_cents
    FROM orders WHERE order_id = ANY($1::bigint[]) AND owned_quantity IS NOT NULL
"""


def short_orders(tx: Connection, order_ids: Collection[int]) -> dict[int, ShortOrder]:
    """Return the orders among these that sell short, by id."""
    rows = run_prepared(tx, "short_orders", _SHORT_ORDERS, array(order_ids))
    return {row[0]: ShortOrder(*row[1:]) for row in rows}


_POSITIONS = """
    SELECT client_id, security_id, shares, held, borrowed, located, sold_cents
    FROM holdings JOIN unnest($1::text[], $2::text[]) AS wanted (client_id, security_id) USING (client_id, security_id)
"""
# Both in one round trip; in rows of orders the text columns are missing.
_ORDERS_AND_POSITIONS = f"""
    SELECT NULL::text, NULL::text, order_id, greatest(quantity, largest_quantity), owned_quantity, filled_quantity,
        closed_quantity, margin_price_cents
    FROM orders WHERE order_id = ANY($3::bigint[]) AND owned_quantity IS NOT NULL
    UNION ALL
    SELECT *, NULL::bigint FROM ({_POSITIONS}) AS positions
"""  # noqa: S608 - the text is ours


def orders_and_positions(
    tx: Connection, order_ids: Collection[int], owners: Collection[Owner]
) -> tuple[dict[int, ShortOrder], dict[Owner, Position]]:
    """Return the orders among these that sell short, and the positions of clients in securities."""
    clients, securities = zip(*owners, strict=True) if owners else ((), ())
    orders: dict[int, ShortOrder] = {}
    found: dict[Owner, Position] = {}
    parameters = array(clients), array(securities), array(order_ids)
    for client_id, security_id, *numbers in run_prepared(tx, "borrowing", _ORDERS_AND_POSITIONS, *parameters):
        if client_id is None:
            orders[numbers[0]] = ShortOrder(*numbers[1:])
        else:
            found[client_id, security_id] = Position(*numbers[:5])
    return orders, found


def positions(tx: Connection, owners: Collection[Owner]) -> dict[Owner, Position]:
    """Return the positions of clients in securities; pairs that never had a holding are left out."""
    return orders_and_positions(tx, (), owners)[1]


_RECORD_SALES = """
    INSERT INTO short_sales (client_id, security_id, event_id, quantity, price_cents)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
"""


# Each sale has at least one share, so as many sales as owed shares are enough; usually far fewer are.
_LAST_SALES = """
    SELECT owing.client_id, owing.security_id, sale.quantity, sale.price_cents
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS owing (client_id, security_id, most)
    CROSS JOIN LATERAL (
        SELECT quantity, price_cents, event_id FROM short_sales
        WHERE short_sales.client_id = owing.client_id AND short_sales.security_id = owing.security_id
        ORDER BY event_id DESC LIMIT owing.most
    ) AS sale
    ORDER BY 1, 2, sale.event_id DESC
"""


FEW_SALES = 16
SHARES_A_SALE = 4


def last_sales(
    tx: Connection, borrowed: Mapping[Owner, int], *, new: Sequence[ShortSale] = ()
) -> dict[Owner, list[tuple[int, int]]]:
    """Return the last sales (quantity, price) of clients, last one first, of at least as many shares as they owe.

    new  sales to enter first
    """
    most = {one: min(owes, FEW_SALES + owes // SHARES_A_SALE) for one, owes in borrowed.items()}
    sales = _last_sales(tx, most, new)
    left = {
        owner: owes
        for owner, owes in borrowed.items()
        if most[owner] < owes and sum(quantity for quantity, _ in sales[owner]) < owes
    }
    return sales | _last_sales(tx, left, ()) if left else sales


def _last_sales(
    tx: Connection, most: Mapping[Owner, int], new: Sequence[ShortSale]
) -> dict[Owner, list[tuple[int, int]]]:
    """Return the last sales of clients, for each at most the given number."""
    sales: dict[Owner, list[tuple[int, int]]] = defaultdict(list)
    statements = Statements(tx)
    if new:
        statements.add_prepared("record_sales", _RECORD_SALES, tuple(map(array, zip(*new, strict=True))))
    if most:
        clients, securities = zip(*most, strict=True)
        statements.add_prepared("last_sales", _LAST_SALES, (array(clients), array(securities), array(most.values())))
    found = statements.run()
    if most:
        for client_id, security_id, quantity, price_cents in found:
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
# The rows are locked in the order of the securities; otherwise two batches could block each other.
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


def write(statements: Statements, changes: Loans, *, booked_us: int) -> None:
    """Write a batch's changes of loans, and enter the loans in the ledger; the accounts of its clients are locked."""
    _book(statements, changes.entries, booked_us)
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
    """Return shares that come into an account to DTCC, as far as the client owes any; the account is locked.

    The caller changes DTCC's holding.
    returns  how many shares the client keeps
    """
    owner = (client_id, security_id)
    old = positions(tx, [owner]).get(owner)
    if old is None or not old.borrowed:
        return quantity
    returned = min(old.borrowed, quantity)
    owes = old.borrowed - returned
    sold_cents = loans.sold_cents(last_sales(tx, {owner: owes})[owner] if owes else (), owes)
    freed_cents = loans.collateral_cents(old.sold_cents) - loans.collateral_cents(sold_cents)
    statements = Statements(tx)
    statements.add(
        "UPDATE holdings SET borrowed = %s, sold_cents = %s WHERE client_id = %s AND security_id = %s",
        (owes, sold_cents, client_id, security_id),
    )
    statements.add(
        "UPDATE accounts SET collateral_cents = collateral_cents - %s WHERE client_id = %s", (freed_cents, client_id)
    )
    _book(statements, [LoanEntry(*owner, -returned)], now_us)
    statements.run()
    return quantity - returned


def _book(statements: Statements, entries: Iterable[LoanEntry], booked_us: int) -> None:
    """Enter loans and returns in the ledger, against DTCC."""
    columns = ("kind", "account", "security_id", "shares", "cash_cents", "contra_account", "booked_us")
    rows = [(LOAN if one.shares > 0 else RETURN, *one, 0, DTCC, booked_us) for one in entries]
    statements.insert("ledger", columns, rows)
