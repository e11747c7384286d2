from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from tasks.data_feed.rules.candles import CANDLE_SECONDS, candles_of, merge
from tasks.data_feed.rules.rows import Candle, Trade

START_S = 1_700_000_000 - 1_700_000_000 % 3600


def made(sequence: int, price_cents: int, *, at_s: float, quantity: int = 1, security_id: str = "MSFT") -> Trade:
    return Trade(security_id, sequence, sequence, price_cents, quantity, "buy", int((START_S + at_s) * 1_000_000))


def of(interval: str, candles: list[Candle]) -> list[tuple[int, ...]]:
    """Return (start, open, high, low, close, volume) of one interval; starts count from the hour."""
    return [
        (c.start_s - START_S, c.open_cents, c.high_cents, c.low_cents, c.close_cents, c.volume)
        for c in sorted(candles, key=lambda c: c.start_s)
        if c.interval_s == CANDLE_SECONDS[interval]
    ]


def test_open_and_close_follow_the_numbers_of_trades() -> None:
    trades = [made(3, 104, at_s=0.9), made(1, 100, at_s=0.1), made(2, 98, at_s=0.2, quantity=5)]
    assert of("1s", candles_of(trades)) == [(0, 100, 104, 98, 104, 7)]


def test_each_interval() -> None:
    trades = [made(1, 100, at_s=1), made(2, 110, at_s=61), made(3, 90, at_s=62), made(4, 95, at_s=301)]
    candles = candles_of(trades)
    assert of("1s", candles) == [
        (1, 100, 100, 100, 100, 1),
        (61, 110, 110, 110, 110, 1),
        (62, 90, 90, 90, 90, 1),
        (301, 95, 95, 95, 95, 1),
    ]
    assert of("1m", candles) == [
        (0, 100, 100, 100, 100, 1),
        (60, 110, 110, 90, 90, 2),
        (300, 95, 95, 95, 95, 1),
    ]
    assert of("5m", candles) == [(0, 100, 110, 90, 90, 3), (300, 95, 95, 95, 95, 1)]
    assert of("1h", candles) == [(0, 100, 110, 90, 95, 4)]


def test_securities_are_separate() -> None:
    candles = candles_of([made(1, 100, at_s=0), made(1, 200, at_s=0, security_id="TSLA")])
    assert {(c.security_id, c.open_cents) for c in candles} == {("MSFT", 100), ("TSLA", 200)}


@given(
    prices=st.lists(st.integers(1, 1000), min_size=2, max_size=30),
    split=st.integers(0, 2**30),
    order=st.randoms(use_true_random=False),
)
def test_parts_merge_in_any_order(prices: list[int], split: int, order: object) -> None:
    trades = [made(number, price, at_s=0, quantity=number) for number, price in enumerate(prices, 1)]
    parts = [[trade] for trade in trades[: split % len(trades)]] + [trades[split % len(trades) :]]
    order.shuffle(parts)  # type: ignore[attr-defined]
    seconds = [next(c for c in candles_of(part) if c.interval_s == 1) for part in parts if part]
    assert reduce(merge, seconds) == next(c for c in candles_of(trades) if c.interval_s == 1)
