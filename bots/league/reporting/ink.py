"""The style of the plots: white background, few colours that also differ in grey, no decoration."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

BLUE = "#1f5a99"
ORANGE = "#c8501e"
PALE = "#a9c1dc"
GREY = "#8a8f98"
LIGHT = "#d9dce1"
DARK = "#23272e"

# A line with more points than this is thinned, because no screen shows more.
_MOST_POINTS = 500

STYLE: Any = {  # matplotlib types each of its 300 names
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": DARK,
    "axes.labelcolor": DARK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": DARK,
    "axes.unicode_minus": True,
    "grid.color": "#e8eaee",
    "grid.linewidth": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": DARK,
    "ytick.labelcolor": DARK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.hashsalt": "league",  # the same picture is the same text each time
    "savefig.dpi": 160,
}
# Only the league draws in this process, so the global style may change.
mpl.rcParams.update(STYLE)


def figure(width: float, height: float, rows: int = 1, columns: int = 1, **layout: Any) -> tuple[Figure, list[Axes]]:
    """Make an empty figure [inches]; return it and its axes, row by row."""
    drawn = Figure(figsize=(width, height), layout="constrained")
    axes = drawn.subplots(rows, columns, squeeze=False, **layout)
    return drawn, [one for row in axes for one in row]


def mosaic(width: float, height: float, rows: Any, **layout: Any) -> tuple[Figure, dict[str, Axes]]:
    """Make an empty figure [inches] with the given layout; return it and its axes by name."""
    drawn = Figure(figsize=(width, height), layout="constrained")
    return drawn, drawn.subplot_mosaic(rows, **layout)


def picture(drawn: Figure) -> str:
    """Return a figure as a data URL, for a page that needs no other file."""
    out = io.BytesIO()
    drawn.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()


def thinned(*columns: Sequence[float]) -> tuple[Sequence[float], ...]:
    """Return the same curve with fewer points; the last point stays."""
    number = len(columns[0])
    step = -(-number // _MOST_POINTS)
    if step <= 1:
        return columns
    kept = [*range(0, number - 1, step), number - 1]
    return tuple([column[at] for at in kept] for column in columns)


def averaged(*columns: Sequence[float]) -> tuple[Sequence[float], ...]:
    """Return noisy curves with fewer points, each the mean of those that it replaces."""
    step = -(-len(columns[0]) // (_MOST_POINTS // 4))
    if step <= 1:
        return columns
    return tuple(
        [
            fmean(known) if (known := [value for value in column[at : at + step] if value == value]) else float("nan")
            for at in range(0, len(column), step)
        ]
        for column in columns
    )


def spread_of(values: Sequence[float]) -> tuple[float, float] | None:
    """Return axis limits that exclude rare outliers; None if there are none."""
    known = sorted(value for value in values if value == value)
    if len(known) < 50:
        return None
    low, high = known[len(known) // 100], known[-1 - len(known) // 100]
    room = 1.5 * (high - low)
    if low - room <= known[0] and known[-1] <= high + room:
        return None
    return max(known[0], low - room / 4), min(known[-1], high + room / 4)


def hours(axes: Axes, duration_s: float, *, is_small: bool = False) -> float:
    """Label the time axis in a suitable unit; return that unit in seconds."""
    unit_s, name = (3600.0, "hours") if duration_s > 7200 else (60.0, "minutes") if duration_s > 180 else (1.0, "s")
    axes.set_xlabel(f"time [{name}]")
    axes.set_xlim(0, duration_s / unit_s)
    axes.xaxis.set_major_locator(MaxNLocator(4 if is_small else 9, steps=[1, 2, 5, 10]))
    return unit_s
