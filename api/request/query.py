"""Read and validate the parameters of a query string."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Annotated, TypeVar

from flask import request
from pydantic import Field

from api.request.listing import Listing
from api.wire.declaration import Parameter
from api.wire.problems import invalid, not_listed
from api.wire.times import TIME, time_us_of

T = TypeVar("T", bound=str)

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 100

_NUMBER = re.compile(r"[0-9]{1,18}")

# The parameters as routes declare them.
_Time = Annotated[str, Field(pattern=f"^{TIME.pattern}$", json_schema_extra={"format": "date-time"})]
FROM = Parameter("from", _Time, "start of the period, inclusive")
TO = Parameter("to", _Time, "end of the period, exclusive; now by default")
LIMIT = Parameter("limit", Annotated[int, Field(ge=1, le=MAX_LIMIT)], f"rows in the page; {DEFAULT_LIMIT} by default")
CURSOR = Parameter("cursor", Annotated[str, Field(pattern="^[0-9]{0,18}$")], "next_cursor of the previous page")
SECURITY = Parameter("security_id", str, "only rows of this security")
WHOSE = Parameter("client_id", str, "only rows of this client; by default the key's own, with the admin's key all")


def number(name: str, *, default: int, least: int, most: int) -> int:
    """Return an integer parameter. Raises Problem (422)."""
    text = request.args.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise invalid(f"?{name}", f"must be an integer from {least:,} to {most:,}")
    return int(text)


def limit() -> int:
    """Return the largest number of rows in the page. Raises Problem (422)."""
    return number("limit", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT)


def cursor() -> int | None:
    """Return the cursor of the page; None for the first page. Raises Problem (422)."""
    text = request.args.get("cursor")
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise invalid("?cursor", "must be the next_cursor of the previous page")
    return int(text)


def choice(name: str, choices: Sequence[T], *, default: T) -> T:
    """Return a parameter that allows only these words. Raises Problem (422)."""
    text = request.args.get(name, default)
    for one in choices:
        if one == text:
            return one
    raise invalid(f"?{name}", f"must be one of {', '.join(choices)}")


def time_us(name: str, *, default: int) -> int:
    """Return a time in RFC 3339 as microseconds since 1970, rounded up. Raises Problem (422).

    Stored times are whole microseconds, so a comparison with the rounded time equals one with the finer time.
    """
    text = request.args.get(name)
    if text is None:
        return default
    try:
        return time_us_of(text)
    except (ValueError, OverflowError):
        raise invalid(f"?{name}", "must be a time such as 2026-01-02T03:04:05Z") from None


def require_known(allowed: Collection[str]) -> None:
    """Check the names of all parameters. Raises Problem (422).

    A parameter without effect would be a misspelt one, and the client would not notice.
    """
    if not request.args.keys() - allowed:
        return
    if not allowed:
        raise invalid("?", "contains parameters, but this route accepts none")
    raise invalid("?", f"contains unknown parameters; this route accepts only {', '.join(sorted(allowed))}")


def security(listing: Listing) -> str | None:
    """Return a security that is or was listed; None stands for all. Raises Problem (422, 503)."""
    text = request.args.get("security_id")
    if text and not listing.was_ever(text):
        raise invalid("?security_id", not_listed(listing.all()), code="unknown_security")
    return text or None
