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
    "bytes_an_order",
    "cores_used",
    "memory_mb",
    "other_cores",
)

Run = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure in every pair, of the other commit and of this tree; a side that lacks it has no values."""

    name: str
    other: list[float]
    this: list[float]

    @property
    def ratios(self) -> list[float]:
        """This tree to the other commit, pair by pair; empty when one side lacks the figure or the other's is 0."""
        if not self.other or not self.this:
            return []
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
    """Compare every figure that all runs of a side have, in the order of COMPARED."""
    others, ours = [flat(other) for other, _ in made], [flat(this) for _, this in made]
    names = dict.fromkeys([*ours[0], *others[0]])
    return [Comparison(name, _values(others, name), _values(ours, name)) for name in names]


def _values(runs: list[dict[str, float]], name: str) -> list[float]:
    return [run[name] for run in runs] if all(name in run for run in runs) else []


def flat(figures: Mapping[str, Any]) -> dict[str, float]:
    """Return the compared figures of a run by name; a nested one is called `answer_ms p50`."""
    named: dict[str, float] = {}
    if "trades" in figures and figures.get("orders"):  # older commits leave the division to the reader
        figures = {"trades_an_order": round(figures["trades"] / figures["orders"], 3), **figures}
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
