"""Build the responses: JSON, pages of rows, problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import structlog
from flask import Response

from api.wire.problems import CONTENT_TYPE, Problem

T = TypeVar("T")

log = structlog.get_logger()

# Money is Decimal and becomes a JSON number with exactly its digits.
encode = msgspec.json.Encoder(decimal_format="number").encode


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(encode(content), status, headers, content_type="application/json")


def problem_answer(problem: Problem, content: Mapping[str, Any] | None = None) -> Response:
    """Return the response for a problem; pass its `content` if it exists already."""
    return Response(encode(content or problem.content()), problem.status, problem.headers(), content_type=CONTENT_TYPE)


def page(rows: Sequence[T], form: Callable[[T], Any], *, limit: int, cursor: Callable[[T], int]) -> Response:
    """Return a page of at most `limit` rows.

    form    turns a row into its JSON form
    cursor  returns the cursor of the page after a row; a page that is not full is the last one
    """
    next_cursor = str(cursor(rows[-1])) if len(rows) == limit else None
    return answer({"data": [form(row) for row in rows], "next_cursor": next_cursor})


def our_fault(fault: Exception) -> Response:
    """Return a 500 for a bug of the exchange, and log the bug under the request id."""
    problem = Problem(500, "internal_error", "the exchange failed; its log has the cause under this request id")
    content = problem.content()
    log.error("request_failed", request_id=content["request_id"], exc_info=fault)
    return problem_answer(problem, content)
