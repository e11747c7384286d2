"""Let pages of the origins in ALLOWED_ORIGINS use the api from a browser (CORS).

The key is in a header that a page must set itself, never in a cookie. So an allowed origin gains nothing but answers:
without a key, its pages read only public data.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

ANY = "*"

# The browser may remember an answer to its question for this long [s].
REMEMBER_S = 600

_NOTHING: Mapping[str, str] = {}
_METHODS = "GET, POST, PATCH, DELETE"
_FIELDS = "Authorization, X-API-Key, Content-Type"
_SHOWN = "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, WWW-Authenticate"


class Origins:
    """The origins whose pages may use the api, besides the api's own.

    allowed  such as https://example.com; `*` for all
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(allowed)

    def headers(self, environ: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the header fields of a response that let the page read it."""
        origin = environ.get("HTTP_ORIGIN")
        if origin is None or not self._allows(origin):
            return _NOTHING
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": _SHOWN,
            "Vary": "Origin",
        }

    def answer(self, environ: Mapping[str, Any]) -> Mapping[str, str] | None:
        """Return more header fields, for the answer to a browser's question; None for any other request."""
        asks = environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
        if not asks or not self.headers(environ):
            return None
        return {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _FIELDS,
            "Access-Control-Max-Age": str(REMEMBER_S),
        }

    def _allows(self, origin: str) -> bool:
        return origin in self._allowed or ANY in self._allowed
