"""Pairs of runs, one of each commit, and what they say about every figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

# The figures of a scenario that are compared, by their first name.
COMPARED = (
    "orders_a_second",
    "trades_an_order",
    "answer_ms",
    "ms",
    "cpu_us_an_order",
    "cores_used",
    "resident_mb",
    "beside_cores",
)

Run = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure in every pair, of the other commit and of this tree."""

    name: str
    other: list[float]
    this: list[float]

    @property
    def ratios(self) -> list[float]:
        """This tree to the other commit, pair by pair; empty when the other's figure is 0."""
        return [this / other for other, this in zip(self.other, self.this, strict=True) if other]


def take_turns(other: Run, this: Run, *, pairs: int) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Run both in each pair, and start every pair with the one that the pair before ended with.

    So a machine that gets slower and slower, or faster, favours neither.
    """
    made = []
    for number in range(pairs):
        if number % 2 == 0:
            others = other()
            made.append((others, this()))
        else:
            ours = this()
            made.append((other(), ours))
    return made


def compare(made: list[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> list[Comparison]:
    """Compare each figure that all runs have, in the order of COMPARED."""
    runs = [(flat(other), flat(this)) for other, this in made]
    names = [name for name in runs[0][1] if all(name in one for pair in runs for one in pair)]
    return [Comparison(name, [other[name] for other, _ in runs], [this[name] for _, this in runs]) for name in names]


def flat(figures: Mapping[str, Any]) -> dict[str, float]:
    """Return the compared figures of a run by name; a nested one is called `answer_ms p50`."""
    named: dict[str, float] = {}
    for name in COMPARED:
        value = figures.get(name, {})
        if isinstance(value, Mapping):
            named |= {f"{name} {inner}": number for inner, number in _leaves(value)}
        else:
            named[name] = value
    return named


def _leaves(nested: Mapping[str, Any]) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in nested.items():
        if isinstance(value, Mapping):
            found += [(f"{name} {inner}", number) for inner, number in _leaves(value)]
        else:
            found.append((name, value))
    return found


def spread(values: list[float]) -> str:
    """Write a median and the range around it."""
    if not values:
        return "none"
    return f"{_digits(median(values))} ({_digits(min(values))} to {_digits(max(values))})"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
