"""Parameters of a query string."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, TypeVar

from flask import request
from pydantic import Field

from api.request.listing import Listing
from api.wire.declaration import Parameter
from api.wire.problems import invalid
from api.wire.times import TIME, time_us_of

T = TypeVar("T", bound=str)

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 100

_NUMBER = re.compile(r"[0-9]{1,18}")

# As routes declare them.
_Time = Annotated[str, Field(pattern=f"^{TIME.pattern}$", json_schema_extra={"format": "date-time"})]
FROM = Parameter("from", _Time, "the first moment of the time")
TO = Parameter("to", _Time, "the first moment after it; now without it")
LIMIT = Parameter("limit", Annotated[int, Field(ge=1, le=MAX_LIMIT)], f"rows of the page, {DEFAULT_LIMIT} by default")
CURSOR = Parameter("cursor", Annotated[str, Field(pattern="^[0-9]{0,18}$")], "the next_cursor of the page before")
SECURITY = Parameter("security_id", str, "of this security only")
WHOSE = Parameter("client_id", str, "whose they are; a client's own without it, and for the admin everybody's")


def number(name: str, *, default: int, least: int, most: int) -> int:
    """An integer parameter. Raises Problem (422)."""
    text = request.args.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise invalid(f"?{name}", f"has to be an integer from {least} to {most}")
    return int(text)


def limit() -> int:
    """How many rows a page may have. Raises Problem (422)."""
    return number("limit", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT)


def cursor() -> int | None:
    """Where the page goes on; None for the first one. Raises Problem (422)."""
    text = request.args.get("cursor")
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise invalid("?cursor", "has to be the next_cursor of the page before")
    return int(text)


def choice(name: str, choices: Sequence[T], *, default: T) -> T:
    """One of some words. Raises Problem (422)."""
    text = request.args.get(name, default)
    for one in choices:
        if one == text:
            return one
    raise invalid(f"?{name}", f"has to be one of {', '.join(choices)}")


def time_us(name: str, *, default: int) -> int:
    """A time in RFC 3339 as microseconds since 1970, rounded up. Raises Problem (422).

    Stored times are whole microseconds, so one is at or after a finer time just when it is at or after that rounded up.
    """
    text = request.args.get(name)
    if text is None:
        return default
    try:
        return time_us_of(text)
    except (ValueError, OverflowError):
        raise invalid(f"?{name}", "has to be a time as 2026-01-02T03:04:05Z") from None


def security(listing: Listing) -> str | None:
    """A security that is or was listed; None for all of them. Raises Problem (422, 503)."""
    text = request.args.get("security_id")
    if text and not listing.was_ever(text):
        raise invalid("?security_id", "is not listed", code="unknown_security")
    return text or None
