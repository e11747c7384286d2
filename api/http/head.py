"""Read the header fields of a request strictly.

The server refuses whatever two parsers could read in two ways: one of them may take for the next request what the other
takes for the body.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO

from api.wire.problems import Problem

# Largest head of a request: total size of its fields, and their number.
MAX_HEAD_BYTES = 32_768
MAX_HEAD_FIELDS = 100
# Digits of a Content-Length; far more than any body may have.
MAX_LENGTH_DIGITS = 18

NOT_HTTP = Problem(400, "bad_request", "the request is not valid HTTP (RFC 9112)")
HEAD_TOO_LARGE = Problem(
    431,
    "head_too_large",
    f"the head of a request must have at most {MAX_HEAD_BYTES:,} bytes in at most {MAX_HEAD_FIELDS} fields",
)

_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*\r\n")
_LENGTH_FIELD = re.compile(rb"\r\ncontent-length: ?([0-9]+)\r\n", re.IGNORECASE)
_PARSED_ALWAYS = frozenset({"HTTP_UPGRADE", "HTTP_EXPECT", "HTTP_TRANSFER_ENCODING"})
_ONCE = frozenset({"content-length", "transfer-encoding", "host"})


class BadHead(ValueError):
    """The head of a request is invalid; `problem` is the response to it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class HeaderFields:
    """The header fields up to the empty line, with the interface of pywsgi's MessageClass.

    host_needed  whether a Host field is required, as in HTTP/1.1
    raises       BadHead
    """

    status = ""  # pywsgi sets it for a head that it could not parse

    def __init__(self, rfile: BinaryIO, *, host_needed: bool) -> None:
        self._fields: dict[str, str] = {}
        self.headers: list[str] = []
        left = MAX_HEAD_BYTES
        while (line := rfile.readline(left + 1)) != b"\r\n":
            left -= len(line)
            if left < 0 or len(self.headers) == MAX_HEAD_FIELDS:
                raise BadHead(HEAD_TOO_LARGE)
            field = _FIELD.fullmatch(line)
            if field is None:
                raise BadHead(NOT_HTTP)
            name = field[1].decode("ascii").lower()
            if name in _ONCE and name in self._fields:
                raise BadHead(NOT_HTTP)
            self._fields[name] = field[2].decode("latin-1")
            self.headers.append(f"{name}: {self._fields[name]}")
        if not self._says_where_the_body_ends() or (host_needed and "host" not in self._fields):
            raise BadHead(NOT_HTTP)

    def _says_where_the_body_ends(self) -> bool:
        """Return whether the fields leave no doubt about the length of the body."""
        length = self._fields.get("content-length")
        coding = self._fields.get("transfer-encoding")
        if length is None:
            return coding is None or coding.lower() == "chunked"
        return coding is None and length.isascii() and length.isdigit() and len(length) <= MAX_LENGTH_DIGITS

    @property
    def typeheader(self) -> str | None:
        """The content type."""
        return self._fields.get("content-type")

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the field with this name."""
        return self._fields.get(name.lower(), default)

    getheader = get

    def __delitem__(self, name: str) -> None:
        del self._fields[name.lower()]


class KnownHead:
    """The head of the request before on a connection, for clients that send the same head again and again.

    Most do: only the length of the body differs. Comparing a head with the one before costs a microsecond, parsing it
    about forty. Remembered are heads of HTTP/1.1 with a Content-Length that keep the connection open and ask for
    nothing else, such as a WebSocket.
    """

    __slots__ = ("_after", "_before", "environ")

    def __init__(self, before: bytes, after: bytes, environ: dict[str, Any]) -> None:
        self._before = before
        self._after = after
        self.environ = environ

    @classmethod
    def of(cls, head: bytes, environ: dict[str, Any]) -> KnownHead | None:
        """Return a parsed head with its environment; None when the next request must be parsed in any case."""
        length = _LENGTH_FIELD.search(head)
        stays = environ.get("HTTP_CONNECTION", "keep-alive").lower() == "keep-alive"
        is_plain = environ["SERVER_PROTOCOL"] == "HTTP/1.1" and _PARSED_ALWAYS.isdisjoint(environ)
        if length is None or not stays or not is_plain:
            return None
        return cls(head[: length.start(1)], head[length.end(1) :], environ)

    def lengths(self, received: bytes) -> tuple[int, int] | None:
        """Return the length of the head and of the body if the received bytes begin with this head, else None."""
        before, after = self._before, self._after
        if not received.startswith(before):
            return None
        end = received.find(b"\r", len(before), len(before) + MAX_LENGTH_DIGITS)
        digits = received[len(before) : end]
        if end < 0 or not digits.isdigit() or not received.startswith(after, end):
            return None
        return end + len(after), int(digits)
