"""The gain of an account by trading: its time-weighted return, which deposits and withdrawals do not change.

Between two transfers an account grows by equity / base, where base is its equity right after the first of them. The
return is the product of these factors less one. So a withdrawal does not turn 5 % into 1,000 %, and a deposit does not
dilute a gain. Shares are valued at the last price at the time of their transfer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Connection, text

_PPM = 1_000_000
_PLACES = Decimal("1e-12")
# A cap for a cent that grew without bounds: more digits than Decimal keeps would block the account's transfers.
_MOST = Decimal(10) ** 12
# An account that a deposit would bring beyond this does not get it [cents]; the rest of 64 bits is for rising prices.
MOST_WORTH_CENTS = 4 * 10**18
_MOST_BASE_CENTS = 2**63 - 1

_WORTH = text(
    "SELECT balance_cents, balance_cents + coalesce((SELECT sum(CAST(shares - borrowed AS numeric) * price_cents) "
    "FROM holdings JOIN last_prices USING (security_id) WHERE holdings.client_id = accounts.client_id), 0) AS equity, "
    "coalesce((SELECT price_cents FROM last_prices WHERE security_id = :security_id), 0) AS price "
    "FROM accounts WHERE client_id = :client_id"
)
_KEEP = text(
    "INSERT INTO account_growth (client_id, factor, base_cents) VALUES (:client_id, :factor, :base_cents) "
    "ON CONFLICT (client_id) DO UPDATE SET factor = excluded.factor, base_cents = excluded.base_cents"
)


@dataclass(frozen=True, slots=True)
class Growth:
    """An account's growth up to its last transfer.

    factor      its growth factor until then
    base_cents  its equity right after it
    """

    factor: Decimal = Decimal(1)
    base_cents: int = 0

    def after_transfer(self, *, equity_cents: int, value_cents: int) -> Growth:
        """Return the growth after a transfer.

        equity_cents  the account's equity before it
        value_cents   the value that came in; negative for a withdrawal
        """
        factor = self._factor_at(equity_cents)
        return Growth(min(factor, _MOST).quantize(_PLACES), min(equity_cents + value_cents, _MOST_BASE_CENTS))

    def return_ppm(self, equity_cents: int) -> int | None:
        """Return the gain at an equity in millionths; None for an account that never received anything."""
        if self.base_cents <= 0 and self.factor == 1:
            return None
        return round((self._factor_at(equity_cents) - 1) * _PPM)

    def _factor_at(self, equity_cents: int) -> Decimal:
        return self.factor * equity_cents / self.base_cents if self.base_cents > 0 else self.factor


@dataclass(slots=True)
class Kept:
    """The content of an account if it had never traded: its deposits less its withdrawals."""

    cash_cents: int = 0
    shares: dict[str, int] = field(default_factory=dict)

    def versus_ppm(self, equity_cents: int, prices_cents: Mapping[str, int]) -> int | None:
        """Return by how much an equity exceeds this value, in millionths of the value; None if the value is zero."""
        worth_cents = self.cash_cents + sum(shares * prices_cents[name] for name, shares in self.shares.items())
        return round((Decimal(equity_cents) / worth_cents - 1) * _PPM) if worth_cents > 0 else None


# Transfers are few, and their index finds them among the trades.
_KEPT = text(
    "SELECT account, security_id, sum(cash_cents) AS cash, sum(shares) AS shares FROM ledger "
    "WHERE transfer_id IS NOT NULL AND kind IN ('deposit', 'withdrawal') GROUP BY account, security_id"
)


def kept(tx: Connection) -> Mapping[str, Kept]:
    """Return what each account that ever had a transfer would hold without its trades."""
    found: dict[str, Kept] = defaultdict(Kept)
    for row in tx.execute(_KEPT):
        if row.security_id is None:
            found[row.account].cash_cents = int(row.cash)
        else:
            found[row.account].shares[row.security_id] = int(row.shares)
    return found


class Moved(NamedTuple):
    """The value of an account before a transfer, and the value that the transfer moves [cents]."""

    balance_cents: int
    equity_cents: int
    value_cents: int

    @property
    def is_too_much(self) -> bool:
        """Whether it is a deposit that would bring the account beyond `MOST_WORTH_CENTS`."""
        return self.value_cents > 0 and max(self.balance_cents, self.equity_cents) + self.value_cents > MOST_WORTH_CENTS


def moved_by(tx: Connection, client_id: str, *, cash_cents: int, security_id: str | None, shares: int) -> Moved:
    """Return what a deposit or a withdrawal will move. The caller holds the account's row lock."""
    balance_cents, equity, price_cents = tx.execute(_WORTH, {"client_id": client_id, "security_id": security_id}).one()
    return Moved(balance_cents, int(equity), cash_cents + shares * price_cents)


def record_transfer(tx: Connection, client_id: str, moved: Moved) -> None:
    """Record a deposit or a withdrawal before it moves anything. The caller holds the account's row lock."""
    known = growths(tx, client_id).get(client_id, Growth())
    growth = known.after_transfer(equity_cents=moved.equity_cents, value_cents=moved.value_cents)
    tx.execute(_KEEP, {"client_id": client_id, "factor": growth.factor, "base_cents": growth.base_cents})


def growths(tx: Connection, client_id: str | None = None) -> Mapping[str, Growth]:
    """Return the growth of each account that ever had a transfer; with a client id, of that account only."""
    query = text(
        "SELECT client_id, factor, base_cents FROM account_growth "
        "WHERE client_id = :client_id OR CAST(:client_id AS text) IS NULL"
    )
    rows = tx.execute(query, {"client_id": client_id})
    return {row.client_id: Growth(row.factor, row.base_cents) for row in rows}
