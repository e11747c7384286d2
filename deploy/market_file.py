"""The file of the market, deploy/exchange.toml or another one: the listed securities, the endowments, and the day.

It is checked as a whole before anything starts, and every fault is reported with its place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bots import roster, settings_file
from bots.hidden_value import Values
from bots.roster import Crew, Entry, RosterError
from bots.settings_file import UnreadableFile
from db.clearing_data import initial_data
from deploy.processes import BOTS
from tasks.shared.rules.market import Day, Endowment, Listing, Market
from tasks.shared.rules.securities import MOST_ISSUED, MOST_WORTH_CENTS, is_worth_too_much

_UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_LONGEST_S: Final = 366 * 86_400


class MarketFileError(Exception):
    """The file is invalid; the text names every fault and its place."""


def _seconds(given: object) -> object:
    """Return the seconds of a whole number of seconds, or of a text like 6h30m."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    found = _DURATION.fullmatch(given) if isinstance(given, str) and given else None
    if found is None:
        raise ValueError('a duration is a text like "6h30m" or "10s", or a whole number of seconds')
    return sum(int(part or 0) * unit for part, unit in zip(found.groups(), _UNITS.values(), strict=True))


Seconds = Annotated[int, BeforeValidator(_seconds), Field(ge=0, le=_LONGEST_S)]
SecurityId = Annotated[str, Field(pattern=r"^[A-Z0-9.]{1,12}$")]
# The parser makes decimals of the file's numbers.
Price = Annotated[Decimal, Field(ge=Decimal("0.01"), le=10_000_000, decimal_places=2)]
BasisPoints = Annotated[Decimal, Field(gt=-10_000, lt=10_000, decimal_places=2)]


def _entry(given: object) -> Entry:
    if isinstance(given, Entry):
        return given
    if not isinstance(given, str):
        raise ValueError("a bot is a text like flood, informed:5 or gauss(security=AAPL)")
    try:
        return roster.entry_of(given)
    except RosterError as fault:
        raise ValueError(str(fault)) from None


BotEntry = Annotated[Entry, BeforeValidator(_entry)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ListedSecurity(_Part):
    """A security: prices [dollars], fees [basis points], band [fraction of a price]."""

    id: SecurityId
    reference_price: Price
    tick: Price = Decimal("0.01")
    min_price: Price = Decimal("0.01")
    max_price: Price = Decimal("10000.00")
    issued: int = Field(100_000, ge=1, le=MOST_ISSUED)
    maker_fee: BasisPoints = Decimal(0)
    taker_fee: BasisPoints = Decimal(0)
    band: Annotated[Decimal, Field(gt=0, lt=1, decimal_places=6)] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> ListedSecurity:
        faults = []
        if not self.min_price <= self.reference_price <= self.max_price:
            faults.append(
                f"reference_price {self.reference_price} is not from min_price {self.min_price} to max_price "
                f"{self.max_price}"
            )
        faults += [
            f"{name} {price} must be a multiple of the tick {self.tick}"
            for name, price in (("reference_price", self.reference_price), ("min_price", self.min_price))
            if name in self.model_fields_set and price % self.tick
        ]
        if self.maker_fee + self.taker_fee < 0:
            faults.append("maker_fee and taker_fee together must not be below 0: a trade would cost the exchange")
        if is_worth_too_much(self.issued, _cents(self.max_price)):
            faults.append(f"issued times max_price must be at most {MOST_WORTH_CENTS // 100:,}")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def listing(self) -> Listing:
        """Return the security as `clearing_data` lists it."""
        tick_cents = _cents(self.tick)
        return Listing(
            security_id=self.id,
            reference_cents=_cents(self.reference_price),
            tick_cents=tick_cents,
            # By default the lowest price is a cent, or the tick if that is larger.
            min_price_cents=max(_cents(self.min_price), tick_cents),
            max_price_cents=_cents(self.max_price),
            issued_shares=self.issued,
            maker_fee_ppm=int(self.maker_fee * 100),
            taker_fee_ppm=int(self.taker_fee * 100),
            band_ppm=None if self.band is None else int(self.band * 1_000_000),
        )


class GivenToAccounts(_Part):
    """The cash [dollars] and the shares by security that a new account is given."""

    cash: Annotated[Decimal, Field(ge=0, le=10**12, decimal_places=2)] = Decimal(10_000)
    shares: Mapping[SecurityId, Annotated[int, Field(ge=0, le=10**12)]] = {}


class GivenToBots(_Part):
    """The cash, and the value in shares of each security that it trades, that a bot's account starts with [dollars]."""

    cash: Annotated[Decimal, Field(ge=0, le=10**12, decimal_places=2)] = Decimal(60_000)
    shares_worth: Annotated[Decimal, Field(ge=0, le=10**12, decimal_places=2)] = Decimal(50_000)


class HiddenValues(_Part):
    """The hidden values of the securities.

    seed        the same seed repeats them; by default each new exchange draws its own
    volatility  standard deviation of a value's change in a minute [fraction]
    news_every  mean time between two items of news; 0 for none [s]
    """

    seed: Annotated[int, Field(ge=0, le=2**53)] | None = None
    volatility: Annotated[Decimal, Field(ge=0, le=Decimal("0.1"))] = Decimal("0.001")
    news_every: Seconds = 240


class DayOfTrading(_Part):
    """The steps of the trading day, in this order; a step without a duration is left out."""

    opening_auction: Seconds = 0
    continuous: Seconds = 0
    closing_auction: Seconds = 0
    closed: Seconds = 0

    @model_validator(mode="after")
    def _takes_time(self) -> DayOfTrading:
        if not self.continuous:
            raise ValueError("continuous must last at least a second")
        return self

    def in_us(self) -> Day:
        """Return the day as `clearing_data` has it."""
        steps = (self.opening_auction, self.continuous, self.closing_auction, self.closed)
        return Day(*(1_000_000 * seconds for seconds in steps))


class MarketFile(_Part):
    """The file."""

    first_auction: Seconds = 8
    bots: tuple[BotEntry, ...] = tuple(map(roster.entry_of, BOTS))
    endowment: GivenToAccounts = GivenToAccounts()
    bots_endowment: GivenToBots = GivenToBots()
    hidden_values: HiddenValues = HiddenValues()
    securities: tuple[ListedSecurity, ...]
    day: DayOfTrading | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> MarketFile:
        listed = [security.id for security in self.securities]
        if not listed:
            raise ValueError("there are no securities")
        faults = [f"security {name} is listed twice" for name in sorted({n for n in listed if listed.count(n) > 1})]
        faults += [
            f"endowment.shares names {name}, which is not among the securities"
            for name in self.endowment.shares
            if name not in listed
        ]
        faults += [fault for place, entry in enumerate(self.bots, 1) if (fault := _misfit(place, entry, listed))]
        if not faults:
            faults += self._too_few_shares(roster.crews(self.bots, listed))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def listed(self) -> list[str]:
        """The ids of the securities."""
        return [security.id for security in self.securities]

    def crews(self, entries: Sequence[Entry] | None = None) -> list[Crew]:
        """Return the bots that trade; of other entries than the file's, if they are given.

        raises  RosterError  an entry does not fit the securities, or their accounts take too many shares
        """
        crews = roster.crews(self.bots if entries is None else entries, self.listed)
        for fault in self._too_few_shares(crews):
            raise RosterError(fault)
        return crews

    def _too_few_shares(self, crews: Sequence[Crew]) -> list[str]:
        """Return the securities of which the opening accounts take more shares than are issued."""
        openings = {account: dict(self.endowment.shares) for account in initial_data.TRADERS}
        for seat in (seat for crew in crews for seat in crew.seats):
            openings[seat.account] = openings.get(seat.account, {}) | self.opening(seat.account, seat.securities)[1]
        taken = sum(map(Counter, openings.values()), Counter[str]())
        return [
            f"issued of {one.id} must be at least {taken[one.id]:,}, for the accounts with which the exchange begins"
            for one in self.securities
            if taken[one.id] > one.issued
        ]

    def opening(self, account: str, securities: Sequence[str]) -> tuple[int, dict[str, int]]:
        """Return the cash [cents] and the shares with which a bot's account begins."""
        initial = account in initial_data.TRADERS
        shares = dict(self.endowment.shares) if initial else {}
        worth_cents = _cents(self.bots_endowment.shares_worth)
        for security in self.securities:
            if security.id in securities and security.id not in shares:
                shares[security.id] = worth_cents // _cents(security.reference_price)
        return _cents(self.endowment.cash if initial else self.bots_endowment.cash), shares

    def values(self, seed: int) -> Values:
        """Return the hidden values for a seed."""
        return Values(
            seed=seed,
            references=tuple((security.id, float(security.reference_price)) for security in self.securities),
            volatility=float(self.hidden_values.volatility),
            news_every_s=float(self.hidden_values.news_every),
        )

    def market(self) -> Market:
        """Return the market as `clearing_data` has it."""
        return Market(
            securities=tuple(security.listing() for security in self.securities),
            endowment=Endowment(_cents(self.endowment.cash), dict(self.endowment.shares)),
            day=Day() if self.day is None else self.day.in_us(),
            first_auction_us=1_000_000 * self.first_auction,
        )


def read(file: Path) -> MarketFile:
    """Read a file.

    raises  MarketFileError  naming every fault
    """
    try:
        content = settings_file.content_of(file, parse_float=Decimal)
    except UnreadableFile as fault:
        raise MarketFileError(str(fault)) from None
    return parse(content, named=str(file))


def parse(content: dict[str, Any], *, named: str) -> MarketFile:
    """Return the market that the content of a file describes; raises MarketFileError."""
    try:
        return MarketFile.model_validate(content)
    except ValidationError as error:
        raise MarketFileError(
            "\n  ".join([f"{named} does not describe a market:", *settings_file.faults_of(error)])
        ) from None


def _misfit(place: int, entry: Entry, listed: Sequence[str]) -> str | None:
    """Return why an entry of the bots does not fit the securities; None if it does."""
    try:
        roster.crews([entry], listed)
    except RosterError as fault:
        return f"bots[{place}]: {fault}"
    return None


def _cents(dollars: Decimal) -> int:
    return int(dollars * 100)


# The market without a file, as in tests of the exchange.
DEFAULT: Final = MarketFile(
    securities=tuple(ListedSecurity(id=name, reference_price=Decimal(100)) for name in initial_data.SECURITIES)
)
