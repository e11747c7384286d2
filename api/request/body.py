"""Read the body of a request as JSON, and refuse whatever two parsers could read in two ways.

Numbers keep their digits: those with a point or an exponent become Decimal. Repeated names in an object, NaN,
infinities and nesting beyond the depth of Python's parser are refused.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from flask import request

from api.wire.problems import Problem
from celery_app.settings import settings


class _RepeatedName(ValueError):
    """An object has a name twice."""


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise _RepeatedName("an object has the same name twice")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=Decimal, parse_constant=_constant)


def read_json(environ: dict[str, Any] | None = None) -> Any:
    """Return the JSON in the body of a request, by default the one that Flask is serving.

    raises  Problem (400, 413, 415)
    """
    if environ is None:
        environ = request.environ
    limit = settings().max_body_bytes
    if int(environ["CONTENT_LENGTH"]) > limit:
        raise Problem(413, "body_too_large", f"a body must have at most {limit:,} bytes")
    if not _is_json(environ.get("CONTENT_TYPE", "")) or "HTTP_CONTENT_ENCODING" in environ:
        raise Problem(415, "unsupported_media_type", "a body must be application/json and not compressed")
    body: bytes = environ["wsgi.input"].read()
    try:
        return _decoder.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise Problem(400, "not_json", "the body must be UTF-8") from None
    except _RepeatedName as fault:
        raise Problem(400, "not_json", str(fault)) from None
    except (ValueError, RecursionError, ArithmeticError):
        # The response leaves out the message, which quotes the body. An integer with more digits than Python reads is a
        # ValueError, too; an exponent with more digits than Decimal reads is an ArithmeticError.
        raise Problem(
            400, "not_json", "the body is not JSON, nests too deeply, or contains an invalid number"
        ) from None


def _is_json(content_type: str) -> bool:
    if content_type == "application/json":
        return True
    media_type, *parameters = content_type.lower().split(";")
    return media_type.strip() == "application/json" and all(map(_is_utf_8, parameters))


def _is_utf_8(parameter: str) -> bool:
    """Return whether a parameter of a media type is empty or names UTF-8, as a token or a quoted string (RFC 9110)."""
    name, _, value = parameter.partition("=")
    return not parameter.strip() or (name.strip() == "charset" and value.strip() in {"utf-8", '"utf-8"'})
