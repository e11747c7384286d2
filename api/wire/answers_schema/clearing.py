"""Shapes of responses about clearing: the obligations of each client after netting."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.wire.answers_schema.common import (
    Answer,
    Count,
    Dollars,
    Fraction,
    Time,
)


class Obligation(Answer):
    """The obligations of a client in a security: shares, and the cash for them."""

    client_id: str
    security_id: str
    bought: Count
    sold: Count
    net_shares: int
    paid: Dollars
    received: Dollars
    net_cash: Dollars


class NetCash(Answer):
    """The cash that a client receives (+) or pays (-) for all securities together."""

    client_id: str
    gross_cash: Dollars
    net_cash: Dollars


class Netting(Answer):
    """The effect of netting over a period: an efficiency of 0.9 leaves a tenth of the traded volume to move."""

    from_: Annotated[Time, Field(alias="from")]
    to: Time
    trades: Count
    gross_cash: Dollars
    net_cash: Dollars
    cash_efficiency: Fraction | None
    gross_shares: Count
    net_shares: Count
    share_efficiency: Fraction | None
    obligations: list[Obligation]
    clients: list[NetCash]


class Margin(Answer):
    """The debt of a client, and its margin.

    Collateral and free cash together exceed the requirement, 125 % of the owed shares at their last prices, by the
    excess. Below 0 the client is bought in. Free cash is negative where trades brought in less than the collateral
    requires.
    """

    client_id: str
    shares_owed: Count
    borrowed: dict[str, Count]
    collateral: Dollars
    free_cash: Dollars
    requirement: Dollars
    excess: Dollars
    buy_in_since: Time | None
    paid_by_default_fund: Dollars
