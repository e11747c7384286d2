"""Measures how realistic a market is: its spread, depth and volatility, and the stylised facts of returns.

source  R. Cont, "Empirical properties of asset returns: stylized facts and statistical issues",
        Quantitative Finance 1 (2001) 223-236, section 2; tail index: B. Hill, Annals of Statistics 3 (1975)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from bots.league.play.result import MarketSample, Match

LAGS = 20
# Returns cover a minute, or less if the match has too few minutes for statistics.
RETURN_S = 60.0
FEWEST_RETURNS = 200
# Fraction of the returns that counts as the tail.
TAIL = 0.05

Array = NDArray[np.float64]


class Market(Struct, frozen=True, kw_only=True):
    """The properties of a security in one match; None if there was nothing to measure.

    return_s          time that each return covers [s]
    spread_cents      mean of ask less bid
    spread_share      the same as a fraction of the midpoint
    depth             mean of the shares at the best bid and ask together
    two_sided         fraction of the samples with a bid and an ask
    volatility        standard deviation of the logarithmic returns over return_s
    kurtosis          excess kurtosis of the returns; 0 of a normal distribution
    slow_kurtosis     the same of returns over ten times as long
    tail_index        Hill's estimate from the largest twentieth of the absolute returns
    correlations      autocorrelation of returns at the lags 1, 2, ...
    size_correlations the same for absolute returns
    noise             size that the autocorrelation of random returns exceeds in 5 % of cases
    volume_volatility correlation between the shares traded and the absolute return of an interval
    returns           the returns in units of their standard deviation
    """

    security_id: str
    return_s: float
    spread_cents: float | None
    spread_share: float | None
    depth: float | None
    two_sided: float
    volume: int
    volatility: float | None
    skewness: float | None
    kurtosis: float | None
    slow_kurtosis: float | None
    tail_index: float | None
    correlations: list[float]
    size_correlations: list[float]
    noise: float
    volume_volatility: float | None
    returns: list[float]


def describe(match: Match, security_id: str) -> Market:
    """Describe one security of a match."""
    samples = match.market[security_id]
    quoted = [
        (sample.bid_cents, sample.ask_cents, sample.bid_quantity + sample.ask_quantity)
        for sample in samples
        if sample.bid_cents is not None and sample.ask_cents is not None
    ]
    spreads = [ask - bid for bid, ask, _ in quoted]
    step, return_s = _step(match, samples)
    prices = np.log(np.array([middle_cents(sample) for sample in samples[::step]], dtype=float))
    volumes = np.diff(np.array([sample.volume for sample in samples[::step]], dtype=float))
    returns = np.diff(prices)
    spreading = float(returns.std()) if len(returns) > 1 else 0.0
    sizes = np.abs(returns)
    return Market(
        security_id=security_id,
        return_s=return_s,
        spread_cents=float(np.mean(spreads)) if quoted else None,
        spread_share=float(np.mean([2 * (ask - bid) / (ask + bid) for bid, ask, _ in quoted])) if quoted else None,
        depth=float(np.mean([shares for _, _, shares in quoted])) if quoted else None,
        two_sided=len(quoted) / len(samples),
        volume=samples[-1].volume,
        volatility=spreading or None,
        skewness=_moment(returns, 3),
        kurtosis=_excess(returns),
        slow_kurtosis=_excess(np.diff(prices[::10])),
        tail_index=tail_index(sizes),
        correlations=autocorrelations(returns),
        size_correlations=autocorrelations(sizes),
        noise=1.96 / len(returns) ** 0.5 if len(returns) else 0.0,
        volume_volatility=_correlation(volumes, sizes),
        returns=[float(one) for one in (returns - returns.mean()) / spreading] if spreading else [],
    )


def middle_cents(sample: MarketSample) -> float:
    """Return the midpoint of best bid and ask, or the last price if a side is empty [cents]."""
    if sample.bid_cents is None or sample.ask_cents is None:
        return float(sample.last_cents)
    return (sample.bid_cents + sample.ask_cents) / 2


def _step(match: Match, samples: Sequence[MarketSample]) -> tuple[int, float]:
    """Return the number of samples that each return covers, and their duration [s]."""
    between_s = match.duration_s / max(len(samples) - 1, 1)
    wanted_s = min(RETURN_S, match.duration_s / FEWEST_RETURNS)
    step = max(round(wanted_s / between_s), 1)
    return step, step * between_s


def autocorrelations(values: Any, lags: int = LAGS) -> list[float]:
    """Return the autocorrelations at the lags 1, 2, ...; none if the series is too short or constant."""
    series = np.asarray(values, dtype=float)
    if len(series) <= lags + 1:
        return []
    centred = series - series.mean()
    power = float(centred @ centred)
    if power == 0:
        return []
    return [float(centred[:-lag] @ centred[lag:]) / power for lag in range(1, lags + 1)]


def tail_index(sizes: Any, tail: float = TAIL) -> float | None:
    """Return Hill's estimate of a tail's exponent; real returns have 2 to 5, normally distributed ones more."""
    ordered = np.sort(np.asarray(sizes, dtype=float))[::-1]
    number = int(len(ordered) * tail)
    if number < 5 or ordered[number] <= 0:
        return None
    excess = float(np.mean(np.log(ordered[:number] / ordered[number])))
    return 1 / excess if excess > 0 else None


def _moment(values: Array, order: int) -> float | None:
    if len(values) < 3 or values.std() == 0:
        return None
    return float(np.mean(((values - values.mean()) / values.std()) ** order))


def _excess(values: Array) -> float | None:
    fourth = _moment(values, 4)
    return None if fourth is None else fourth - 3


def _correlation(one: Array, other: Array) -> float | None:
    if len(one) < 3 or one.std() == 0 or other.std() == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])
