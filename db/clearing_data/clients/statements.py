"""Statements of account: the opening balance, the postings, and the closing balance."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from sqlalchemy import Connection, text


class Posting(NamedTuple):
    """The effect of one ledger entry on an account: cents, shares of the security."""

    entry_id: int
    booked_us: int
    kind: str
    event_id: int | None
    transfer_id: str | None
    security_id: str | None
    cash_cents: int
    shares: int


class Statement(NamedTuple):
    """An account over a period; `postings` in the order of the ledger, None when there are more than the limit."""

    opening_cents: int
    opening_shares: dict[str, int]
    postings: list[Posting] | None
    closing_cents: int
    closing_shares: dict[str, int]


# An account is a contra account only in entries of the house, which are found by their times.
_OF_ACCOUNT = """
    SELECT entry_id, booked_us, kind, event_id, transfer_id, security_id, cash_cents, shares
    FROM ledger WHERE account = :account AND booked_us >= :from_us
    UNION ALL
    SELECT entry_id, booked_us, kind, event_id, transfer_id, security_id, -cash_cents, -shares
    FROM ledger WHERE :is_house AND contra_account = :account AND booked_us >= :from_us
"""
_MOVED = text(
    f"""
    SELECT security_id, booked_us < :to_us AS is_within, count(*),
        CAST(sum(cash_cents) AS bigint), CAST(sum(shares) AS bigint)
    FROM ({_OF_ACCOUNT}) AS posting GROUP BY 1, 2
    """  # noqa: S608  # a constant
)
_POSTINGS = text(
    f"SELECT * FROM ({_OF_ACCOUNT}) AS posting WHERE booked_us < :to_us ORDER BY entry_id"  # noqa: S608  # a constant
)


def statement(tx: Connection, account: str, *, is_house: bool, from_us: int, to_us: int, most: int) -> Statement | None:
    """Return the statement of an account over [from_us, to_us); None when there is no account.

    It works backwards from the current balance, so its cost depends on the bookings since then, not on all bookings.
    The transaction must be a snapshot.

    is_house  whether the account is DTCC or EXCHANGE, which are contra accounts
    most      how many postings at most
    """
    balance = tx.execute(
        text("SELECT balance_cents FROM accounts WHERE client_id = :account"), {"account": account}
    ).scalar()
    if balance is None:
        return None
    asked = {"account": account, "is_house": is_house, "from_us": from_us, "to_us": to_us}
    closing_cents: int = balance
    held = tx.execute(text("SELECT security_id, shares FROM holdings WHERE client_id = :account"), asked)
    closing: Counter[str] = Counter({row.security_id: row.shares for row in held})
    within_cents, postings = 0, 0
    within: Counter[str] = Counter()
    for security_id, is_within, entries, cents, shares in tx.execute(_MOVED, asked):
        if is_within:
            postings += entries
            within_cents += cents
            within[security_id] += shares
        else:
            closing_cents -= cents
            closing[security_id] -= shares
    opening = Counter(closing)
    opening.subtract(within)
    rows = [Posting(*row) for row in tx.execute(_POSTINGS, asked)] if 0 < postings <= most else []
    return Statement(
        closing_cents - within_cents,
        _of_securities(opening),
        rows if postings <= most else None,
        closing_cents,
        _of_securities(closing),
    )


def _of_securities(shares: Counter[str]) -> dict[str, int]:
    """Return shares by security, in the order of the names, without securities that have no shares."""
    return {security_id: shares[security_id] for security_id in sorted(filter(None, shares)) if shares[security_id]}
