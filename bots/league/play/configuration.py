"""Reads league.toml: the bots, securities, duration, seeds and scheduled events of a tournament.

The whole file is checked before the first match, and every fault is reported with its location, so a misspelt option
does not end a tournament after an hour.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bots import settings_file
from bots.league.play.duration import Seconds
from bots.settings_file import UnreadableFile

Security = Annotated[str, Field(pattern=r"^[A-Z0-9._]{1,12}$")]
Cents = Annotated[Decimal, Field(decimal_places=2, max_digits=14)]


class ConfigurationError(Exception):
    """A league.toml is invalid; the text lists every fault with its location."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ListedSecurity(_Settings):
    """A security: its opening price [dollars], and its fees [basis points, negative for a rebate].

    volatility  of its hidden value [dollars per square root of a second]
    """

    id: Security
    price: Cents = Field(Decimal("100.00"), ge=Decimal("0.01"), le=10_000)
    volatility: float = Field(0.02, ge=0, le=100)
    maker_fee: Decimal = Field(Decimal(0), ge=-100, le=1_000, decimal_places=2)
    taker_fee: Decimal = Field(Decimal(0), ge=-100, le=1_000, decimal_places=2)

    @model_validator(mode="before")
    @classmethod
    def _of_name(cls, given: object) -> object:
        return {"id": given} if isinstance(given, str) else given


class Opening(_Settings):
    """Each bot's account at the start of each match: cash [dollars], and shares of every security, or by security."""

    cash: Cents = Field(Decimal("10000.00"), ge=0)
    shares: int | dict[Security, int] = 1_000

    @field_validator("shares")
    @classmethod
    def _not_below_zero(cls, shares: int | dict[str, int]) -> int | dict[str, int]:
        if any(number < 0 for number in ([shares] if isinstance(shares, int) else shares.values())):
            raise ValueError("must be whole numbers from 0 up")
        return shares


class Latency(_Settings):
    """How long messages travel in the simulated market: to the exchange, back, and the largest random delay [ms]."""

    order_ms: float = Field(2.0, ge=0, le=60_000)
    feed_ms: float = Field(2.0, ge=0, le=60_000)
    jitter_ms: float = Field(1.0, ge=0, le=60_000)


class Bot(_Settings):
    """A bot, or `count` of a kind.

    strategy    name of an included strategy, or `file.py:Class` with a path relative to league.toml
    name        its name in the report; default: the strategy's
    options     options of the strategy
    latency     default: the tournament's
    securities  what it may trade, its own first; default: all
    short_limit shares of each security that it may owe; default: the tournament's
    informed    whether it observes the hidden value of its own security; default: only the exchange's own strategy
                `informed` does
    """

    strategy: str = Field(min_length=1, max_length=400)
    name: str | None = Field(None, min_length=1, max_length=40)
    count: int = Field(1, ge=1, le=100)
    options: dict[str, Any] = {}
    latency: Latency | None = None
    securities: tuple[Security, ...] | None = Field(None, min_length=1)
    short_limit: int | None = Field(None, ge=0, le=1_000_000)
    informed: bool | None = None

    @field_validator("name")
    @classmethod
    def _readable(cls, name: str | None) -> str | None:
        if name is not None and (not name.isprintable() or name != name.strip()):
            raise ValueError("must consist of printable characters, without spaces at either end")
        return name


class News(_Settings):
    """A jump of a security's hidden value by a fraction: 0.05 is 5 % up. Informed traders know it immediately."""

    kind: Literal["news"]
    at: Seconds = Field(ge=0)
    security: Security
    change: float = Field(gt=-1, le=10)


class Halt(_Settings):
    """A halt of a security's trading."""

    kind: Literal["halt"]
    at: Seconds = Field(ge=0)
    security: Security
    lasts: Seconds = Field(gt=0)


class LargeSeller(_Settings):
    """A seller of `quantity` shares at the market, `part` of them at a time."""

    kind: Literal["large_seller"]
    at: Seconds = Field(ge=0)
    security: Security
    quantity: int = Field(ge=1, le=10_000_000)
    part: int = Field(100, ge=1, le=1_000_000)
    every: Seconds = Field(10.0, ge=0.1)


ScheduledEvent = Annotated[News | Halt | LargeSeller, Field(discriminator="kind")]
_KINDS_OF_EVENTS = frozenset({"news", "halt", "large_seller"})


class Live(_Settings):
    """Settings for matches on a running exchange, where an hour takes an hour.

    rounds  number of matches, one after the other, with the first seeds
    """

    duration: Seconds = Field(600.0, ge=1, le=86_400)
    rounds: int = Field(1, ge=1, le=1_000)
    sample_every: Seconds = Field(2.0, ge=0.2)


class League(_Settings):
    """A tournament.

    seeds           one match for each seed: a number for the seeds 1, 2, 3, ..., or a list
    sample_every    time between two samples of all accounts and the market [s]
    orders_a_second requests that a bot may send in a second; more disqualify it
    short_limit     shares of each security that a bot may owe; 0 for no selling short
    bots            the entrants
    house           traders that make the market; they are not ranked
    secret          text that only the organiser knows: hidden values and all other chance follow from it and the seed
    """

    name: str = Field("A tournament", min_length=1, max_length=80)
    securities: tuple[ListedSecurity, ...] = Field((ListedSecurity(id="MSFT"),), min_length=1, max_length=20)
    duration: Seconds = Field(3600.0, ge=1, le=30 * 86_400)
    seeds: tuple[int, ...] = Field((1,), min_length=1, max_length=10_000)
    sample_every: Seconds = Field(10.0, ge=0.1)
    orders_a_second: int = Field(1_000, ge=1, le=20_000)
    short_limit: int = Field(0, ge=0, le=1_000_000)
    secret: str = Field("", max_length=200)
    opening: Opening = Opening()
    latency: Latency = Latency()
    bots: tuple[Bot, ...] = Field(min_length=1)
    house: tuple[Bot, ...] = ()
    events: tuple[ScheduledEvent, ...] = ()
    live: Live = Live()

    @field_validator("seeds", mode="before")
    @classmethod
    def _counted(cls, seeds: object) -> object:
        if isinstance(seeds, int) and not isinstance(seeds, bool):
            if not 1 <= seeds <= 10_000:
                raise ValueError("must be a number from 1 to 10000, or a list of seeds")
            return tuple(range(1, seeds + 1))
        return seeds

    @model_validator(mode="after")
    def _fits_together(self) -> League:
        listed = [security.id for security in self.securities]
        faults = [f"securities: {name} is listed twice" for name in sorted({n for n in listed if listed.count(n) > 1})]
        among = f"which is not among the securities {', '.join(listed)}"
        if len(set(self.seeds)) < len(self.seeds):
            repeated = sorted({seed for seed in self.seeds if self.seeds.count(seed) > 1})
            faults.append(f"seeds must differ; listed more than once: {', '.join(map(str, repeated))}")
        for number, event in enumerate(self.events, start=1):
            if event.security not in listed:
                faults.append(f"events[{number}].security is {event.security}, {among}")
            if event.at >= self.duration:
                faults.append(f"events[{number}].at is {event.at:g} s, but the match ends at {self.duration:g} s")
        traded = {name: f"{bot.strategy} trades" for bot in self.everyone for name in bot.securities or ()}
        owned = self.opening.shares if isinstance(self.opening.shares, dict) else {}
        for name, use in (traded | dict.fromkeys(owned, "opening.shares has")).items():
            if name not in listed:
                faults.append(f"{use} {name}, {among}")
        if self.sample_every > self.duration:
            faults.append(f"sample_every must be at most the duration, {self.duration:g} s")
        if (bots := sum(bot.count for bot in self.everyone)) > 500:
            faults.append(f"bots and house: there are {bots}; at most 500 are allowed")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def everyone(self) -> tuple[Bot, ...]:
        """The entrants, then the house traders."""
        return (*self.bots, *self.house)

    def chance(self, seed: int) -> str:
        """Return the text from which everything random in the match of a seed follows."""
        return f"{self.secret}:{seed}" if self.secret else f"{seed}"

    def opening_shares(self) -> dict[str, int]:
        """Return the shares with which each bot starts, by security."""
        shares = self.opening.shares
        if isinstance(shares, int):
            return {security.id: shares for security in self.securities}
        return dict(shares)


def read(file: Path) -> League:
    """Read a league.toml.

    raises  ConfigurationError  listing every fault
    """
    return parse(content_of(file), named=str(file))


def content_of(file: Path) -> dict[str, Any]:
    """Return the unchecked content of a file. Raises ConfigurationError."""
    try:
        return settings_file.content_of(file)
    except UnreadableFile as fault:
        raise ConfigurationError(str(fault)) from None


def parse(content: dict[str, Any], *, named: str) -> League:
    """Check the content of a file. Raises ConfigurationError, listing every fault."""
    try:
        return League.model_validate(content)
    except ValidationError as error:
        faults = settings_file.faults_of(error, kinds=_KINDS_OF_EVENTS)
        raise ConfigurationError("\n  ".join([f"{named} does not describe a tournament:", *faults])) from None
