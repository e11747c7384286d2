"""Parses and formats durations: `8h`, `90m`, `1h30m`, `45s`, or a number of seconds."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError

_UNITS_S = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_FORM = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


def seconds(written: object) -> float:
    """Return a duration in seconds.

    raises  ValueError  the text is not a duration
    """
    if isinstance(written, int | float) and not isinstance(written, bool):
        return float(written)
    found = _FORM.fullmatch(written.replace(" ", "")) if isinstance(written, str) and written.strip() else None
    if found is None:
        raise ValueError(f"{written!r} is not a duration; write 8h, 1h30m, 45s or a number of seconds")
    return sum(
        float(number) * unit_s for number, unit_s in zip(found.groups(), _UNITS_S.values(), strict=True) if number
    )


def option(text: str) -> float:
    """Read a duration from a command line, for argparse. Raises ArgumentTypeError."""
    try:
        return seconds(float(text) if text.replace(".", "", 1).isdigit() else text)
    except ValueError as fault:
        raise ArgumentTypeError(str(fault)) from None


def length(text: str) -> float:
    """Read the duration of a run from a command line, for argparse. Raises ArgumentTypeError."""
    found = option(text)
    if not found > 0:
        raise ArgumentTypeError("it must be above 0")
    return found


def written(duration_s: float) -> str:
    """Format a duration: 5400.0 becomes `1h30m`."""
    rest = round(duration_s, 3)
    parts = []
    for letter, unit_s in _UNITS_S.items():
        number = rest // unit_s if letter != "s" else rest
        if number:
            parts.append(f"{number:g}{letter}")
        rest = round(rest - number * unit_s, 3)
    return "".join(parts) or "0s"
