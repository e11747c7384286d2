"""Netting: what is left does not depend on which clients trade with each other, and never grows."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tasks.order_execution.rules.netting import Turnover, net

Trade = tuple[str, str, str, int, int]

TRADES = st.lists(
    st.tuples(
        st.sampled_from("ABCD"), st.sampled_from("ABCD"), st.sampled_from("XY"), st.integers(1, 9), st.integers(1, 9)
    ).filter(lambda trade: trade[0] != trade[1]),
    max_size=30,
)


def turnovers(trades: list[Trade]) -> list[Turnover]:
    sums: dict[tuple[str, str], Counter[str]] = {}
    for buyer, seller, security_id, quantity, price in trades:
        bought = sums.setdefault((buyer, security_id), Counter())
        bought.update(legs=1, bought=quantity, bought_cents=quantity * price)
        sold = sums.setdefault((seller, security_id), Counter())
        sold.update(legs=1, sold=quantity, sold_cents=quantity * price)
    return [
        Turnover(client, security, *(one[name] for name in Turnover._fields[2:]))
        for (client, security), one in sums.items()
    ]


@given(TRADES)
def test_what_is_left_is_what_all_have_gained(trades: list[Trade]) -> None:
    netted = net(turnovers(trades))
    assert netted.trades == len(trades)
    assert netted.gross_cents == 2 * sum(quantity * price for *_, quantity, price in trades)
    assert netted.gross_shares == 2 * sum(quantity for *_, quantity, _ in trades)
    gained: Counter[str] = Counter()
    for buyer, seller, _, quantity, price in trades:
        gained[buyer] -= quantity * price
        gained[seller] += quantity * price
    assert {client: left for client, (_, left) in netted.cash.items()} == gained
    assert sum(left for _, left in netted.cash.values()) == 0
    assert 0 <= netted.net_cents <= netted.gross_cents
    assert 0 <= netted.net_shares <= netted.gross_shares


def test_a_circle_nets_to_nothing() -> None:
    netted = net(turnovers([("A", "B", "X", 5, 3), ("B", "C", "X", 5, 3), ("C", "A", "X", 5, 3)]))
    assert (netted.net_cents, netted.net_shares, netted.cash_efficiency) == (0, 0, Fraction(1))
    assert net([]).cash_efficiency is None
