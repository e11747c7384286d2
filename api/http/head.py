"""The header fields of a request, read strictly.

Whatever two parsers could read in two ways is refused: what one of them takes for the body, the other may take for
the next request.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from api.wire.problems import Problem

# Largest head of a request, its fields together, and their number.
MAX_HEAD_BYTES = 32_768
MAX_HEAD_FIELDS = 100
# Digits of a Content-Length; far more than any body may have.
MAX_LENGTH_DIGITS = 18

NOT_HTTP = Problem(400, "bad_request", "the request is not HTTP as RFC 9112 has it")
HEAD_TOO_LARGE = Problem(
    431,
    "head_too_large",
    f"the head of a request has at most {MAX_HEAD_BYTES} bytes in at most {MAX_HEAD_FIELDS} fields",
)

_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*\r\n")
_ONCE = frozenset({"content-length", "transfer-encoding", "host"})


class BadHead(ValueError):
    """The head of a request gets `problem` for an answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class HeaderFields:
    """The header fields up to the empty line, in the form that pywsgi asks of its MessageClass.

    host_needed  whether there has to be a Host, as in HTTP/1.1
    raises       BadHead
    """

    status = ""  # pywsgi's word for a head that could not be parsed

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
        """Whether there is at most one word on it, and that is clear."""
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
        """The last field of this name."""
        return self._fields.get(name.lower(), default)

    getheader = get

    def __delitem__(self, name: str) -> None:
        del self._fields[name.lower()]
