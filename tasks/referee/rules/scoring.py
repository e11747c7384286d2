"""Scores: gains become points, points become ranks.

The gain of a round is the cash after its settlement less the value of the endowment at the settled values. So a team
that does nothing gains nothing, wherever prices went, and all gains add up to zero less fees.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from typing import Protocol

from tasks.referee.rules.case import Case, Scoring


class Worth(Protocol):
    """The contents of an account: cash [cents] and shares by security."""

    @property
    def cash_cents(self) -> int: ...
    @property
    def shares(self) -> Mapping[str, int]: ...


def endowment_cents(cash_cents: int, shares: Mapping[str, int], values: Mapping[str, int]) -> int:
    """Return the value of an endowment at the values of its securities [cents]."""
    return cash_cents + sum(quantity * values[name] for name, quantity in shares.items())


def live_gains(
    case: Case,
    ids: Mapping[str, str],
    prices: Mapping[str, int],
    worth: Mapping[str, Worth],
    received: Mapping[str, Worth],
) -> dict[str, int]:
    """Return the gain of each account if the round ended at these prices [cents].

    ids       ids of the round's securities, by their names in the case
    prices    by id; settlement prices for securities that were settled
    received  what closed accounts received of the endowment; all others have received it whole
    """
    of_round = {one: prices[one] for one in ids.values()}
    whole = endowment_cents(case.cash_cents, case.shares, {name: prices[one] for name, one in ids.items()})
    return {
        client_id: value_cents(account, of_round)
        - (value_cents(received[client_id], of_round) if client_id in received else whole)
        for client_id, account in worth.items()
    }


def value_cents(account: Worth, values: Mapping[str, int]) -> int:
    """Return the value of an account's cash, and of its shares of the securities that have a value here [cents]."""
    return account.cash_cents + sum(shares * values.get(name, 0) for name, shares in account.shares.items())


def ranks(scores: Mapping[str, int]) -> dict[str, int]:
    """Return the rank of each score, highest first; equal scores share a rank, and the next counts all before it."""
    ordered = sorted(scores.values(), reverse=True)
    first: dict[int, int] = {}
    for place, score in enumerate(ordered, start=1):
        first.setdefault(score, place)
    return {name: first[score] for name, score in scores.items()}


def points(gains: Mapping[str, int], scoring: Scoring) -> dict[str, int]:
    """Return the points of a round [hundredths] for its gains [cents].

    gain  a point for each dollar
    root  the root of the gain in dollars, with its sign, so that one lucky round does not decide
    rank  as many points as there are teams for the first, one less for each rank below
    """
    if scoring == "gain":
        return dict(gains)
    if scoring == "root":
        return {name: signed_root(gain) for name, gain in gains.items()}
    return {name: 100 * (len(gains) + 1 - rank) for name, rank in ranks(gains).items()}


def signed_root(cents: int) -> int:
    """Return the root of an amount in dollars, with its sign [hundredths]."""
    root = isqrt(100 * abs(cents))
    return root if cents >= 0 else -root
