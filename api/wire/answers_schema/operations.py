"""Shapes of responses about the running exchange: health and audit."""

from __future__ import annotations

from typing import Literal

from api.wire.answers_schema.common import (
    Answer,
    Count,
    Time,
)


class Live(Answer):
    """The api answers."""

    status: Literal["live"]


class Ready(Answer):
    """Everything that an order needs is there."""

    status: Literal["ready"]
    dependencies: dict[str, str]


class AuditRule(Answer):
    """A rule of the audit, and what breaks it."""

    rule: int
    name: str
    passed: bool
    checked: Count
    found: Count
    findings: list[str]


class Audit(Answer):
    """Whether what must always hold holds."""

    passed: bool
    checked_at: Time
    rules: list[AuditRule]
