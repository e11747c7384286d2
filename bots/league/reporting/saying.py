"""Formats the numbers of the report."""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"


def dollars(cents: float | None, *, sign: bool = False) -> str:
    """Format whole dollars from a hundred up, and cents below."""
    if cents is None:
        return NONE
    amount = cents / 100
    text = f"{abs(amount):,.0f}" if abs(amount) >= 99.995 else f"{abs(amount):,.2f}"
    return f"{_sign(amount, shown=sign)}${text}"


def percent(fraction: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """Format a fraction as a percentage."""
    if fraction is None:
        return NONE
    fraction = round(fraction, digits + 2)  # so that a rounded zero has no sign
    return f"{_sign(fraction, shown=sign)}{abs(fraction):.{digits}%}".replace("%", "\N{NO-BREAK SPACE}%")


def number(value: float | None, digits: int = 1) -> str:
    """Format a number with this many decimals and separated thousands."""
    return NONE if value is None else f"{_sign(value)}{abs(value):,.{digits}f}"


def chance(probability: float | None) -> str:
    """Format a probability; one of 0 or 1 in the sample is shown as <1% or >99%."""
    if probability is None:
        return ""
    text = ">99%" if probability > 0.995 else "<1%" if probability < 0.005 else f"{probability:.0%}"
    return text.replace("%", "\N{NO-BREAK SPACE}%")


def shade(probability: float | None) -> str:
    """Return the background colour of a probability: blue for better, orange for worse, deeper if more certain."""
    if probability is None:
        return "#ffffff"
    colour = (31, 90, 153) if probability >= 0.5 else (200, 80, 30)
    depth = abs(probability - 0.5) * 2 * 0.42
    return "#" + "".join(f"{round(255 + (part - 255) * depth):02x}" for part in colour)


def _sign(value: float, *, shown: bool = False) -> str:
    return MINUS if value < 0 else "+" if shown and value > 0 else ""
