"""The shapes of the bodies that clients send: strict, and without unknown fields.

This is the one source of their rules: the api checks requests against it, and generates the OpenAPI document from it.
"""

from __future__ import annotations

from typing import Annotated, Literal, LiteralString

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.wire.money import MoneyFault, cents_of
from api.wire.times import TIME, time_us_of
from celery_app.settings import settings
from tasks.messages import Side, TimeInForce

# Times from here on, in the year 2255, cannot be stored [us since 1970, UTC].
TIME_BELOW_US = 2**53

# Ids that clients and the admin may choose.
CLIENT_ID_PATTERN = r"[A-Za-z0-9._-]{1,48}"
NAME_PATTERN = r"[A-Za-z0-9._:-]{1,48}"
# An order id in a path has at most this many digits, so it is below 2^53.
ORDER_ID_DIGITS = 15
# Most shares in a transfer or a correction.
MOST_SHARES = 10**12

# Above the price of any security, and above any transfer [cents].
PRICE_BELOW_CENTS = 10**9 + 1
AMOUNT_BELOW_CENTS = 10**14 + 1
# A fee is at most 10 % of the value of a trade [hundredths of a basis point].
RATE_BELOW_PPM = 10**5 + 1

# The faults of a price that have a code of their own.
PRICE_CODES: dict[MoneyFault, LiteralString] = {
    "out_of_range": "price_out_of_band",
    "not_whole_cents": "price_off_tick",
}
_MONEY_FAULTS: dict[MoneyFault, LiteralString] = {
    "not_a_number": "must be a number, or a string with the digits of a number",
    "out_of_range": "is out of range",
    "not_whole_cents": "must have at most two decimals",
}


def _price_cents(price: object) -> int:
    cents = cents_of(price, below_cents=PRICE_BELOW_CENTS)
    if isinstance(cents, int):
        return cents
    raise PydanticCustomError(PRICE_CODES.get(cents, "price"), _MONEY_FAULTS[cents])


def _amount_cents(amount: object) -> int:
    cents = cents_of(amount, below_cents=AMOUNT_BELOW_CENTS)
    if isinstance(cents, int):
        return cents
    raise PydanticCustomError("amount", _MONEY_FAULTS[cents])


def _rate_ppm(rate: object) -> int:
    ppm = cents_of(rate, below_cents=RATE_BELOW_PPM)
    if isinstance(ppm, int):
        return ppm
    raise PydanticCustomError("rate", _MONEY_FAULTS[ppm])


def _time_us(time: object) -> int:
    try:
        time_us = time_us_of(time) if isinstance(time, str) else -1
    except (ValueError, OverflowError):
        time_us = -1
    if 0 <= time_us < TIME_BELOW_US:
        return time_us
    raise PydanticCustomError("time", "must be a time such as 2026-01-02T03:04:05Z")


def _decimal_schema(below_cents: int) -> WithJsonSchema:
    """Return the JSON schema of a positive amount of dollars: a number, or a string with its digits."""
    return WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0.01, "maximum": (below_cents - 1) / 100, "multipleOf": 0.01},
                {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,2})?$"},
            ]
        }
    )


PriceCents = Annotated[int, BeforeValidator(_price_cents), _decimal_schema(PRICE_BELOW_CENTS)]
AmountCents = Annotated[int, BeforeValidator(_amount_cents), Field(ge=1), _decimal_schema(AMOUNT_BELOW_CENTS)]
SignedAmountCents = Annotated[
    int, BeforeValidator(_amount_cents), WithJsonSchema({"type": "number", "multipleOf": 0.01, "not": {"const": 0}})
]
# A basis point has as many hundredths as a dollar has cents.
RatePpm = Annotated[
    int,
    BeforeValidator(_rate_ppm),
    WithJsonSchema({"type": "number", "minimum": -1_000, "maximum": 1_000, "multipleOf": 0.01}),
]
TimeUs = Annotated[
    int,
    BeforeValidator(_time_us),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{TIME.pattern}$"}),
]
Name = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$")]
Quantity = Annotated[int, Field(ge=1, le=2**31 - 1)]
OrderId = Annotated[int, Field(ge=1, lt=2**53)]


class Shape(BaseModel):
    """Base of the shapes: no value is converted, and no unknown field is ignored."""

    model_config = ConfigDict(strict=True, extra="forbid")


class LimitOrder(Shape):
    """An order that trades at its price or better; with a display quantity, an iceberg."""

    type: Literal["limit"]
    security_id: str
    side: Side
    quantity: Quantity
    price: PriceCents
    time_in_force: TimeInForce = "gtc"
    expires_at: TimeUs | None = None
    post_only: bool = False
    display_quantity: Quantity | None = None
    client_order_id: Name | None = None
    client_id: Name | None = None


class MarketOrder(Shape):
    """An order that trades at once, or in an auction, within the collar; its rest is cancelled."""

    type: Literal["market"]
    security_id: str
    side: Side
    quantity: Quantity
    time_in_force: Literal["ioc", "auction"] = "ioc"
    post_only: Literal[False] = False
    client_order_id: Name | None = None
    client_id: Name | None = None


class StopOrder(Shape):
    """A market order that waits until a trade reaches its stop price."""

    type: Literal["stop"]
    security_id: str
    side: Side
    quantity: Quantity
    stop_price: PriceCents
    time_in_force: Literal["ioc", "day", "gtd"] = "ioc"
    expires_at: TimeUs | None = None
    post_only: Literal[False] = False
    client_order_id: Name | None = None
    client_id: Name | None = None


class StopLimitOrder(Shape):
    """A limit order that waits until a trade reaches its stop price."""

    type: Literal["stop_limit"]
    security_id: str
    side: Side
    quantity: Quantity
    stop_price: PriceCents
    price: PriceCents
    time_in_force: Literal["gtc", "ioc", "fok", "day", "gtd"] = "gtc"
    expires_at: TimeUs | None = None
    post_only: bool = False
    client_order_id: Name | None = None
    client_id: Name | None = None


class Cancel(Shape):
    """Cancel the open quantity of an order."""

    type: Literal["cancel"]
    security_id: str
    order_id: OrderId
    client_id: Name | None = None


class Replace(Shape):
    """New terms for an open order; `quantity` is its new total, and a term that is not given stays."""

    type: Literal["replace"]
    security_id: str
    order_id: OrderId
    quantity: Quantity | None = None
    price: PriceCents | None = None
    client_id: Name | None = None


NewOrder = LimitOrder | MarketOrder | StopOrder | StopLimitOrder
Request = NewOrder | Cancel | Replace
# The type decides which other fields are allowed.
TypedRequest = Annotated[Request, Field(discriminator="type")]
# The body of POST /orders; a bad request in an array does not affect the others.
Body = TypedRequest | Annotated[list[TypedRequest], Field(min_length=1, max_length=settings().max_request_orders)]


class NewTerms(Shape):
    """The body of a PATCH of an order; the path names the order."""

    quantity: Quantity | None = None
    price: PriceCents | None = None


class Halt(Shape):
    """A halt of a security, or its end."""

    halted: bool


class Fees(Shape):
    """The fees on trades of a security, in basis points with at most two decimals; a negative fee is a rebate."""

    maker_fee: RatePpm
    taker_fee: RatePpm


class NewAccount(Shape):
    """An account to open."""

    client_id: Annotated[str, StringConstraints(pattern=f"^{CLIENT_ID_PATTERN}$")]


class NewKey(Shape):
    """Another key of an account."""

    name: Name | None = None
    read_only: bool = False


class AccountChange(Shape):
    """A new state of an account: a stopped client may not trade."""

    state: Literal["open", "stopped"]


class CashTransfer(Shape):
    """A deposit or withdrawal of cash."""

    transfer_id: Name
    amount: AmountCents


class ShareTransfer(Shape):
    """A deposit or withdrawal of shares."""

    transfer_id: Name
    security_id: str
    quantity: Annotated[int, Field(ge=1, le=MOST_SHARES)]


class CashCorrection(Shape):
    """Cash that EXCHANGE pays to a client or, when negative, takes from it, with the error that it corrects."""

    transfer_id: Name
    client_id: Name
    amount: SignedAmountCents
    entry_id: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    reason: Annotated[str, StringConstraints(pattern=r"^[ -~]{1,200}$")]


class ShareCorrection(Shape):
    """Shares that DTCC gives to a client or, when negative, takes from it, with the error that they correct."""

    transfer_id: Name
    client_id: Name
    security_id: str
    quantity: Annotated[int, Field(ge=-MOST_SHARES, le=MOST_SHARES)]
    entry_id: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    reason: Annotated[str, StringConstraints(pattern=r"^[ -~]{1,200}$")]
