"""Times in RFC 3339 as clients write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,30})?([Zz]|[+\- ][0-9]{2}:[0-9]{2})"
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_us_of(text: str) -> int:
    """Return the microseconds since 1970 of a time in RFC 3339, rounded up. Raises ValueError, OverflowError."""
    parts = TIME.fullmatch(text)
    if parts is None:
        raise ValueError("not a time in RFC 3339")
    # A plus sign that a client did not encode arrives as a space.
    whole = datetime.fromisoformat(parts[1].upper() + parts[3].upper().replace(" ", "+"))
    digits = (parts[2] or ".")[1:]
    fraction_us = int(digits[:6].ljust(6, "0")) + any(digit != "0" for digit in digits[6:])
    return (whole - _EPOCH) // timedelta(microseconds=1) + fraction_us
