"""The shapes of the bodies that clients send, except orders: strict, and without unknown fields.

This is the one source of their rules: the api checks requests against it, and generates the OpenAPI document from it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.wire.money import MONEY_FAULTS, PRICE_CODES, cents_of
from celery_app.settings import settings

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


def _price_cents(price: object) -> int:
    cents = cents_of(price, below_cents=PRICE_BELOW_CENTS)
    if isinstance(cents, int):
        return cents
    raise PydanticCustomError(PRICE_CODES.get(cents, "price"), MONEY_FAULTS[cents])


def _amount_cents(amount: object) -> int:
    cents = cents_of(amount, below_cents=AMOUNT_BELOW_CENTS)
    if isinstance(cents, int):
        return cents
    raise PydanticCustomError("amount", MONEY_FAULTS[cents])


def _positive_cents(amount: object) -> int:
    cents = _amount_cents(amount)
    if cents < 1:
        raise PydanticCustomError("amount", "must be at least 0.01")
    return cents


def _rate_ppm(rate: object) -> int:
    ppm = cents_of(rate, below_cents=RATE_BELOW_PPM)
    if isinstance(ppm, int):
        return ppm
    raise PydanticCustomError("rate", MONEY_FAULTS[ppm])


def decimal_schema(below_cents: int) -> dict[str, Any]:
    """Return the JSON schema of a positive amount of dollars: a number, or a string with its digits."""
    return {
        "anyOf": [
            {"type": "number", "minimum": 0.01, "maximum": (below_cents - 1) / 100, "multipleOf": 0.01},
            {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,2})?$"},
        ]
    }


PRICE_SCHEMA = decimal_schema(PRICE_BELOW_CENTS)

PriceCents = Annotated[int, BeforeValidator(_price_cents), WithJsonSchema(PRICE_SCHEMA)]
AmountCents = Annotated[int, BeforeValidator(_positive_cents), WithJsonSchema(decimal_schema(AMOUNT_BELOW_CENTS))]
SignedAmountCents = Annotated[
    int, BeforeValidator(_amount_cents), WithJsonSchema({"type": "number", "multipleOf": 0.01, "not": {"const": 0}})
]
# A basis point has as many hundredths as a dollar has cents.
RatePpm = Annotated[
    int,
    BeforeValidator(_rate_ppm),
    WithJsonSchema({"type": "number", "minimum": -1_000, "maximum": 1_000, "multipleOf": 0.01}),
]
Name = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$")]
Quantity = Annotated[int, Field(ge=1, le=settings().max_order_quantity)]


class Shape(BaseModel):
    """Base of the shapes: no value is converted, and no unknown field is ignored."""

    model_config = ConfigDict(strict=True, extra="forbid")


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
