"""The bodies of requests about competitions: cases, invitations, teams, changes of a running one."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.wire.limits import NewLimits
from api.wire.money import cents_of
from api.wire.schema import AMOUNT_BELOW_CENTS, MOST_SHARES, AmountCents, PriceCents, Shape
from api.wire.security_bodies import NewSecurity
from tasks.referee.rules.names import MAX_TEAM, is_team_name
from tasks.shared.rules.securities import MOST_ISSUED

MAX_TEAMS = 1_000
MAX_ROUNDS = 100
MAX_INVITES = 1_000
_LONGEST_S = 7 * 86_400
# The largest number in the options of a house bot; its inverse is the smallest above zero.
LARGEST_OPTION = 10**15


def _duration_us(least: str) -> BeforeValidator:
    def read(seconds: object) -> int:
        if (type(seconds) is int or isinstance(seconds, Decimal)) and Decimal(least) <= seconds <= _LONGEST_S:
            return int(seconds * 1_000_000)
        raise PydanticCustomError(
            "seconds", "must be a number of seconds from {least} to {most}", {"least": least, "most": _LONGEST_S}
        )

    return BeforeValidator(read)


def _seconds_schema(least: float) -> WithJsonSchema:
    return WithJsonSchema({"type": "number", "minimum": least, "maximum": _LONGEST_S, "description": "seconds"})


def _cash_cents(amount: object) -> int:
    cents = cents_of(amount, below_cents=AMOUNT_BELOW_CENTS)
    if isinstance(cents, int) and cents >= 0:
        return cents
    raise PydanticCustomError("cash", "must be a number of dollars, 0 or more, with at most two decimals")


def _change(change: object) -> float:
    if (type(change) is int or isinstance(change, Decimal)) and -1 < change <= 10:
        return float(change)
    raise PydanticCustomError("change", "must be a fraction above -1 and at most 10, such as -0.05")


def _fraction(share: object) -> float:
    if (type(share) is int or isinstance(share, Decimal)) and 0 < share <= 1:
        return float(share)
    raise PydanticCustomError("fraction", "must be a fraction above 0 and at most 1")


def _team(name: object) -> str:
    if isinstance(name, str) and is_team_name(name):
        return name
    raise PydanticCustomError(
        "team", "must be 1 to {most} printable characters, with at most 3 accents on each", {"most": MAX_TEAM}
    )


def _plain(options: object) -> dict[str, Any]:
    """Return options as strategies take them: numbers are int and float, except those beyond the range of options."""
    if not isinstance(options, dict):
        raise PydanticCustomError("options", "must be an object of the strategy's options")
    return {name: _float(value) if isinstance(value, Decimal) else value for name, value in options.items()}


def _float(number: Decimal) -> float | Decimal:
    is_in_range = not number or 1 / LARGEST_OPTION <= abs(number) <= LARGEST_OPTION
    return float(number) if is_in_range else number


_AnyNumber = WithJsonSchema({"type": "number"})
Cash = Annotated[int, BeforeValidator(_cash_cents), WithJsonSchema({"type": "number", "minimum": 0})]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Endowment(Shape):
    """The cash, and the shares by security, with which each team begins a round."""

    cash: Cash = 1_000_000
    shares: Annotated[dict[str, Annotated[int, Field(ge=0, le=MOST_SHARES)]], Field(default_factory=dict)]


class HouseBots(Shape):
    """House bots of one strategy, each with an account of its own."""

    strategy: Annotated[str, StringConstraints(max_length=48)]
    count: Annotated[int, Field(ge=1, le=100)] = 1
    options: Annotated[
        dict[str, Any], BeforeValidator(_plain), WithJsonSchema({"type": "object"}), Field(default_factory=dict)
    ]


class PlannedNews(Shape):
    """News at a time of each round, or of one; `change` is the change of the hidden value, as a fraction."""

    at: Annotated[int, _duration_us("0"), _seconds_schema(0)]
    headline: Text
    body: Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")] | None = None
    security_id: str | None = None
    change: Annotated[float, BeforeValidator(_change), _AnyNumber] | None = None
    round: Annotated[int, Field(ge=1, le=MAX_ROUNDS)] | None = None


class QuotingDuty(Shape):
    """The quotes that each team keeps on both sides for a part of the round; each missing percent costs the penalty."""

    max_spread: Annotated[PriceCents, Field(ge=1)]
    quantity: Annotated[int, Field(ge=1, le=MOST_SHARES)]
    presence: Annotated[float, BeforeValidator(_fraction), _AnyNumber] = 0.8
    penalty: AmountCents = 100


class CaseSecurityBody(NewSecurity):
    """A security to be listed; by default, the issued shares are those that the endowments need."""

    issued: Annotated[int, Field(ge=1, le=MOST_ISSUED)] | None = None  # type: ignore[assignment]


class NewCompetition(Shape):
    """The case of a competition. Durations are seconds."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
    rounds: Annotated[int, Field(ge=1, le=MAX_ROUNDS)] = 1
    round_seconds: Annotated[int, _duration_us("1"), _seconds_schema(1)] = 300_000_000
    break_seconds: Annotated[int, _duration_us("0"), _seconds_schema(0)] = 30_000_000
    auction_seconds: Annotated[int, _duration_us("0.1"), _seconds_schema(0.1)] = 10_000_000
    securities: Annotated[list[CaseSecurityBody], Field(min_length=1, max_length=50)]
    endowment: Annotated[Endowment, Field(default_factory=lambda: Endowment.model_validate({}))]
    limits: NewLimits = NewLimits()
    house: Annotated[list[HouseBots], Field(max_length=50, default_factory=list)]
    news: Annotated[list[PlannedNews], Field(max_length=1_000, default_factory=list)]
    scoring: Literal["gain", "rank", "root"] = "gain"
    final: Literal["last", "value"] = "last"
    max_teams: Annotated[int, Field(ge=1, le=MAX_TEAMS)] = 100
    duty: QuotingDuty | None = None


class NewInvites(Shape):
    """Invitations to make."""

    count: Annotated[int, Field(ge=1, le=MAX_INVITES)]


class NewTeam(Shape):
    """The name of a team."""

    team: Annotated[
        str, BeforeValidator(_team), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_TEAM})
    ]


class Extension(Shape):
    """The time by which trading in the round is extended [s]."""

    seconds: Annotated[int, _duration_us("1"), _seconds_schema(1)]
