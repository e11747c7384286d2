"""How the clients stand: what they have, what they have gained, and how often they traded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from db.clearing_data.clients import accounts, growth
from db.clearing_data.clients.growth import Growth
from db.clearing_data.rows import Account, Holding
from db.clearing_data.tables import DTCC, EXCHANGE


@dataclass(frozen=True, slots=True)
class Standing:
    """One client's.

    growth  what it has gained between its transfers
    trades  how often it bought or sold, 0 where that was not counted
    """

    account: Account
    holdings: list[Holding]
    growth: Growth
    trades: int


def standings(tx: Connection, trades: Mapping[str, int]) -> list[Standing]:
    """How every client stands, DTCC and EXCHANGE aside.

    trades  of each client, who needs them; see `db.clearing_data.clients.trade_counts`
    """
    held: Mapping[str, list[Holding]] = defaultdict(list)
    for holding in accounts.all_holdings(tx):
        held[holding.client_id].append(holding)
    grown = growth.growths(tx)
    return [
        Standing(
            account,
            held[account.client_id],
            grown.get(account.client_id, Growth()),
            trades.get(account.client_id, 0),
        )
        for account in accounts.all_accounts(tx)
        if account.client_id not in (DTCC, EXCHANGE)
    ]
