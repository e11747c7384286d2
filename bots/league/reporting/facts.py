"""Describes the stylised facts in sentences: the property of real markets, the measurement here, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Literal

from msgspec import Struct

from bots.league.scoring.stylised_facts import Market

# A mean autocorrelation below this is too small to trade on, however significant it is.
NEGLIGIBLE = 0.05

Verdict = Literal["like a market", "not like one", "too little to say"]


class Fact(Struct, frozen=True):
    """One of the stylised facts: Cont's (2001) statement about real markets, the measurement here, and the verdict."""

    name: str
    elsewhere: str
    here: str
    verdict: Verdict


def facts(markets: Sequence[Market]) -> list[Fact]:
    """Return the facts of one security, each from its mean over the matches."""
    at_lags = [fmean(lag) for lag in zip(*(m.correlations for m in markets if m.correlations), strict=True)]
    near = fmean(abs(one) for one in at_lags[1:10]) if at_lags else None
    first = _mean([market.correlations[0] for market in markets if market.correlations])
    cluster = _mean([fmean(market.size_correlations[:10]) for market in markets if market.size_correlations])
    # The standard error of a mean falls with the square root of the number of matches.
    noise = fmean(market.noise for market in markets) / len(markets) ** 0.5
    kurtosis = _mean([market.kurtosis for market in markets])
    slow = _mean([market.slow_kurtosis for market in markets])
    tail = _mean([market.tail_index for market in markets])
    skewness = _mean([market.skewness for market in markets])
    volume = _mean([market.volume_volatility for market in markets])
    return [
        Fact(
            "Returns are not correlated",
            "Autocorrelation is close to 0, except for the bounce between bid and ask at the first lag.",
            f"{_said(first)} at lag 1; {_said(near)} in size at lags 2 to 10; chance alone {noise:.2f}",
            _verdict(near, lambda size: size < max(2 * noise, NEGLIGIBLE)),
        ),
        Fact(
            "Heavy tails",
            "Large moves are far more frequent than in a normal distribution: excess kurtosis is well above 0.",
            f"excess kurtosis {_said(kurtosis, 1)}",
            _verdict(kurtosis, lambda excess: excess > 1),
        ),
        Fact(
            "Tails follow a power law",
            "The tail index is finite, between 2 and 5.",
            f"tail index {_said(tail, 1)}",
            _verdict(tail, lambda index: 2 <= index <= 5),
        ),
        Fact(
            "More normal over longer times",
            "Excess kurtosis falls as returns cover longer times.",
            f"{_said(kurtosis, 1)}, and {_said(slow, 1)} over ten times as long",
            "too little to say" if kurtosis is None else _verdict(slow, lambda longer: longer < kurtosis),
        ),
        Fact(
            "Volatility clusters",
            "Absolute returns stay correlated over many lags: large moves follow large moves.",
            f"{_said(cluster)} on average over lags 1 to 10",
            _verdict(cluster, lambda mean: mean > noise),
        ),
        Fact(
            "Volume rises with volatility",
            "Volume is correlated with the size of the moves.",
            f"correlation {_said(volume)}",
            _verdict(volume, lambda correlation: correlation > noise),
        ),
        Fact(
            "Gains and losses differ",
            "Falls of stocks and indices are larger than rises: skewness below 0.",
            f"skewness {_said(skewness)}",
            _verdict(skewness, lambda skew: skew < -0.1),
        ),
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _said(value: float | None, digits: int = 2) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _verdict(value: float | None, holds: Callable[[float], bool]) -> Verdict:
    if value is None:
        return "too little to say"
    return "like a market" if holds(value) else "not like one"
