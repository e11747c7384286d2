"""The securities of an exchange, the endowment of new accounts and the trading day, as in the market file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Listing:
    """A security to list."""

    security_id: str
    reference_cents: int = 10_000
    tick_cents: int = 1
    min_price_cents: int = 1
    max_price_cents: int = 1_000_000
    issued_shares: int = 100_000
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    band_ppm: int | None = None


@dataclass(frozen=True, slots=True)
class Endowment:
    """The cash and shares of a new account."""

    cash_cents: int = 1_000_000
    shares: Mapping[str, int] = field(default_factory=lambda: {"MSFT": 1_000})


@dataclass(frozen=True, slots=True)
class Day:
    """The lengths of the trading day's steps [us]; if all are 0, trading is continuous around the clock."""

    opening_auction_us: int = 0
    continuous_us: int = 0
    closing_auction_us: int = 0
    closed_us: int = 0

    @property
    def is_scheduled(self) -> bool:
        """Whether there is a schedule at all."""
        return any((self.opening_auction_us, self.continuous_us, self.closing_auction_us, self.closed_us))


@dataclass(frozen=True, slots=True)
class Market:
    """A market.

    first_auction_us  length of the auction with which the initial securities begin; with 0 and without a schedule, they
                      trade at once
    """

    securities: tuple[Listing, ...] = tuple(map(Listing, ("MSFT", "AAPL", "TSLA", "JPM", "SHEL")))
    endowment: Endowment = Endowment()
    day: Day = Day()
    first_auction_us: int = 0
