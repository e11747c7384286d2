"""What an exchange lists and gives to new accounts, and its trading day, as the file of the market says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

# In the table of endowments, in the place of a security.
_CASH = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A security that is to be listed."""

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
    """What a new account is given."""

    cash_cents: int = 1_000_000
    shares: Mapping[str, int] = field(default_factory=lambda: {"MSFT": 1_000})


@dataclass(frozen=True, slots=True)
class Day:
    """How long the steps of the trading day last [us]; without any, trading is continuous around the clock."""

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

    first_auction_us  how long the auction lasts with which a security begins that is listed with the exchange; with 0
                      and without a schedule it trades at once
    """

    securities: tuple[Listing, ...] = tuple(map(Listing, ("MSFT", "AAPL", "TSLA", "JPM", "SHEL")))
    endowment: Endowment = Endowment()
    day: Day = Day()
    first_auction_us: int = 0


def set_terms(tx: Connection, market: Market) -> None:
    """Write down the endowment and the day of a market; how far the schedule has come stays as it is."""
    day = market.day
    tx.execute(
        text(
            "INSERT INTO trading_day AS day "
            "(first_auction_us, opening_auction_us, continuous_us, closing_auction_us, closed_us) "
            "VALUES (:first, :opening, :continuous, :closing, :closed) ON CONFLICT (one) DO UPDATE SET "
            "first_auction_us = excluded.first_auction_us, opening_auction_us = excluded.opening_auction_us, "
            "continuous_us = excluded.continuous_us, closing_auction_us = excluded.closing_auction_us, "
            "closed_us = excluded.closed_us"
        ),
        {
            "first": market.first_auction_us,
            "opening": day.opening_auction_us,
            "continuous": day.continuous_us,
            "closing": day.closing_auction_us,
            "closed": day.closed_us,
        },
    )
    tx.execute(text("DELETE FROM endowments"))
    amounts = {_CASH: market.endowment.cash_cents} | dict(market.endowment.shares)
    tx.execute(
        text("INSERT INTO endowments SELECT * FROM unnest(CAST(:names AS text[]), CAST(:amounts AS bigint[]))"),
        {"names": list(amounts), "amounts": list(amounts.values())},
    )


def endowment(tx: Connection) -> Endowment:
    """What a new account is given."""
    amounts = {row.security_id: row.amount for row in tx.execute(text("SELECT security_id, amount FROM endowments"))}
    return Endowment(amounts.pop(_CASH, 0), amounts)
