"""Read the content of a body as the shapes of the schema, and locate each fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from api.wire.problems import Problem
from api.wire.schema import PRICE_CODES, Request, Shape, TypedRequest

S = TypeVar("S", bound=Shape)

# A problem lists at most this many faults, and at most this many characters of each part of a pointer.
MAX_ERRORS = 10
MAX_POINTER = 100

_TYPES = "limit, market, stop, stop_limit, cancel, replace"

_requests: TypeAdapter[list[Request]] = TypeAdapter(list[TypedRequest])
_request: TypeAdapter[Request] = TypeAdapter(TypedRequest)


def requests_of(elements: Sequence[Any]) -> list[Request | Problem]:
    """Return the requests of an array, each in its place; a problem replaces an invalid element."""
    try:
        return list(_requests.validate_python(elements))
    except ValidationError:
        return [_or_problem(element, f"/{position}") for position, element in enumerate(elements)]


def _or_problem(element: Any, pointer: str) -> Request | Problem:
    try:
        return request_of(element, pointer)
    except Problem as problem:
        return problem


def request_of(element: Any, pointer: str = "") -> Request:
    """Return one request; `pointer` leads to it. Raises Problem (422)."""
    try:
        return _request.validate_python(element)
    except ValidationError as faults:
        # pydantic puts the chosen type in front of each location; the body has no such level.
        raise _problem(faults, pointer, skip=1) from None


def shape_of(content: Any, shape: type[S]) -> S:
    """Return the content of a body as a shape. Raises Problem (422)."""
    try:
        return shape.model_validate(content)
    except ValidationError as faults:
        raise _problem(faults, "", skip=0) from None


def _problem(faults: ValidationError, pointer: str, *, skip: int) -> Problem:
    found = faults.errors(include_url=False, include_context=False, include_input=False)
    codes = {fault["type"] for fault in found}
    code = codes.pop() if len(codes) == 1 and codes <= set(PRICE_CODES.values()) else "validation_error"
    return Problem(
        422, code, "the request is not valid", errors=[_error(fault, pointer, skip) for fault in found[:MAX_ERRORS]]
    )


def _error(fault: ErrorDetails, pointer: str, skip: int) -> Mapping[str, str]:
    if fault["type"].startswith("union_tag"):
        return {"pointer": f"{pointer}/type", "detail": f"must be one of {_TYPES}"}
    place = "".join(f"/{_escaped(str(part)[:MAX_POINTER])}" for part in fault["loc"][skip:])
    return {"pointer": pointer + place, "detail": fault["msg"]}


def _escaped(part: str) -> str:
    """Escape a name for a JSON pointer (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")
