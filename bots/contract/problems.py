"""What the exchange says when it says no."""

from __future__ import annotations

from msgspec import Struct


class FieldFault(Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a request; `pointer` is a JSON pointer into it."""

    pointer: str = ""
    detail: str = ""


class ProblemDetails(Struct, frozen=True, kw_only=True):
    """An answer of application/problem+json (RFC 9457); `code` is the part meant for programs."""

    status: int
    title: str = ""
    detail: str = ""
    code: str = ""
    errors: list[FieldFault] = []
    request_id: str | None = None
