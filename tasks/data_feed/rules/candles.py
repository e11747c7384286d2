"""Candles of trades. Merging commutes, so the order of trades, and the worker that merges them, do not matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from tasks.data_feed.rules.rows import Candle, Trade

# In a quiet market there are as many one-second candles as trades, so they are dropped with the trades; others stay.
CANDLE_SECONDS = {"1s": 1, "1m": 60, "5m": 300, "1h": 3600}


# Every other interval is a multiple of this one.
FINEST_S = CANDLE_SECONDS["1s"]


def candles_of(trades: Iterable[Trade]) -> list[Candle]:
    """Return the candles of distinct trades, for every interval."""
    together: dict[tuple[str, int], list[Trade]] = {}
    for trade in trades:
        together.setdefault((trade.security_id, trade.traded_us // 1_000_000), []).append(trade)
    finest = [_candle(start_s, within) for (_, start_s), within in together.items()]
    return [candle for interval_s in CANDLE_SECONDS.values() for candle in _widen(finest, interval_s)]


def merge(one: Candle, other: Candle) -> Candle:
    """Merge two candles of one security, interval and start that share no trade."""
    first = min(one, other, key=lambda candle: candle.first_sequence)
    last = max(one, other, key=lambda candle: candle.last_sequence)
    return Candle(
        security_id=one.security_id,
        interval_s=one.interval_s,
        start_s=one.start_s,
        open_cents=first.open_cents,
        high_cents=max(one.high_cents, other.high_cents),
        low_cents=min(one.low_cents, other.low_cents),
        close_cents=last.close_cents,
        volume=one.volume + other.volume,
        first_sequence=first.first_sequence,
        last_sequence=last.last_sequence,
    )


def _candle(start_s: int, trades: Sequence[Trade]) -> Candle:
    """Return the finest candle of trades of one security, all within its interval."""
    first = min(trades, key=lambda trade: trade.sequence)
    last = max(trades, key=lambda trade: trade.sequence)
    return Candle(
        security_id=first.security_id,
        interval_s=FINEST_S,
        start_s=start_s,
        open_cents=first.price_cents,
        high_cents=max(trade.price_cents for trade in trades),
        low_cents=min(trade.price_cents for trade in trades),
        close_cents=last.price_cents,
        volume=sum(trade.quantity for trade in trades),
        first_sequence=first.sequence,
        last_sequence=last.sequence,
    )


def _widen(candles: Iterable[Candle], interval_s: int) -> Iterable[Candle]:
    """Return candles of a wider interval, made of finer ones that divide it."""
    wider: dict[tuple[str, int], Candle] = {}
    for candle in candles:
        start_s = candle.start_s - candle.start_s % interval_s
        key = candle.security_id, start_s
        moved = replace(candle, interval_s=interval_s, start_s=start_s)
        wider[key] = merge(wider[key], moved) if key in wider else moved
    return wider.values()
