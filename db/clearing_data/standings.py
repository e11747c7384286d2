"""How the clients stand: what they have, what they were given, and how often they traded."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from db.clearing_data import accounts
from db.clearing_data.rows import Account, Holding
from db.clearing_data.tables import DTCC, EXCHANGE

# The few transfers stand in the unique index of their ids, which the many trades are not in.
_PAID_IN = text(
    "SELECT account, security_id, sum(cash_cents)::bigint, sum(shares)::bigint FROM ledger "
    "WHERE transfer_id IS NOT NULL AND kind IN ('deposit', 'withdrawal') GROUP BY account, security_id"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """One client's.

    paid_in_cents   what went into the account and did not come out again, shares at their opening price
    trades          how often it bought or sold, 0 where that was not counted
    """

    account: Account
    holdings: list[Holding]
    paid_in_cents: int
    trades: int


def standings(tx: Connection, trades: Mapping[str, int], *, opening_price_cents: int) -> list[Standing]:
    """How every client stands, DTCC and EXCHANGE aside.

    trades               of each client, who needs them; see `db.clearing_data.trade_counts`
    opening_price_cents  at which shares that went in are valued
    """
    held: Mapping[str, list[Holding]] = defaultdict(list)
    for holding in accounts.all_holdings(tx):
        held[holding.client_id].append(holding)
    paid_in: Counter[str] = Counter()
    for client_id, security_id, cash_cents, shares in tx.execute(_PAID_IN):
        paid_in[client_id] += cash_cents if security_id is None else shares * opening_price_cents
    return [
        Standing(account, held[account.client_id], paid_in[account.client_id], trades.get(account.client_id, 0))
        for account in accounts.all_accounts(tx)
        if account.client_id not in (DTCC, EXCHANGE)
    ]
