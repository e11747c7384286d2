"""Read the header fields of a request strictly.

The server refuses whatever two parsers could read in two ways: one of them may take for the next request what the other
takes for the body.
"""

from __future__ import annotations

import re
from typing import BinaryIO

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
