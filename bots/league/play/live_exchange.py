"""What a live match does on the running exchange with the admin's key: accounts, halts, and a look at everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from bots.client import Client
from bots.contract import Account, OrderState, SettledFill, Trade
from bots.league.play.configuration import ConfigurationError, League
from bots.league.play.result import AccountSample, MarketSample

# How long what is on its way may take to settle when a match is over [s].
SETTLING_S = 60.0
LOOK_EVERY_S = 0.25
# How long its own audit may take [s].
AUDIT_S = 300.0


@dataclass(frozen=True, slots=True)
class MatchAccount:
    """An account of a match."""

    client_id: str
    key: str


class LiveExchange:
    """A running exchange, and the accounts of one match after the other."""

    def __init__(self, url: str, admin_key: str) -> None:
        self.url = url
        self.admin = Client(url, admin_key)
        # Names of accounts are for ever, so each tournament has its own.
        self._series = f"T{uuid4().hex[:8].upper()}"
        self._opened: list[str] = []

    # -- before ------------------------------------------------------------------------------------------------------

    def require(self, league: League) -> None:
        """See that it lists what is traded, at these fees, and that nobody else is in the market.

        raises  ConfigurationError  naming what is not so
        """
        listed = {security.security_id: security for security in self.admin.securities()}
        faults = []
        for wanted in league.securities:
            security = listed.get(wanted.id)
            if security is None:
                faults.append(f"{wanted.id} is not listed; listed are {', '.join(sorted(listed))}")
                continue
            if (security.maker_fee, security.taker_fee) != (wanted.maker_fee, wanted.taker_fee):
                faults.append(
                    f"{wanted.id} has fees of {security.maker_fee} and {security.taker_fee} basis points there, and "
                    f"{wanted.maker_fee} and {wanted.taker_fee} in the tournament"
                )
            book = self.admin.book(wanted.id, depth=1)
            if book.bids or book.asks:
                faults.append(f"{wanted.id} has orders of others in its book; a match wants it for itself")
        if faults:
            raise ConfigurationError("\n  ".join([f"{self.url} cannot hold the tournament:", *faults]))

    def opening_cents(self, league: League) -> dict[str, int]:
        """The price at which each security begins: the last one, or that of the tournament [cents]."""
        found = {}
        for security in league.securities:
            last = self.admin.price(security.id).last
            found[security.id] = cents(security.price if last is None else last)
        return found

    def open(self, seed: int, account: str, *, cash: Decimal, shares: Mapping[str, int]) -> MatchAccount:
        """Open an account with exactly this [dollars, shares]."""
        client_id = f"{self._series}.{seed}.{account}"[:48]
        opened = self.admin.open_account(client_id)
        self._opened.append(client_id)
        has = self.admin.account(client_id)
        difference = cash - has.balance
        if difference > 0:
            self.admin.deposit_cash(client_id, difference, transfer_id=f"{client_id}:cash")
        elif difference < 0:
            self.admin.withdraw_cash(client_id, -difference, transfer_id=f"{client_id}:cash")
        owned = {holding.security_id: holding.shares for holding in has.holdings}
        for security_id in sorted(owned.keys() | shares.keys()):
            more = shares.get(security_id, 0) - owned.get(security_id, 0)
            transfer_id = f"{client_id}:{security_id}"
            if more > 0:
                self.admin.deposit_shares(client_id, security_id, more, transfer_id=transfer_id)
            elif more < 0:
                self.admin.withdraw_shares(client_id, security_id, -more, transfer_id=transfer_id)
        return MatchAccount(client_id, opened.api_key)

    # -- during ------------------------------------------------------------------------------------------------------

    def account_sample(self, client_id: str, time_s: float, securities: Sequence[str]) -> AccountSample:
        """An account as it is now."""
        account = self.admin.account(client_id)
        return AccountSample(time_s, cents(account.balance), list(shares_of(account, securities).values()))

    def market_sample(self, security_id: str, time_s: float) -> MarketSample:
        """A security as it is now; its volume is known only when the match is over."""
        book, last = self.admin.book(security_id, depth=1), self.admin.price(security_id).last
        bid, ask = (side[0] if side else None for side in (book.bids, book.asks))
        return MarketSample(
            time_s,
            None if bid is None else cents(bid.price),
            0 if bid is None else bid.quantity,
            None if ask is None else cents(ask.price),
            0 if ask is None else ask.quantity,
            0 if last is None else cents(last),
            0,
        )

    def put_out(self, client_id: str) -> None:
        """Nothing of an account stays in the market, and nothing more comes."""
        self.admin.stop_client(client_id)

    # -- after -------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Take everybody out of the market, and wait until nothing is on its way.

        raises  TimeoutError
        """
        for client_id in self._opened:
            self.put_out(client_id)
        before: list[Account] = []

        def is_quiet() -> bool:
            nonlocal before
            now = [self.admin.account(client_id) for client_id in self._opened]
            quiet = now == before and not any(
                account.held or any(holding.held for holding in account.holdings) for account in now
            )
            before = now
            return quiet

        _wait(is_quiet, "everything to settle")

    def audit(self) -> dict[str, Any]:
        """What the audit of the whole exchange finds; it replays the log, so it takes its time."""
        return Client(self.url, self.admin.key, patience_s=AUDIT_S, timeout_s=AUDIT_S).audit()

    def close(self) -> None:
        """Close the accounts of the match, for good."""
        for client_id in self._opened:
            self.admin.close_account(client_id)
        self._opened = []

    def orders_and_fills(self, opened: MatchAccount) -> tuple[list[OrderState], list[SettledFill]]:
        """All that an account has ordered, and what of it was traded, oldest first."""
        client = Client(self.url, opened.key)
        return list(client.orders())[::-1], list(client.fills())[::-1]

    def trades_since(self, security_id: str, since: datetime) -> list[Trade]:
        """The trades of a security since a time, oldest first."""
        found = []
        for trade in self.admin.past_trades(security_id):
            if trade.timestamp is not None and time_of(trade.timestamp) < since:
                break
            found.append(trade)
        return found[::-1]


def _wait(until: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + SETTLING_S
    while not until():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"waited {SETTLING_S:.0f} s in vain for {what}")
        time.sleep(LOOK_EVERY_S)


def cents(dollars: Decimal) -> int:
    """Dollars in cents."""
    return round(dollars * 100)


def shares_of(account: Account, securities: Sequence[str]) -> dict[str, int]:
    """The shares of an account, by these securities."""
    owned = {holding.security_id: holding.shares for holding in account.holdings}
    return {security_id: owned.get(security_id, 0) for security_id in securities}


def time_of(timestamp: str) -> datetime:
    """A time as the exchange writes it."""
    return datetime.fromisoformat(timestamp)
