"""Multilateral netting: what is left to be moved when everything that everyone owes everyone is set off.

Because DTCC stands between buyer and seller of every trade, each client has to do with it alone: of a security it owes
or is owed the difference of what it sold and bought, and of cash one amount for all securities together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple


class Turnover(NamedTuple):
    """What a client bought and sold of a security in a time, by so many legs of trades [shares, cents]."""

    client_id: str
    security_id: str
    legs: int
    bought: int
    bought_cents: int
    sold: int
    sold_cents: int


@dataclass(frozen=True, slots=True)
class Netted:
    """The sums of a netting window.

    trades         how many there were
    gross_cents    cash that would move if each trade were paid by itself: in to DTCC and out again
    net_cents      cash that moves when it is set off, in and out again
    gross_shares, net_shares  likewise, over all securities
    cash           by client: what it paid and got, and the difference that is left, + for what it gets [cents]
    """

    trades: int
    gross_cents: int
    net_cents: int
    gross_shares: int
    net_shares: int
    cash: Mapping[str, tuple[int, int]]

    @property
    def cash_efficiency(self) -> Fraction | None:
        """The part of the cash that does not have to move; None when nothing was traded."""
        return _efficiency(self.gross_cents, self.net_cents)

    @property
    def share_efficiency(self) -> Fraction | None:
        """The part of the shares that do not have to move; None when nothing was traded."""
        return _efficiency(self.gross_shares, self.net_shares)


def net(turnovers: Iterable[Turnover]) -> Netted:
    """Set off what clients bought and sold; each client and security stands once in the turnovers."""
    paid_and_got: Counter[str] = Counter()
    left: Counter[str] = Counter()
    legs = gross_shares = net_shares = 0
    for one in turnovers:
        legs += one.legs
        paid_and_got[one.client_id] += one.bought_cents + one.sold_cents
        left[one.client_id] += one.sold_cents - one.bought_cents
        gross_shares += one.bought + one.sold
        net_shares += abs(one.bought - one.sold)
    return Netted(
        trades=legs // 2,
        gross_cents=paid_and_got.total(),
        net_cents=sum(abs(cents) for cents in left.values()),
        gross_shares=gross_shares,
        net_shares=net_shares,
        cash={client_id: (paid_and_got[client_id], left[client_id]) for client_id in sorted(paid_and_got)},
    )


def _efficiency(gross: int, left: int) -> Fraction | None:
    return 1 - Fraction(left, gross) if gross else None
