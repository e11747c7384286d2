"""What a tournament is, as league.toml says it: who plays in which securities, how long, how often, and what happens.

It is checked as a whole before the first match, and every fault is named with its place, so that a tournament does
not end after an hour with a misspelt option.
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bots.league.play.duration import Seconds

Security = Annotated[str, Field(pattern=r"^[A-Z0-9._]{1,12}$")]
Cents = Annotated[Decimal, Field(decimal_places=2, max_digits=14)]


class ConfigurationError(Exception):
    """A league.toml that makes no sense; the text names every fault and where it stands."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ListedSecurity(_Part):
    """A security: where its price starts [dollars], and its fees [basis points, negative for a rebate]."""

    id: Security
    price: Cents = Field(Decimal("100.00"), ge=Decimal("0.01"), le=10_000)
    maker_fee: Decimal = Field(Decimal(0), ge=-100, le=1_000, decimal_places=2)
    taker_fee: Decimal = Field(Decimal(0), ge=-100, le=1_000, decimal_places=2)

    @model_validator(mode="before")
    @classmethod
    def _of_name(cls, given: object) -> object:
        return {"id": given} if isinstance(given, str) else given


class Opening(_Part):
    """What each bot starts each match with: cash [dollars], and shares of each security, or by security."""

    cash: Cents = Field(Decimal("10000.00"), ge=0)
    shares: int | dict[Security, int] = 1_000

    @field_validator("shares")
    @classmethod
    def _not_below_zero(cls, shares: int | dict[str, int]) -> int | dict[str, int]:
        if any(number < 0 for number in ([shares] if isinstance(shares, int) else shares.values())):
            raise ValueError("nobody starts with less than no shares")
        return shares


class Latency(_Part):
    """How long messages travel in the simulated market: to the exchange, back, and what chance adds [ms]."""

    order_ms: float = Field(2.0, ge=0, le=60_000)
    feed_ms: float = Field(2.0, ge=0, le=60_000)
    jitter_ms: float = Field(1.0, ge=0, le=60_000)


class Bot(_Part):
    """A bot, or `count` of a kind.

    strategy    name of one of ours, or `file.py:Class`, the file as seen from league.toml
    name        how the report calls it; the strategy's where it is not given
    options     those of the strategy
    latency     as of everybody where it is not given
    securities  what it trades in, its own first; all where it is not given
    """

    strategy: str = Field(min_length=1, max_length=400)
    name: str | None = Field(None, min_length=1, max_length=40)
    count: int = Field(1, ge=1, le=100)
    options: dict[str, Any] = {}
    latency: Latency | None = None
    securities: tuple[Security, ...] | None = Field(None, min_length=1)

    @field_validator("name")
    @classmethod
    def _readable(cls, name: str | None) -> str | None:
        if name is not None and (not name.isprintable() or name != name.strip()):
            raise ValueError("a name is printable, and without spaces around it")
        return name


class News(_Part):
    """At a time the value of a security jumps by a part of itself: 0.05 is 5 % up. Informed traders know it at once."""

    kind: Literal["news"]
    at: Seconds = Field(ge=0)
    security: Security
    change: float = Field(gt=-1, le=10)


class Halt(_Part):
    """At a time the trading of a security is halted for some time."""

    kind: Literal["halt"]
    at: Seconds = Field(ge=0)
    security: Security
    lasts: Seconds = Field(gt=0)


class LargeSeller(_Part):
    """From a time on somebody has to sell much: `quantity` shares at the market, a part at a time."""

    kind: Literal["large_seller"]
    at: Seconds = Field(ge=0)
    security: Security
    quantity: int = Field(ge=1, le=10_000_000)
    part: int = Field(100, ge=1, le=1_000_000)
    every: Seconds = Field(10.0, ge=0.1)


ScheduledEvent = Annotated[News | Halt | LargeSeller, Field(discriminator="kind")]


class Live(_Part):
    """What is different against a running exchange, where an hour takes an hour.

    rounds  matches, one after the other, with the first seeds
    """

    duration: Seconds = Field(600.0, ge=1, le=86_400)
    rounds: int = Field(1, ge=1, le=1_000)
    sample_every: Seconds = Field(2.0, ge=0.2)


class League(_Part):
    """A tournament.

    seeds           one match for each: a number of them, 1, 2, 3, ..., or a list
    sample_every    how often everybody's equity and the market are looked at
    orders_a_second requests that a bot may send in a second; one that sends more is disqualified
    """

    name: str = Field("A tournament", min_length=1, max_length=80)
    securities: tuple[ListedSecurity, ...] = Field((ListedSecurity(id="MSFT"),), min_length=1, max_length=20)
    duration: Seconds = Field(3600.0, ge=1, le=30 * 86_400)
    seeds: tuple[int, ...] = Field((1,), min_length=1, max_length=10_000)
    sample_every: Seconds = Field(10.0, ge=0.1)
    orders_a_second: int = Field(1_000, ge=1, le=20_000)
    opening: Opening = Opening()
    latency: Latency = Latency()
    bots: tuple[Bot, ...] = Field(min_length=1)
    events: tuple[ScheduledEvent, ...] = ()
    live: Live = Live()

    @field_validator("seeds", mode="before")
    @classmethod
    def _counted(cls, seeds: object) -> object:
        if isinstance(seeds, int) and not isinstance(seeds, bool):
            if not 1 <= seeds <= 10_000:
                raise ValueError("there are 1 to 10000 seeds")
            return tuple(range(1, seeds + 1))
        return seeds

    @model_validator(mode="after")
    def _fits_together(self) -> League:
        listed = [security.id for security in self.securities]
        faults = [f"security {name} is listed twice" for name in sorted({n for n in listed if listed.count(n) > 1})]
        if len(set(self.seeds)) < len(self.seeds):
            faults.append("a seed is there twice")
        for event in self.events:
            if event.security not in listed:
                faults.append(f"an event is about {event.security}, which is not among the securities")
            if event.at >= self.duration:
                faults.append(f"an event at {event.at:g} s is after the end at {self.duration:g} s")
        traded = {name: f"{bot.strategy} trades in" for bot in self.bots for name in bot.securities or ()}
        owned = self.opening.shares if isinstance(self.opening.shares, dict) else {}
        for name, who in (traded | dict.fromkeys(owned, "bots start with")).items():
            if name not in listed:
                faults.append(f"{who} {name}, which is not among the securities")
        if self.sample_every > self.duration:
            faults.append("samples are further apart than the match is long")
        if sum(bot.count for bot in self.bots) > 500:
            faults.append("there are more than 500 bots")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def opening_shares(self) -> dict[str, int]:
        """Shares that each bot starts with, by security."""
        shares = self.opening.shares
        if isinstance(shares, int):
            return {security.id: shares for security in self.securities}
        return dict(shares)


def read(file: Path) -> League:
    """The tournament of a league.toml.

    raises  ConfigurationError  naming every fault
    """
    return parse(content_of(file), named=str(file))


def content_of(file: Path) -> dict[str, Any]:
    """What stands in a file, not looked at yet. Raises ConfigurationError."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{file} does not exist") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigurationError(f"{file} cannot be read: {fault}") from None
    except tomllib.TOMLDecodeError as fault:
        raise ConfigurationError(f"{file} is not TOML: {fault}") from None


def parse(content: dict[str, Any], *, named: str) -> League:
    """The tournament that the content of a file describes; raises ConfigurationError."""
    try:
        return League.model_validate(content)
    except ValidationError as faults:
        lines = [f"  {_place(fault['loc'])}: {_said(fault)}" for fault in faults.errors()]
        raise ConfigurationError("\n".join([f"{named} is no tournament:", *lines])) from None


def _said(fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        return "there is no such setting"
    return str(fault["msg"]).removeprefix("Value error, ")


def _place(location: tuple[int | str, ...]) -> str:
    """As one finds it in the file: bots[3].options."""
    place = ""
    for part in location:
        if isinstance(part, int):
            place += f"[{part + 1}]"
        elif part not in ("news", "halt", "large_seller"):  # which kind of an event was tried
            place += f".{part}" if place else part
    return place or "as a whole"
