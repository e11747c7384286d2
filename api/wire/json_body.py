"""Decode JSON, and refuse whatever two parsers could read in two ways.

Numbers keep their digits: those with a point or an exponent become Decimal. Repeated names in an object, NaN,
infinities and nesting beyond the depth of Python's parser are refused.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from api.wire.problems import Problem


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


def json_of(body: bytes) -> Any:
    """Return the content of a body. Raises Problem (400)."""
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
