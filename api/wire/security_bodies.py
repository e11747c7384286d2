"""The bodies of requests about securities: listing, phases, bands, settlement, news."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.wire.money import cents_of
from api.wire.schema import PRICE_BELOW_CENTS, Name, PriceCents, RatePpm, Shape
from tasks.messages import Phase
from tasks.shared.rules.securities import MOST_ISSUED

_PPM = 10**6
# A phase that ends by itself lasts a year at most [s].
LONGEST_PHASE_S = 366 * 86_400


def _band_ppm(band: object) -> int:
    if type(band) is int or isinstance(band, Decimal):
        fraction = Decimal(band)
        if not 0 < fraction < 1:
            raise PydanticCustomError("band", "must be above 0 and below 1, or null")
        ppm = int(fraction * _PPM)
        if Decimal(ppm).scaleb(-6) == fraction:
            return ppm
    raise PydanticCustomError("band", "must be a fraction with at most six decimals, such as 0.10, or null")


def _lasts_us(seconds: object) -> int:
    if type(seconds) is int or isinstance(seconds, Decimal):
        if not Decimal("0.001") <= seconds <= LONGEST_PHASE_S:
            raise PydanticCustomError("seconds", "must be from 0.001 to {most}", {"most": LONGEST_PHASE_S})
        return int(seconds * 1_000_000)
    raise PydanticCustomError("seconds", "must be a number of seconds")


def _value_cents(value: object) -> int:
    cents = cents_of(value, below_cents=PRICE_BELOW_CENTS)
    if isinstance(cents, int) and cents >= 0:
        return cents
    raise PydanticCustomError("value", "must be a number of dollars, 0 or more, with at most two decimals")


BandPpm = Annotated[
    int,
    BeforeValidator(_band_ppm),
    WithJsonSchema({"type": "number", "minimum": 0.000001, "maximum": 0.999999, "multipleOf": 0.000001}),
]
LastsUs = Annotated[
    int,
    BeforeValidator(_lasts_us),
    WithJsonSchema({"type": "number", "minimum": 0.001, "maximum": LONGEST_PHASE_S, "description": "seconds"}),
]
ValueCents = Annotated[
    int,
    BeforeValidator(_value_cents),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": (PRICE_BELOW_CENTS - 1) / 100, "multipleOf": 0.01}),
]


class NewSecurity(Shape):
    """A security to be listed; without a minimum price the lowest is one tick."""

    security_id: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9.]{1,12}$")]
    reference_price: Annotated[PriceCents, Field(ge=1)]
    tick: Annotated[PriceCents, Field(ge=1)] = 1
    min_price: Annotated[PriceCents, Field(ge=1)] | None = None
    max_price: Annotated[PriceCents, Field(ge=1)] = 1_000_000
    issued: Annotated[int, Field(ge=1, le=MOST_ISSUED)] = 100_000
    maker_fee: RatePpm = 0
    taker_fee: RatePpm = 0
    band: BandPpm | None = None


class PhaseChange(Shape):
    """Another phase; if it has a number of seconds, continuous trading begins after them."""

    phase: Phase
    seconds: LastsUs | None = None


class BandChange(Shape):
    """The largest distance from the last trade at which an order may trade; null for no limit."""

    band: BandPpm | None


class Settlement(Shape):
    """The final value of each share of a security, paid in cash."""

    transfer_id: Name
    value: ValueCents


class NewNews(Shape):
    """News for all clients, about a security or about none."""

    headline: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    body: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    security_id: str | None = None
