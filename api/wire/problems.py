"""Problem answers (RFC 9457): every refusal and every fault leaves the api in this one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import count
from secrets import token_hex
from typing import Any

import msgspec

CONTENT_TYPE = "application/problem+json"

RETRY_AFTER_S = 1

_process = token_hex(4)
_numbers = count(1)


class Problem(Exception):
    """A request, or one order of many, that gets no success.

    Made where it is raised: an exception that is raised again and again keeps every frame it ever passed.

    status  HTTP status
    code    stable name of the problem, for programs
    detail  one sentence for people; never holds what the client sent
    errors  faults of single fields
    retry   whether the client is told to try again later
    """

    def __init__(
        self, status: int, code: str, detail: str, *, errors: Sequence[Mapping[str, str]] = (), retry: bool = False
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry = retry

    def content(self) -> dict[str, Any]:
        """The members of the problem object, with an id of its own to find it by."""
        members: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "request_id": f"{_process}-{next(_numbers)}",
        }
        if self.errors:
            members["errors"] = list(self.errors)
        return members

    def headers(self) -> dict[str, str]:
        """The headers that go with the problem, beside its content type."""
        headers = {"Retry-After": str(RETRY_AFTER_S)} if self.retry else {}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


def raw_answer(problem: Problem, content: Mapping[str, Any] | None = None) -> bytes:
    """The whole HTTP answer, for where there is no application; the connection ends with it.

    content  of the problem, if it was made already
    """
    body = msgspec.json.encode(content or problem.content())
    head = [
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}",
        f"Content-Type: {CONTENT_TYPE}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {text}" for name, text in problem.headers().items()),
        "Connection: close",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def unauthorized() -> Problem:
    """401; it reads the same whatever was wrong with the key."""
    return Problem(401, "unauthorized", "give a valid key as Authorization: Bearer KEY or as X-API-Key: KEY")


def forbidden() -> Problem:
    """403 for another client's things, and the admin's."""
    return Problem(403, "forbidden", "this key may not do that")


def not_found(what: str) -> Problem:
    """404 for something that is not there, or not for this client."""
    return Problem(404, "not_found", f"there is no such {what}")


def invalid(pointer: str, detail: str, *, code: str = "validation_error") -> Problem:
    """422 for one field; `pointer` is a JSON pointer into the body, or `?name` for a parameter of the query."""
    return Problem(422, code, "the request is not valid", errors=[{"pointer": pointer, "detail": detail}])


def unavailable(what: str) -> Problem:
    """503 for a service behind the api that is away."""
    return Problem(503, "unavailable", f"{what} cannot be reached", retry=True)
