"""Problems (RFC 9457): the one form in which every refusal and every fault leaves the api."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from itertools import count
from secrets import token_hex
from typing import Any

import msgspec

from tasks.shared.rules.securities import MOST_WORTH_CENTS

CONTENT_TYPE = "application/problem+json"

RETRY_AFTER_S = 1

# A problem lists at most this many faults, and at most this many characters of each part of a pointer.
MAX_ERRORS = 10
MAX_POINTER = 100
# The detail of an unknown security names at most this many that are listed.
MOST_NAMED = 20

_process = token_hex(4)
_numbers = count(1)


class Problem(Exception):
    """The failure of a request, or of one request in an array.

    Create it where you raise it: an exception object that is raised again and again keeps every frame it ever passed.

    status  HTTP status
    code    stable name of the problem, for programs
    detail  one sentence for people; never repeats what the client sent
    errors  faults of single fields
    retry   whether the response asks the client to try again later
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
        """Return the members of the problem object, with a new request id, by which the log can be searched."""
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

    def within(self, pointer: str) -> Problem:
        """Return the problem of a part of a body, with pointers from the body's root; `pointer` leads to the part."""
        self.errors = [{**error, "pointer": pointer + error["pointer"]} for error in self.errors]
        return self

    def headers(self) -> dict[str, str]:
        """Return the headers of the problem, without its content type."""
        headers = {"Retry-After": str(RETRY_AFTER_S)} if self.retry else {}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


def raw_answer(problem: Problem, content: Mapping[str, Any] | None = None) -> bytes:
    """Return the complete HTTP response, for connections that do not reach an application; it ends the connection.

    content  the content of the problem, if it exists already
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
    """Return a 401, which is the same for every fault of a key."""
    return Problem(401, "unauthorized", "send a valid key as Authorization: Bearer KEY or as X-API-Key: KEY")


def forbidden(why: str = "this key is for the data of its own client") -> Problem:
    """Return a 403, by default for the data of another client, whether that exists or not."""
    return Problem(403, "forbidden", f"this key does not allow this request: {why}")


def not_found(what: str) -> Problem:
    """Return a 404 for something that does not exist, or not for this client."""
    return Problem(404, "not_found", f"there is no such {what}")


def pointer_part(name: str) -> str:
    """Return a name as a part of a JSON pointer (RFC 6901), shortened, and without what UTF-8 cannot express."""
    return name[:MAX_POINTER].encode("utf-8", "replace").decode().replace("~", "~0").replace("/", "~1")


def invalid_fields(faults: Sequence[tuple[str, str]], *, code: str = "validation_error") -> Problem:
    """Return a 422 for several fields, each with its pointer and detail."""
    errors = [{"pointer": pointer, "detail": detail} for pointer, detail in faults[:MAX_ERRORS]]
    return Problem(422, code, "the request is not valid", errors=errors)


def invalid(pointer: str, detail: str, *, code: str = "validation_error") -> Problem:
    """Return a 422 for one field; `pointer` is a JSON pointer into the body, or `?name` for a query parameter."""
    return invalid_fields([(pointer, detail)], code=code)


def worth_too_large(pointer: str, price: str) -> Problem:
    """Return a 422 for issued shares that would be worth more than the exchange can book; `price` names the price."""
    most = f"{MOST_WORTH_CENTS // 100:,}"
    return invalid(pointer, f"the issued shares times {price} must be at most {most}", code="worth_too_large")


def not_listed(securities: Collection[str]) -> str:
    """Say that a security is not listed, and which are."""
    named = sorted(securities)
    others = f" and {len(named) - MOST_NAMED:,} more, see GET /securities" if len(named) > MOST_NAMED else ""
    return f"is not listed; choose one of {', '.join(named[:MOST_NAMED])}{others}"


def unavailable(what: str) -> Problem:
    """Return a 503 for a service behind the api that cannot be reached."""
    return Problem(503, "unavailable", f"{what} cannot be reached", retry=True)
