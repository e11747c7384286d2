from __future__ import annotations

import random

import pytest

from api.streams.feed.candle_series import LATEST_CANDLES, CandleSeries
from tasks.data_feed.rules.candles import candles_of
from tasks.data_feed.rules.rows import Candle, Trade

START_S = 1_700_000_000


def made(sequence: int, price_cents: int, *, at_s: float) -> Trade:
    return Trade("MSFT", sequence, sequence, price_cents, 1 + sequence % 7, "buy", int((START_S + at_s) * 1_000_000))


def flow(seed: int, count: int) -> list[Trade]:
    chance = random.Random(seed)
    return [made(n, chance.randint(9_900, 10_100), at_s=n * 0.3) for n in range(1, count + 1)]


def by_key(candles: list[Candle]) -> dict[tuple[int, int], Candle]:
    return {(candle.interval_s, candle.start_s): candle for candle in candles}


@pytest.mark.parametrize("seed", range(20))
def test_any_order_and_any_number_of_times(seed: int) -> None:
    chance = random.Random(seed)
    trades = flow(seed, 400)
    stored, pushed = trades[:100], trades[80:]
    series = CandleSeries()
    series.begin(candles_of(stored), stored[:20:-1])
    listener = by_key(series.latest())
    chance.shuffle(pushed)
    while pushed:
        taken = chance.randint(1, 30)
        series.add(pushed[:taken])
        series.add(chance.sample(pushed[:taken], 1))
        del pushed[:taken]
        if chance.random() < 0.5:
            before = by_key(series.latest())
            assert before == listener
            listener |= by_key(series.unsent())
    listener |= by_key(series.unsent())
    assert listener == by_key(candles_of(trades)) == by_key(series.latest())
    assert (series.sent_sequence, series.head, series.is_gapless) == (400, 400, True)


def test_gaps_are_known() -> None:
    series = CandleSeries()
    first, second, third, fourth = flow(1, 4)
    assert series.add([first])
    assert not series.add([first])
    assert series.add([fourth, second])
    assert (series.head, series.is_gapless, series.sequence) == (2, False, 4)
    assert series.add([third])
    assert (series.head, series.is_gapless, series.sequence) == (4, True, 4)


def test_a_store_with_a_trade_missing_takes_it_later() -> None:
    trades = flow(2, 10)
    late = trades[4]
    stored = [trade for trade in trades if trade is not late]
    series = CandleSeries()
    series.begin(candles_of(stored), stored[::-1])
    assert (series.head, series.is_gapless, series.sequence) == (4, False, 10)
    assert not series.add(stored)
    assert series.add([late])
    series.unsent()
    assert by_key(series.latest()) == by_key(candles_of(trades))


def test_old_candles_are_forgotten() -> None:
    series = CandleSeries()
    trades = [made(n, 10_000, at_s=n * 60) for n in range(1, 3_000)]
    for trade in trades:
        series.add([trade])
        series.unsent()
    kept = series.latest()
    assert [c.start_s for c in kept if c.interval_s == 1] == [
        c.traded_us // 1_000_000 for c in trades[-LATEST_CANDLES:]
    ]
    assert sum(1 for c in kept if c.interval_s == 60) == LATEST_CANDLES
    assert len(series._sent) <= 8 * LATEST_CANDLES
