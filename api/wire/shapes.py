"""Read the content of a body as the shapes of the schema, and locate each fault."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from api.wire.money import PRICE_CODES
from api.wire.problems import Problem, invalid_fields, pointer_part
from api.wire.schema import Shape

S = TypeVar("S", bound=Shape)

# The text for the client, by pydantic's name of a fault.
_DETAILS = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "model_type": "must be an object",
    "int_type": "must be an integer",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "string_unicode": "must be text",
    "greater_than_equal": "must be at least {ge:,}",
    "greater_than": "must be more than {gt:,}",
    "less_than_equal": "must be at most {le:,}",
    "less_than": "must be less than {lt:,}",
    "literal_error": "must be {expected}",
    "string_too_short": "must have at least {min_length:,} characters",
    "string_too_long": "must have at most {max_length:,} characters",
    "string_pattern_mismatch": "must match {pattern}",
}


def shape_of(content: Any, shape: type[S]) -> S:
    """Return the content of a body as a shape. Raises Problem (422)."""
    try:
        return shape.model_validate(content)
    except ValidationError as faults:
        raise _problem(faults) from None


def _problem(faults: ValidationError) -> Problem:
    found = faults.errors(include_url=False, include_input=False)
    codes = {fault["type"] for fault in found}
    code = codes.pop() if len(codes) == 1 and codes <= set(PRICE_CODES.values()) else "validation_error"
    return invalid_fields([(_pointer(fault), _detail(fault)) for fault in found], code=code)


def _pointer(fault: ErrorDetails) -> str:
    return "".join(f"/{pointer_part(str(part))}" for part in fault["loc"])


def _detail(fault: ErrorDetails) -> str:
    """Say what is allowed, in the words of all other problems."""
    sentence = _DETAILS.get(fault["type"])
    return sentence.format(**fault.get("ctx", {})) if sentence else fault["msg"]
