"""The body of `POST /orders`: one struct for each type of request, without unknown fields.

This is the one source of its rules: decoding a body checks it, and the OpenAPI document is generated from it. A field
that the client leaves out is UNSET, and the rest of the api reads it as its default.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from api.wire.money import MONEY_FAULTS, PRICE_CODES, cents_of
from api.wire.schema import NAME_PATTERN, PRICE_BELOW_CENTS, PRICE_SCHEMA
from api.wire.times import TIME, time_us_of
from celery_app.settings import settings
from tasks.messages import Side, TimeInForce

# Times from here on, in the year 2255, cannot be stored [us since 1970, UTC].
TIME_BELOW_US = 2**53
MOST_REQUESTS = settings().max_request_orders


class InvalidValue(ValueError):
    """A value is invalid in a way that a type cannot express; `code` is that of the problem."""

    def __init__(self, detail: str, code: str = "validation_error") -> None:
        super().__init__(detail)
        self.code = code


class Price:
    """A price in cents; in JSON a number of dollars, or a string with its digits."""

    __slots__ = ("cents",)

    def __init__(self, cents: int) -> None:
        self.cents = cents


class Expiry:
    """A time in microseconds since 1970, and its text in JSON, in RFC 3339."""

    __slots__ = ("text", "us")

    def __init__(self, us: int, text: str) -> None:
        self.us = us
        self.text = text


class No:
    """A switch that this type of request cannot turn on."""


def _by_default(value: str | bool) -> Meta:
    return Meta(extra_json_schema={"default": value})


Quantity = Annotated[int, Meta(ge=1, le=settings().max_order_quantity)]
OrderId = Annotated[int, Meta(ge=1, lt=2**53)]
# msgspec would take longer to match the pattern than to decode the rest of an order; see `api.wire.order_reading`.
Name = Annotated[str, Meta(extra_json_schema={"pattern": f"^{NAME_PATTERN}$"})]


class _Request(Struct, frozen=True, gc=False, tag_field="type", forbid_unknown_fields=True):
    security_id: str


class LimitOrder(_Request, frozen=True, gc=False, tag="limit"):
    """An order that trades at its price or better; with a display quantity, an iceberg."""

    side: Side
    quantity: Quantity
    price: Price
    time_in_force: Annotated[TimeInForce, _by_default("gtc")] | UnsetType = UNSET
    expires_at: Expiry | UnsetType | None = UNSET
    post_only: Annotated[bool, _by_default(False)] | UnsetType = UNSET
    display_quantity: Quantity | UnsetType | None = UNSET
    client_order_id: Name | UnsetType | None = UNSET
    client_id: Name | UnsetType | None = UNSET


class MarketOrder(_Request, frozen=True, gc=False, tag="market"):
    """An order that trades at once, or in an auction, within the collar; its rest is cancelled."""

    side: Side
    quantity: Quantity
    time_in_force: Annotated[Literal["ioc", "auction"], _by_default("ioc")] | UnsetType = UNSET
    post_only: No | UnsetType = UNSET
    client_order_id: Name | UnsetType | None = UNSET
    client_id: Name | UnsetType | None = UNSET


class StopOrder(_Request, frozen=True, gc=False, tag="stop"):
    """A market order that waits until a trade reaches its stop price."""

    side: Side
    quantity: Quantity
    stop_price: Price
    time_in_force: Annotated[Literal["ioc", "day", "gtd"], _by_default("ioc")] | UnsetType = UNSET
    expires_at: Expiry | UnsetType | None = UNSET
    post_only: No | UnsetType = UNSET
    client_order_id: Name | UnsetType | None = UNSET
    client_id: Name | UnsetType | None = UNSET


class StopLimitOrder(_Request, frozen=True, gc=False, tag="stop_limit"):
    """A limit order that waits until a trade reaches its stop price."""

    side: Side
    quantity: Quantity
    stop_price: Price
    price: Price
    time_in_force: Annotated[Literal["gtc", "ioc", "fok", "day", "gtd"], _by_default("gtc")] | UnsetType = UNSET
    expires_at: Expiry | UnsetType | None = UNSET
    post_only: Annotated[bool, _by_default(False)] | UnsetType = UNSET
    client_order_id: Name | UnsetType | None = UNSET
    client_id: Name | UnsetType | None = UNSET


class Cancel(_Request, frozen=True, gc=False, tag="cancel"):
    """Cancel the open quantity of an order."""

    order_id: OrderId
    client_id: Name | UnsetType | None = UNSET


class Replace(_Request, frozen=True, gc=False, tag="replace"):
    """New terms for an open order; `quantity` is its new total, and a term that is not given stays."""

    order_id: OrderId
    quantity: Quantity | UnsetType | None = UNSET
    price: Price | UnsetType | None = UNSET
    client_id: Name | UnsetType | None = UNSET


NewOrder = LimitOrder | MarketOrder | StopOrder | StopLimitOrder
Request = NewOrder | Cancel | Replace
# A bad request in an array does not affect the others.
Body = Request | Annotated[list[Request], Meta(min_length=1, max_length=MOST_REQUESTS)]

TYPES: dict[str, type[Request]] = {
    "limit": LimitOrder,
    "market": MarketOrder,
    "stop": StopOrder,
    "stop_limit": StopLimitOrder,
    "cancel": Cancel,
    "replace": Replace,
}


def value_of(kind: type[Any], value: object) -> Any:
    """Convert a JSON value into one of the types above. Raises InvalidValue."""
    if type(value) is kind:
        return value
    if kind is Price:
        cents = cents_of(value, below_cents=PRICE_BELOW_CENTS)
        if isinstance(cents, int):
            return Price(cents)
        raise InvalidValue(MONEY_FAULTS[cents], PRICE_CODES.get(cents, "validation_error"))
    if kind is Expiry:
        return _expiry(value)
    if value is False:
        return _NO
    raise InvalidValue("must be false")


def _expiry(text: object) -> Expiry:
    try:
        time_us = time_us_of(text) if isinstance(text, str) else -1
    except (ValueError, OverflowError):
        time_us = -1
    if not isinstance(text, str) or not 0 <= time_us < TIME_BELOW_US:
        raise InvalidValue("must be a time such as 2026-01-02T03:04:05Z")
    return Expiry(time_us, text)


_NO = No()
_SCHEMAS: dict[Any, dict[str, Any]] = {
    Price: PRICE_SCHEMA,
    Expiry: {"type": "string", "format": "date-time", "pattern": f"^{TIME.pattern}$"},
    No: {"type": "boolean", "const": False, "default": False},
}


def json_schemas(ref_template: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON schema of the body, and those of its requests by name."""
    (body,), requests = msgspec.json.schema_components(
        [Body], schema_hook=lambda kind: _SCHEMAS[kind], ref_template=ref_template
    )
    for schema in requests.values():
        for field in schema["properties"].values():
            if "enum" in field:
                field["type"] = "string"  # generators of clients need the type
        kind = schema["properties"]["type"]
        kind["const"] = kind.pop("enum")[0]  # one word is no choice
    return body, requests
