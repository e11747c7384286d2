"""Accounts, their holdings, and transfers into and out of them.

A transfer is booked in the ledger and moves the balance or holding in the same transaction, once for each transfer
id. Cash that comes in comes from `EXTERNAL`, the world outside the exchange, which is a name in the ledger and has
no account: so the cash of all accounts equals deposits less withdrawals. Shares come from `DTCC`, which got all issued
shares from `ISSUER`, also only a name in the ledger: so the shares of all accounts equal the issued shares.

A booked entry never changes: an error is repaired by a further transfer, a correction, between a client and the house,
which stands between clients here as in every trade: EXCHANGE for cash, DTCC for shares.

A client's account row is always locked before its holdings, before those of DTCC and before the account of EXCHANGE.
"""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection, text

from db.clearing_data.clients import growth
from db.clearing_data.clients.keys import ADMIN
from db.clearing_data.lending import loans
from db.clearing_data.rows import Account, Holding
from db.clearing_data.tables import DTCC, EXCHANGE

EXTERNAL = "EXTERNAL"
ISSUER = "ISSUER"
_NO_CLIENTS = {EXTERNAL, ISSUER, ADMIN}

Transferred = Literal[
    "booked",
    "repeated",  # the same transfer was booked before; nothing changed
    "transfer_id_reused",  # another transfer was booked under this id; nothing changed
    "unknown_account",
    "unknown_security",
    "insufficient_funds",
    "insufficient_holdings",
    "account_closed",  # it accepts only corrections
    "worth_too_large",  # with this deposit the account would be worth more than can be counted
]

_ACCOUNT = """
    SELECT client_id, balance_cents, held_cents, open_orders, collateral_cents,
        CASE WHEN collateral_cents > 0 THEN (
            SELECT COALESCE(sum(borrowed * price_cents), 0)::bigint FROM holdings JOIN last_prices USING (security_id)
            WHERE holdings.client_id = accounts.client_id AND borrowed > 0
        ) ELSE 0 END,
        buy_in_us IS NOT NULL
    FROM accounts
"""
_HOLDING = "SELECT client_id, security_id, shares, held, borrowed, located, sold_cents FROM holdings"


def account(tx: Connection, client_id: str) -> Account | None:
    """Return the account of a client; None when it has no account."""
    row = tx.execute(text(f"{_ACCOUNT} WHERE client_id = :client_id"), {"client_id": client_id}).first()
    return Account(*row) if row else None


def all_accounts(tx: Connection) -> list[Account]:
    """Return every account, DTCC's too, in the order of their names."""
    return [Account(*row) for row in tx.execute(text(f"{_ACCOUNT} ORDER BY client_id"))]


def holdings(tx: Connection, client_id: str) -> list[Holding]:
    """Return the holdings of a client, in the order of the securities."""
    query = text(f"{_HOLDING} WHERE client_id = :client_id ORDER BY security_id")
    return [Holding(*row) for row in tx.execute(query, {"client_id": client_id})]


def holding(tx: Connection, client_id: str, security_id: str) -> Holding:
    """Return a client's holding of a security; a holding of no shares when there is no row."""
    query = text(f"{_HOLDING} WHERE client_id = :client_id AND security_id = :security_id")
    row = tx.execute(query, {"client_id": client_id, "security_id": security_id}).first()
    return Holding(*row) if row else Holding(client_id, security_id, shares=0, held=0)


def all_holdings(tx: Connection) -> list[Holding]:
    """Return every holding, in the order of clients and securities."""
    return [Holding(*row) for row in tx.execute(text(f"{_HOLDING} ORDER BY client_id, security_id"))]


def accounts_outside_competitions(tx: Connection) -> list[Account]:
    """Return every account that belongs to no competition, DTCC's too, in the order of their names."""
    return [Account(*row) for row in tx.execute(text(f"{_ACCOUNT} WHERE competition IS NULL ORDER BY client_id"))]


def holdings_outside_competitions(tx: Connection) -> list[Holding]:
    """Return every holding of these accounts, in the order of clients and securities."""
    query = text(
        f"{_HOLDING} WHERE client_id IN (SELECT client_id FROM accounts WHERE competition IS NULL) "  # noqa: S608  # constants
        "ORDER BY client_id, security_id"
    )
    return [Holding(*row) for row in tx.execute(query)]


def open_account(tx: Connection, client_id: str, *, now_us: int) -> bool:
    """Open an empty account; return False when it exists already or the name is reserved."""
    if client_id in _NO_CLIENTS:
        return False
    opened = tx.execute(
        text(
            "INSERT INTO accounts (client_id, balance_cents, opened_us) VALUES (:client_id, 0, :now_us) "
            "ON CONFLICT DO NOTHING RETURNING client_id"
        ),
        {"client_id": client_id, "now_us": now_us},
    )
    return opened.first() is not None


def deposit_cash(tx: Connection, client_id: str, transfer_id: str, *, amount_cents: int, now_us: int) -> Transferred:
    """Move cash from outside into an account, once for each transfer id; amount_cents > 0."""
    return _transfer(tx, client_id, transfer_id, "deposit", _positive(amount_cents), None, 0, now_us)


def withdraw_cash(tx: Connection, client_id: str, transfer_id: str, *, amount_cents: int, now_us: int) -> Transferred:
    """Move available cash out of an account, once for each transfer id; amount_cents > 0."""
    return _transfer(tx, client_id, transfer_id, "withdrawal", -_positive(amount_cents), None, 0, now_us)


def deposit_shares(
    tx: Connection, client_id: str, transfer_id: str, *, security_id: str, quantity: int, now_us: int
) -> Transferred:
    """Move shares from DTCC to a client, once for each transfer id; quantity > 0."""
    return _transfer(tx, client_id, transfer_id, "deposit", 0, security_id, _positive(quantity), now_us)


def withdraw_shares(
    tx: Connection, client_id: str, transfer_id: str, *, security_id: str, quantity: int, now_us: int
) -> Transferred:
    """Move available shares from a client to DTCC, once for each transfer id; quantity > 0."""
    return _transfer(tx, client_id, transfer_id, "withdrawal", 0, security_id, -_positive(quantity), now_us)


def issue_shares(tx: Connection, transfer_id: str, *, security_id: str, quantity: int, now_us: int) -> Transferred:
    """Put newly issued shares of a listed security into DTCC's holding, once for each transfer id; quantity > 0."""
    return _transfer(tx, DTCC, transfer_id, "issue", 0, security_id, _positive(quantity), now_us)


def correct(
    tx: Connection,
    client_id: str,
    transfer_id: str,
    *,
    cash_cents: int = 0,
    security_id: str | None = None,
    shares: int = 0,
    entry_id: int | None,
    reason: str,
    now_us: int,
) -> Transferred:
    """Correct a booking, once for each transfer id.

    cash_cents, shares  the client's gain (+) or loss (-): either cash, or shares of security_id
    entry_id            the ledger entry that it corrects, if there is one
    """
    if bool(cash_cents) == bool(shares) or bool(shares) != (security_id is not None):
        raise ValueError("a correction moves either cash or shares")
    booked = _transfer(tx, client_id, transfer_id, "correction", cash_cents, security_id, shares, now_us)
    if booked == "booked":
        tx.execute(
            text("INSERT INTO corrections VALUES (:transfer_id, :entry_id, :reason)"),
            {"transfer_id": transfer_id, "entry_id": entry_id, "reason": reason},
        )
    return booked


def _positive(amount: int) -> int:
    if amount <= 0:
        raise ValueError("the amount of a transfer has to be positive")
    return amount


def _transfer(
    tx: Connection,
    client_id: str,
    transfer_id: str,
    kind: str,
    cash_cents: int,
    security_id: str | None,
    shares: int,
    now_us: int,
) -> Transferred:
    """Book a transfer and move its cash or shares; a positive amount is the client's gain."""
    tx.execute(text("SELECT FROM accounts WHERE client_id = :client_id FOR UPDATE"), {"client_id": client_id})
    # In a statement of its own, which sees everything that was committed before the lock was granted.
    found = account(tx, client_id)
    if found is None or (kind == "correction" and client_id in (DTCC, EXCHANGE)):
        return "unknown_account"
    if security_id is not None and not (_is_listed if kind == "deposit" else _ever_was)(tx, security_id):
        return "unknown_security"
    contra_account = _contra_account(kind, security_id)
    asked = (kind, client_id, contra_account, security_id, cash_cents, shares)
    booked = _booked(tx, transfer_id)
    if booked is not None:
        return "repeated" if booked == asked else "transfer_id_reused"
    if kind == "deposit" and _is_closed(tx, client_id):
        return "account_closed"
    if cash_cents < 0 and found.available_cents + cash_cents < 0:
        return "insufficient_funds"
    if contra_account == EXCHANGE and not _exchange_has(tx, cash_cents):
        return "insufficient_funds"
    if security_id is not None:
        if not _covered(tx, client_id, contra_account, security_id, shares):
            return "insufficient_holdings"
        # The final settlement waits for DTCC's holding, too: the second of the two to lock it sees what the first did.
        if kind == "deposit" and not _is_listed(tx, security_id):
            return "unknown_security"
    moved = None
    if kind in ("deposit", "withdrawal"):
        moved = growth.moved_by(tx, client_id, cash_cents=cash_cents, security_id=security_id, shares=shares)
        if moved.is_too_much:
            return "worth_too_large"
    if not _book(tx, transfer_id, asked, now_us):
        return "transfer_id_reused"  # by a concurrent transfer of another client
    if moved is not None:
        growth.record_transfer(tx, client_id, moved)
    if contra_account == EXCHANGE:
        tx.execute(
            text("UPDATE accounts SET balance_cents = balance_cents - :cash_cents WHERE client_id = :exchange"),
            {"cash_cents": cash_cents, "exchange": EXCHANGE},
        )
    if security_id is None:
        tx.execute(
            text("UPDATE accounts SET balance_cents = balance_cents + :cash_cents WHERE client_id = :client_id"),
            {"client_id": client_id, "cash_cents": cash_cents},
        )
    else:
        # Incoming shares that the client owes are returned first; DTCC gets them back at once.
        kept = loans.give_back(tx, client_id, security_id, shares, now_us=now_us) if shares > 0 else shares
        if kept:
            _move_shares(tx, client_id, security_id, kept)
        if contra_account == DTCC and kept:
            _move_shares(tx, DTCC, security_id, -kept)
    return "booked"


def _contra_account(kind: str, security_id: str | None) -> str:
    if security_id is not None:
        return ISSUER if kind == "issue" else DTCC
    return EXCHANGE if kind == "correction" else EXTERNAL


def _is_closed(tx: Connection, client_id: str) -> bool:
    """Return whether the account is closed. The caller holds its row lock."""
    state = tx.execute(text("SELECT state FROM accounts WHERE client_id = :client_id"), {"client_id": client_id})
    return bool(state.scalar_one() == "closed")


def _exchange_has(tx: Connection, cents: int) -> bool:
    """Lock the account of EXCHANGE and return whether it has this much cash."""
    row = tx.execute(text(f"{_ACCOUNT} WHERE client_id = :exchange FOR UPDATE"), {"exchange": EXCHANGE}).first()
    return row is not None and Account(*row).available_cents >= cents


def _is_listed(tx: Connection, security_id: str) -> bool:
    """Return whether shares of a security can still be deposited: not after its delisting or final settlement."""
    found = tx.execute(
        text(
            "SELECT FROM securities WHERE security_id = :id AND delisted_us IS NULL AND settlement_transfer_id IS NULL"
        ),
        {"id": security_id},
    )
    return found.first() is not None


def _ever_was(tx: Connection, security_id: str) -> bool:
    return tx.execute(text("SELECT FROM securities WHERE security_id = :id"), {"id": security_id}).first() is not None


def _booked(tx: Connection, transfer_id: str) -> tuple[object, ...] | None:
    row = tx.execute(
        text(
            "SELECT kind, account, contra_account, security_id, cash_cents, shares "
            "FROM ledger WHERE transfer_id = :transfer_id"
        ),
        {"transfer_id": transfer_id},
    ).first()
    return tuple(row) if row else None


def _covered(tx: Connection, client_id: str, contra_account: str, security_id: str, shares: int) -> bool:
    """Lock the holding of the side that gives the shares, and return whether it has them available."""
    giver = contra_account if shares > 0 else client_id
    if giver == ISSUER:
        return True
    row = tx.execute(
        text(f"{_HOLDING} WHERE client_id = :giver AND security_id = :security_id FOR UPDATE"),
        {"giver": giver, "security_id": security_id},
    ).first()
    return row is not None and Holding(*row).available >= abs(shares)


def _book(tx: Connection, transfer_id: str, entry: tuple[object, ...], now_us: int) -> bool:
    names = ("kind", "account", "contra_account", "security_id", "cash_cents", "shares")
    booked = tx.execute(
        text(
            f"INSERT INTO ledger (transfer_id, booked_us, {', '.join(names)}) "  # noqa: S608  # constants
            f"VALUES (:transfer_id, :now_us, {', '.join(f':{name}' for name in names)}) "
            "ON CONFLICT DO NOTHING RETURNING entry_id"
        ),
        {"transfer_id": transfer_id, "now_us": now_us, **dict(zip(names, entry, strict=True))},
    )
    return booked.first() is not None


def _move_shares(tx: Connection, client_id: str, security_id: str, shares: int) -> None:
    tx.execute(
        text(
            "INSERT INTO holdings AS held (client_id, security_id, shares) "
            "VALUES (:client_id, :security_id, GREATEST(:shares, 0)) "
            "ON CONFLICT (client_id, security_id) DO UPDATE SET shares = held.shares + :shares"
        ),
        {"client_id": client_id, "security_id": security_id, "shares": shares},
    )
