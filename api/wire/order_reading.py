"""Read the body of `POST /orders`: decode and check it in one pass, or locate its faults.

msgspec decodes a body into the structs of `api.wire.order_bodies`, and refuses whatever they do not allow. It accepts
two things that the api refuses: a name that is repeated in an object, and names of clients and orders with other
characters. So the members of the structs are compared with those of the body. A body that does not pass is decoded
again by the strict decoder, each request by itself, because one bad request in an array does not affect the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, MsgspecError, UnsetType, ValidationError, structs

from api.wire import order_bodies
from api.wire.json_body import json_of
from api.wire.order_bodies import TYPES, Cancel, InvalidValue, Price, Replace, Request
from api.wire.problems import Problem, invalid, invalid_fields, pointer_part
from api.wire.schema import NAME_PATTERN

# Prices of bodies, by their literals: at most this many, of at most this many characters.
_MOST_LITERALS = 10_000
_LONGEST_LITERAL = 20

# The latter for half of a surrogate pair, which JSON can express and UTF-8 cannot.
_NOT_CONVERTED = (ValidationError, UnicodeEncodeError)

_name = re.compile(NAME_PATTERN).fullmatch
_NAME_FAULT = "must have 1 to 48 characters of A-Z, a-z, 0-9 and ._:-"
_WORDS = {bool: "must be true or false", str: "must be a string"}
_NAMES = ("client_id", "client_order_id")


class _Literals(dict[str, Any]):
    """The prices that stand for decimal literals; a literal that is not a price becomes a Decimal."""

    def __missing__(self, literal: str) -> Price | Decimal:
        number = Decimal(literal)
        try:
            price: Price = order_bodies.value_of(Price, number)
        except InvalidValue:
            return number
        if len(literal) <= _LONGEST_LITERAL:
            if len(self) >= _MOST_LITERALS:
                self.clear()
            self[literal] = price
        return price


_decode = msgspec.json.Decoder(
    order_bodies.Body, dec_hook=order_bodies.value_of, float_hook=_Literals().__getitem__
).decode
# Only colons matter: those of members and in strings, so prices become null.
_encode = msgspec.json.Encoder(enc_hook=lambda value: getattr(value, "text", None)).encode
# The members that each type of request has at least, with the type.
_LEAST = {kind: 1 + sum(field.required for field in structs.fields(kind)) for kind in TYPES.values()}


def requests_in(body: bytes) -> Request | Sequence[Request | Problem]:
    """Return the request in a body, or those of an array, each in its place; a problem replaces an invalid one.

    raises  Problem (400, 422)
    """
    try:
        found: Request | list[Request] = _decode(body)
    except (MsgspecError, ValueError, ArithmeticError, RecursionError):
        pass  # the strict decoder says what is wrong
    else:
        if _is_strict(body, found if isinstance(found, list) else [found]):
            return found
    content = json_of(body)
    if not isinstance(content, list):
        return _request(content)
    if not 1 <= len(content) <= order_bodies.MOST_REQUESTS:
        raise invalid("", f"an array must hold 1 to {order_bodies.MOST_REQUESTS:,} requests")
    return [_request_or_problem(element) for element in content]


def _is_strict(body: bytes, found: Sequence[Request]) -> bool:
    """Return whether no name is repeated in an object of the body, and all names of clients and orders are valid.

    Every member has a colon. If there are no more colons than members that a request needs, there is no other member.
    Otherwise an encoded request has each of its members once, and each colon of a name; escapes could hide some.
    """
    colons = body.count(b":")
    if colons == sum(map(_LEAST.__getitem__, map(type, found))):
        return True
    return b"\\" not in body and _encode(found).count(b":") == colons and all(map(_has_valid_names, found))


def _has_valid_names(request: Request) -> bool:
    if request.client_id and not _name(request.client_id):
        return False
    if isinstance(request, Cancel | Replace):
        return request.client_id != ""
    name = request.client_order_id
    return request.client_id != "" and (name is UNSET or name is None or _name(name) is not None)


def _request_or_problem(element: object) -> Request | Problem:
    try:
        return _request(element)
    except Problem as problem:
        return problem


def _request(element: Any) -> Request:
    """Return one request. Raises Problem (422), which names every fault."""
    try:
        request: Request = msgspec.convert(element, Request, dec_hook=order_bodies.value_of)
    except _NOT_CONVERTED:
        raise _problem(element) from None
    if not _has_valid_names(request):
        raise _problem(element)
    return request


def _problem(element: Any) -> Problem:
    if not isinstance(element, dict):
        return invalid_fields([("", "must be an object")])
    word = element.get("type")
    kind = TYPES.get(word) if isinstance(word, str) else None
    if kind is None:
        return invalid_fields([("/type", f"must be one of {', '.join(TYPES)}")])
    faults: list[tuple[str, str]] = []
    codes = set()
    fields = {field.name: field for field in structs.fields(kind)}
    for name, field in fields.items():
        fault = _fault(element[name], name, field.type) if name in element else _MISSING if field.required else None
        if fault is not None:
            faults.append((f"/{name}", str(fault)))
            codes.add(fault.code)
    for name in element:
        if name not in fields and name != "type":
            faults.append((f"/{pointer_part(name)}", f"is not a field of this type, which has {', '.join(fields)}"))
            codes.add("validation_error")
    return invalid_fields(faults, code=codes.pop() if len(codes) == 1 else "validation_error")


_MISSING = InvalidValue("is required")


def _fault(value: object, name: str, kind: Any) -> InvalidValue | None:
    """Return the fault of the value of a field."""
    try:
        converted = msgspec.convert(value, kind, dec_hook=order_bodies.value_of)
    except _NOT_CONVERTED as fault:
        cause = fault.__cause__
        return cause if isinstance(cause, InvalidValue) else InvalidValue(_allowed(kind))
    if name in _NAMES and converted is not None and not _name(converted):
        return InvalidValue(_NAME_FAULT)
    return None


def _allowed(kind: Any) -> str:
    """Say which values a type allows."""
    if get_origin(kind) is Annotated:
        kind, *metas = get_args(kind)
        for meta in metas:
            if isinstance(meta, Meta) and meta.ge is not None:
                most = meta.le if meta.lt is None else meta.lt - 1
                return f"must be an integer from {meta.ge:,} to {most:,}"
        return _allowed(kind)
    if get_origin(kind) is Literal:
        return f"must be one of {', '.join(get_args(kind))}"
    if kind in _WORDS:
        return _WORDS[kind]
    (given,) = (one for one in get_args(kind) if one not in (NoneType, UnsetType))
    return _allowed(given)
