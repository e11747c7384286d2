"""Uses the running exchange with the admin's key on behalf of a live match: accounts, samples, halts and audit."""

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

# How long open business may take to settle after a match [s].
SETTLING_S = 60.0
LOOK_EVERY_S = 0.25
# How long the exchange's own audit may take [s].
AUDIT_S = 300.0


@dataclass(frozen=True, slots=True)
class MatchAccount:
    """An account of a match."""

    client_id: str
    key: str


class LiveExchange:
    """A running exchange and the accounts of the current match."""

    def __init__(self, url: str, admin_key: str) -> None:
        self.url = url
        self.admin = Client(url, admin_key)
        # Account names are never reused, so each tournament has its own prefix.
        self._series = f"T{uuid4().hex[:8].upper()}"
        self._opened: list[str] = []

    # -- before the match --------------------------------------------------------------------------------------------

    def require(self, league: League) -> None:
        """Check that the exchange lists the securities at the same fees and that their books are empty.

        raises  ConfigurationError  listing every difference
        """
        listed = {security.security_id: security for security in self.admin.securities()}
        faults = []
        for wanted in league.securities:
            security = listed.get(wanted.id)
            if security is None:
                faults.append(f"{wanted.id} is not listed; choose one of {', '.join(sorted(listed))}")
                continue
            if (security.maker_fee, security.taker_fee) != (wanted.maker_fee, wanted.taker_fee):
                faults.append(
                    f"{wanted.id} has fees of {security.maker_fee} and {security.taker_fee} basis points "
                    f"on the exchange, but {wanted.maker_fee} and {wanted.taker_fee} in the tournament"
                )
            book = self.admin.book(wanted.id, depth=1)
            if book.bids or book.asks:
                faults.append(f"{wanted.id} has other clients' orders in its book; a match needs an empty book")
        if faults:
            raise ConfigurationError("\n  ".join([f"{self.url} cannot hold the tournament:", *faults]))

    def opening_cents(self, league: League) -> dict[str, int]:
        """Return each security's opening price: its last price, or the tournament's if it never traded [cents]."""
        found = {}
        for security in league.securities:
            last = self.admin.price(security.id).last
            found[security.id] = cents(security.price if last is None else last)
        return found

    def open(
        self, seed: int, account: str, *, cash: Decimal, shares: Mapping[str, int], short_limit: int = 0
    ) -> MatchAccount:
        """Open an account with exactly this cash and these shares, which may owe shares up to a limit."""
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
        if short_limit:
            self.admin.set_limits(client_id, {"short_limit": short_limit})
        return MatchAccount(client_id, opened.api_key)

    # -- during the match --------------------------------------------------------------------------------------------

    def account_sample(self, client_id: str, time_s: float, securities: Sequence[str]) -> AccountSample:
        """Sample an account."""
        account = self.admin.account(client_id)
        return AccountSample(time_s, cents(account.balance), list(shares_of(account, securities).values()))

    def market_sample(self, security_id: str, time_s: float) -> MarketSample:
        """Sample a security; its volume is unknown until the match is over, and 0 here."""
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

    def disqualify(self, client_id: str) -> None:
        """Cancel an account's open orders and deny further ones."""
        self.admin.stop_client(client_id)

    # -- after the match ---------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Cancel all open orders of the match and wait until all trades are settled.

        raises  TimeoutError
        """
        for client_id in self._opened:
            self.disqualify(client_id)
        before: list[Account] = []

        def is_quiet() -> bool:
            nonlocal before
            now = [self.admin.account(client_id) for client_id in self._opened]
            quiet = now == before and not any(
                account.held or any(holding.held for holding in account.holdings) for account in now
            )
            before = now
            return quiet

        _wait(is_quiet, "all trades and cancels to settle")

    def audit(self) -> dict[str, Any]:
        """Return the result of the exchange's audit, which replays the whole log and may take minutes."""
        return Client(self.url, self.admin.key, patience_s=AUDIT_S, timeout_s=AUDIT_S).audit()

    def close(self) -> None:
        """Close the accounts of the match permanently."""
        for client_id in self._opened:
            self.admin.close_account(client_id)
        self._opened = []

    def orders_and_fills(self, opened: MatchAccount) -> tuple[list[OrderState], list[SettledFill]]:
        """Return all orders and fills of an account, oldest first."""
        client = Client(self.url, opened.key)
        return list(client.orders())[::-1], list(client.fills())[::-1]

    def trades_since(self, security_id: str, since: datetime) -> list[Trade]:
        """Return the trades of a security since a time, oldest first."""
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
            raise TimeoutError(f"waited {SETTLING_S:.0f} s for {what}")
        time.sleep(LOOK_EVERY_S)


def cents(dollars: Decimal) -> int:
    """Convert dollars to cents."""
    return round(dollars * 100)


def shares_of(account: Account, securities: Sequence[str]) -> dict[str, int]:
    """Return an account's shares of these securities, less those that it owes."""
    owned = {holding.security_id: holding.shares - holding.borrowed for holding in account.holdings}
    return {security_id: owned.get(security_id, 0) for security_id in securities}


def time_of(timestamp: str) -> datetime:
    """Parse a time of the exchange."""
    return datetime.fromisoformat(timestamp)
