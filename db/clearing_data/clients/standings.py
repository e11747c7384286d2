"""Standings: what the clients have, what they have gained, and how often they traded."""

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
    """The standing of one client.

    growth  its gain between its transfers
    trades  how often it bought or sold, 0 if not counted
    """

    account: Account
    holdings: list[Holding]
    growth: Growth
    trades: int


def standings(tx: Connection, trades: Mapping[str, int]) -> list[Standing]:
    """Return the standing of every client, without DTCC, EXCHANGE and the accounts of competitions.

    A competition is a market of its own with standings of its own, and its teams do not see each other's accounts.

    trades  number of trades of each client, for callers that need them; see `db.clearing_data.clients.trade_counts`
    """
    held: Mapping[str, list[Holding]] = defaultdict(list)
    for holding in accounts.holdings_outside_competitions(tx):
        held[holding.client_id].append(holding)
    grown = growth.growths(tx)
    return [
        Standing(
            account,
            held[account.client_id],
            grown.get(account.client_id, Growth()),
            trades.get(account.client_id, 0),
        )
        for account in accounts.accounts_outside_competitions(tx)
        if account.client_id not in (DTCC, EXCHANGE)
    ]
