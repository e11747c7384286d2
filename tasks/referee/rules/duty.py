"""The duty to quote: whether a team meets it at a moment, and the penalty for missing time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from tasks.referee.rules.case import Duty


class Resting(NamedTuple):
    """An open limit order: its open quantity, and its limit [cents]."""

    security_id: str
    side: str
    price_cents: int
    quantity: int


def does_quote(orders: Iterable[Resting], duty: Duty, security_ids: Collection[str]) -> bool:
    """Return whether the orders quote every security on both sides, with enough quantity and a small enough spread."""
    mine = list(orders)
    return all(_quotes([one for one in mine if one.security_id == name], duty) for name in security_ids)


def _quotes(orders: list[Resting], duty: Duty) -> bool:
    bid = _price_of(sorted((o for o in orders if o.side == "buy"), key=lambda o: -o.price_cents), duty.quantity)
    ask = _price_of(sorted((o for o in orders if o.side == "sell"), key=lambda o: o.price_cents), duty.quantity)
    return bid is not None and ask is not None and ask - bid <= duty.max_spread_cents


def _price_of(best_first: Iterable[Resting], quantity: int) -> int | None:
    """Return the price up to which the orders have this quantity; None if they have less."""
    for order in best_first:
        quantity -= order.quantity
        if quantity <= 0:
            return order.price_cents
    return None


def penalty_cents(duty: Duty, *, quoted: int, samples: int) -> int:
    """Return the penalty of a team that quoted in this many of a round's samples [cents].

    A percent counts as missing unless it is fully reached; a round without samples costs nothing.
    """
    if not samples:
        return 0
    wanted = round(duty.presence * 100)
    missing = max(wanted - 100 * quoted // samples, 0)
    return missing * duty.penalty_cents
