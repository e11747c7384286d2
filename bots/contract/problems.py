"""Refusals of the exchange."""

from __future__ import annotations

from msgspec import Struct


class FieldFault(Struct, frozen=True, kw_only=True):
    """One fault of a request; `pointer` is a JSON pointer into it."""

    pointer: str = ""
    detail: str = ""


class ProblemDetails(Struct, frozen=True, kw_only=True):
    """An application/problem+json answer (RFC 9457); programs use `code`."""

    status: int
    title: str = ""
    detail: str = ""
    code: str = ""
    errors: list[FieldFault] = []
    request_id: str | None = None
