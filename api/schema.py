"""What clients may send: the shapes of bodies, strict and without unknown fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, LiteralString, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from api.money import MoneyFault, cents_of
from api.problems import Problem
from tasks.messages import Side, TimeInForce

S = TypeVar("S", bound="_Shape")

# Above every price that any security may have, and every transfer [cents].
PRICE_BELOW_CENTS = 10**9 + 1
AMOUNT_BELOW_CENTS = 10**14 + 1

MAX_ERRORS = 10
MAX_POINTER = 100

# Of the faults of a price, those that have a code of their own.
_PRICE_CODES: dict[MoneyFault, LiteralString] = {
    "out_of_range": "price_out_of_band",
    "not_whole_cents": "price_off_tick",
}
_MONEY_FAULTS: dict[MoneyFault, LiteralString] = {
    "not_a_number": "has to be a number, or a string with the digits of one",
    "out_of_range": "is out of all bounds",
    "not_whole_cents": "has to have at most two decimals",
}


def _price_cents(price: object) -> int:
    cents = cents_of(price, below_cents=PRICE_BELOW_CENTS)
    if isinstance(cents, int):
        return cents
    raise PydanticCustomError(_PRICE_CODES.get(cents, "price"), _MONEY_FAULTS[cents])


def _amount_cents(amount: object) -> int:
    cents = cents_of(amount, below_cents=AMOUNT_BELOW_CENTS)
    if isinstance(cents, int):
        return cents
    raise PydanticCustomError("amount", _MONEY_FAULTS[cents])


PriceCents = Annotated[int, BeforeValidator(_price_cents)]
AmountCents = Annotated[int, BeforeValidator(_amount_cents), Field(ge=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,48}$")]
Quantity = Annotated[int, Field(ge=1, le=2**31 - 1)]
OrderId = Annotated[int, Field(ge=1, lt=2**53)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class LimitOrder(_Shape):
    """An order that trades at its price or better."""

    type: Literal["limit"]
    security_id: str
    side: Side
    quantity: Quantity
    price: PriceCents
    time_in_force: TimeInForce = "gtc"
    post_only: bool = False
    client_order_id: Name | None = None
    client_id: Name | None = None


class MarketOrder(_Shape):
    """An order that trades at once within the collar; its rest is cancelled."""

    type: Literal["market"]
    security_id: str
    side: Side
    quantity: Quantity
    time_in_force: Literal["ioc"] = "ioc"
    post_only: Literal[False] = False
    client_order_id: Name | None = None
    client_id: Name | None = None


class Cancel(_Shape):
    """Take what is open of an order out of the book."""

    type: Literal["cancel"]
    security_id: str
    order_id: OrderId
    client_id: Name | None = None


Request = LimitOrder | MarketOrder | Cancel


class NewAccount(_Shape):
    """An account to be opened."""

    client_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,48}$")]


class CashTransfer(_Shape):
    """Money in or out."""

    transfer_id: Name
    amount: AmountCents


class ShareTransfer(_Shape):
    """Shares in or out."""

    transfer_id: Name
    security_id: str
    quantity: Annotated[int, Field(ge=1, le=10**12)]


_requests: TypeAdapter[list[Request]] = TypeAdapter(list[Annotated[Request, Field(discriminator="type")]])
_request: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="type")])


def requests_of(elements: Sequence[Any]) -> list[Request | Problem]:
    """The requests of an array, each in its place; a problem where an element is none."""
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
    """One request; `pointer` leads to it. Raises Problem (422)."""
    try:
        return _request.validate_python(element)
    except ValidationError as faults:
        if isinstance(element, dict) and element.get("type") == "replace":
            raise Problem(422, "not_supported", "orders cannot be replaced yet: cancel and send a new one") from None
        # The first part of each place is the type that was chosen, which is no part of the body.
        raise _problem(faults, pointer, skip=1) from None


def shape_of(content: Any, shape: type[S]) -> S:
    """The content of a body as a shape. Raises Problem (422)."""
    try:
        return shape.model_validate(content)
    except ValidationError as faults:
        raise _problem(faults, "", skip=0) from None


def _problem(faults: ValidationError, pointer: str, *, skip: int) -> Problem:
    found = faults.errors(include_url=False, include_context=False, include_input=False)
    codes = {fault["type"] for fault in found}
    code = codes.pop() if len(codes) == 1 and codes <= set(_PRICE_CODES.values()) else "validation_error"
    return Problem(
        422, code, "the request is not valid", errors=[_error(fault, pointer, skip) for fault in found[:MAX_ERRORS]]
    )


def _error(fault: ErrorDetails, pointer: str, skip: int) -> Mapping[str, str]:
    if fault["type"].startswith("union_tag"):
        return {"pointer": f"{pointer}/type", "detail": "has to be limit, market or cancel"}
    place = "".join(f"/{str(part)[:MAX_POINTER]}" for part in fault["loc"][skip:])
    return {"pointer": pointer + place, "detail": fault["msg"]}
