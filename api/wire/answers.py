"""Answers in JSON, and problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import structlog
from flask import Response

from api.wire.problems import CONTENT_TYPE, Problem

T = TypeVar("T")

log = structlog.get_logger()

# Money is Decimal and becomes a JSON number with just its digits.
encode = msgspec.json.Encoder(decimal_format="number").encode


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(encode(content), status, headers, content_type="application/json")


def problem_answer(problem: Problem, content: Mapping[str, Any] | None = None) -> Response:
    """The answer that a problem is; `content` if that was made already."""
    return Response(encode(content or problem.content()), problem.status, problem.headers(), content_type=CONTENT_TYPE)


def page(rows: Sequence[T], form: Callable[[T], Any], *, limit: int, cursor: Callable[[T], int]) -> Response:
    """A page of at most `limit` rows.

    form    a row as clients read it
    cursor  of a row, where the page behind it begins; a page that is not full is the last one
    """
    next_cursor = str(cursor(rows[-1])) if len(rows) == limit else None
    return answer({"data": [form(row) for row in rows], "next_cursor": next_cursor})


def our_fault(fault: Exception) -> Response:
    """500 for what only a mistake of ours can be; the log tells of it under the request id."""
    problem = Problem(500, "internal_error", "the exchange made a mistake; it is in its log under the request id")
    content = problem.content()
    log.error("request_failed", request_id=content["request_id"], exc_info=fault)
    return problem_answer(problem, content)
