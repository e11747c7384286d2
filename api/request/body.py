"""Read the body of a request, within the limit of its size, and as JSON."""

from __future__ import annotations

from typing import Any

from flask import request

from api.wire.json_body import json_of
from api.wire.problems import Problem
from celery_app.settings import settings


def read_json() -> Any:
    """Return the JSON in the body of the request that Flask is serving. Raises Problem (400, 413, 415)."""
    return json_of(read_body(request.environ))


def read_body(environ: dict[str, Any]) -> bytes:
    """Return the body of a request, which is meant to be JSON. Raises Problem (413, 415)."""
    limit = settings().max_body_bytes
    if int(environ["CONTENT_LENGTH"]) > limit:
        raise Problem(413, "body_too_large", f"a body must have at most {limit:,} bytes")
    if not _is_json(environ.get("CONTENT_TYPE", "")) or "HTTP_CONTENT_ENCODING" in environ:
        raise Problem(415, "unsupported_media_type", "a body must be application/json and not compressed")
    body: bytes = environ["wsgi.input"].read()
    return body


def _is_json(content_type: str) -> bool:
    if content_type == "application/json":
        return True
    media_type, *parameters = content_type.lower().split(";")
    return media_type.strip() == "application/json" and all(map(_is_utf_8, parameters))


def _is_utf_8(parameter: str) -> bool:
    """Return whether a parameter of a media type is empty or names UTF-8, as a token or a quoted string (RFC 9110)."""
    name, _, value = parameter.partition("=")
    return not parameter.strip() or (name.strip() == "charset" and value.strip() in {"utf-8", '"utf-8"'})
