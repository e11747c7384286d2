"""Shapes of responses about the running exchange: health and audit."""

from __future__ import annotations

from typing import Literal

from api.wire.answers_schema.common import (
    Answer,
    Count,
    Time,
)


class Live(Answer):
    """The api is alive."""

    status: Literal["live"]


class Ready(Answer):
    """Everything that an order needs is available."""

    status: Literal["ready"]
    dependencies: dict[str, str]


class AuditRule(Answer):
    """A rule of the audit, and the violations found."""

    rule: int
    name: str
    passed: bool
    checked: Count
    found: Count
    findings: list[str]


class Audit(Answer):
    """The result of an audit: whether every invariant holds."""

    passed: bool
    checked_at: Time
    rules: list[AuditRule]
