"""Multilateral netting: the cash and shares that must still move after all mutual claims are offset.

Because DTCC stands between the buyer and the seller of every trade, each client settles with DTCC alone: for each
security, it owes or is owed the difference between what it sold and bought, and one amount of cash for all securities.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple


class Turnover(NamedTuple):
    """A client's purchases and sales of a security in a window, and the number of their legs [shares, cents]."""

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

    trades         number of trades
    gross_cents    cash that would move if each trade were paid separately: in to DTCC and out again
    net_cents      cash that moves after netting, in and out again
    gross_shares, net_shares  likewise, over all securities
    cash           by client: paid, received, and the difference, + when the client receives it [cents]
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
    """Net the purchases and sales of clients; each pair of client and security occurs once in the turnovers."""
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
