"""The limits of an account, as clients read and set them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from api.wire.answers_schema.accounts import Account
from api.wire.answers_schema.common import Answer, Dollars
from api.wire.money import dollars
from api.wire.schema import AmountCents, Shape
from db.clearing_data.clients.limits import AccountLimits

_Count = Annotated[int, Field(ge=0, le=10**15)]


class NewLimits(Shape):
    """Limits to be changed; null for the exchange's default. A limit that is not given stays."""

    max_order_quantity: _Count | None = None
    max_order_notional: AmountCents | None = None
    max_open_orders: _Count | None = None
    max_position: _Count | None = None
    short_limit: _Count | None = None
    orders_per_s: Annotated[int, Field(ge=1, le=10**6)] | None = None


class LimitsChange(Shape):
    """Other limits of an account."""

    limits: NewLimits


class Limits(Answer):
    """The limits of an account; null stands for the exchange's default."""

    max_order_quantity: int | None
    max_order_notional: Dollars | None
    max_open_orders: int | None
    max_position: int | None
    short_limit: int | None
    orders_per_s: int | None


class AccountWithLimits(Account):
    """The contents of an account, and its limits."""

    limits: Limits


class LimitsChanged(Answer):
    """The limits of an account after they were changed."""

    client_id: str
    limits: Limits


def changes_of(wanted: NewLimits) -> dict[str, int | None]:
    """Return the limits that a request sets, by their names in `clearing_data`."""
    named = wanted.model_dump(include=wanted.model_fields_set)
    if "max_order_notional" in named:
        named["max_order_notional_cents"] = named.pop("max_order_notional")
    return named


def limits_of(limits: AccountLimits) -> dict[str, Any]:
    """Return the limits of an account in the form in which clients read them."""
    notional: Decimal | None = None
    if limits.max_order_notional_cents is not None:
        notional = dollars(limits.max_order_notional_cents)
    return {
        "max_order_quantity": limits.max_order_quantity,
        "max_order_notional": notional,
        "max_open_orders": limits.max_open_orders,
        "max_position": limits.max_position,
        "short_limit": limits.short_limit,
        "orders_per_s": limits.orders_per_s,
    }
