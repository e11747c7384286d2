"""Serve the one route that carries the load without Flask.

Flask took more than a quarter of the CPU of a single `POST /orders`: for its contexts, its routing and its response
objects, none of which this route needs; WSGI took some more. So the server asks the fast lane before Flask sees the
request. The route exists in Flask as well, for its declaration and for all other methods.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus

from api.orders.endpoint import Reply
from api.request.auth import Environ
from api.request.traffic import Traffic
from api.wire.answers import encode
from api.wire.problems import CONTENT_TYPE, Problem

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class FastLane:
    """Answers one method and path, in place of the application.

    admit    raises Problem for a request that is not admitted
    serve    answers a request; may raise Problem
    note     called with each request that ends in a Problem, and its status
    also     returns header fields that the responses have besides their own
    traffic  counts the requests
    """

    method = "POST"
    path = "/orders"

    def __init__(
        self,
        *,
        admit: Callable[[Environ], None],
        serve: Callable[[Environ], Reply],
        note: Callable[[Environ, int], None],
        also: Callable[[Environ], Mapping[str, str]],
        traffic: Traffic,
    ) -> None:
        self._admit = admit
        self._serve = serve
        self._note = note
        self._also = also
        self._traffic = traffic

    def answer(self, environ: Environ) -> tuple[str, Iterable[tuple[str, str]], bytes]:
        """Return the status line, the header fields and the body of the response."""
        began_s = time.perf_counter()
        try:
            self._admit(environ)
            status, content, headers = self._serve(environ)
            content_type = "application/json"
        except Problem as problem:
            status, content, headers = problem.status, problem.content(), problem.headers()
            content_type = CONTENT_TYPE
            self._note(environ, status)
            self._traffic.refuse([problem.code])
        self._traffic.answered(self.path, self.method, status, time.perf_counter() - began_s)
        fields = [("Content-Type", content_type), *headers.items(), *self._also(environ).items()]
        return _STATUS_LINES[status], fields, encode(content)
