"""Serve the one route that carries the load without Flask.

Flask took more than a quarter of the CPU of a single `POST /orders`: for its contexts, its routing and its response
objects, none of which this route needs. So the fast lane answers it before Flask sees it. The route exists in Flask as
well, for its declaration and for all other methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import structlog

from api.orders.endpoint import Reply
from api.request.auth import Environ
from api.wire.answers import encode
from api.wire.problems import CONTENT_TYPE, Problem

log = structlog.get_logger()

StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class FastLane:
    """A WSGI application in front of another one, for a single method and path.

    admit  raises Problem for a request that is not admitted
    serve  answers a request; may raise Problem
    note   called with each request that ends in a Problem, and its status
    """

    def __init__(
        self,
        application: Application,
        *,
        method: str,
        path: str,
        admit: Callable[[Environ], None],
        serve: Callable[[Environ], Reply],
        note: Callable[[Environ, int], None],
    ) -> None:
        self._application = application
        self._method = method
        self._path = path
        self._admit = admit
        self._serve = serve
        self._note = note

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or pass it on to the other application."""
        if environ["PATH_INFO"] != self._path or environ["REQUEST_METHOD"] != self._method:
            return self._application(environ, start_response)
        try:
            self._admit(environ)
            status, content, headers = self._serve(environ)
            content_type = "application/json"
        except Problem as problem:
            status, content, headers = problem.status, problem.content(), problem.headers()
            content_type = CONTENT_TYPE
            self._note(environ, status)
        body = encode(content)
        start_response(
            _STATUS_LINES[status],
            [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers.items()],
        )
        return [body]
