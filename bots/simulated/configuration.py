"""The configuration of a simulated market: listings, opening accounts, latencies, limits and the seed.

The defaults are those of the exchange, so a bot meets the same rules in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

# The simulated market has one shard.
SHARD: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A listed security: its reference price, the prices at which it may be ordered, and its fees.

    Fees are hundredths of a basis point of a trade's cash, negative for a rebate; see tasks.shared.rules.fees. `band`
    is how far an order may trade from the last trade before an auction begins [fraction]; None is no limit.
    `lendable_shares` is how many shares can be borrowed, by clients that may sell short.
    """

    security_id: str
    reference_cents: int = 10_000
    tick_cents: int = 1
    min_price_cents: int = 1
    max_price_cents: int = 1_000_000
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    band: Fraction | None = None
    lendable_shares: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long messages travel between a bot and the exchange.

    order_us   from the bot to the exchange [us]
    feed_us    from the exchange to the bot [us]
    jitter_us  largest random delay on top of either, drawn for each message [us]; no message overtakes another
    """

    order_us: int = 2_000
    feed_us: int = 2_000
    jitter_us: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The cash and shares with which an account starts, and how many shares of each security it may owe."""

    cash_cents: int = 1_000_000
    shares: Mapping[str, int] = field(default_factory=lambda: {"MSFT": 1_000})
    short_limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A market without its traders.

    seed                 the only source of randomness, together with `secret`
    secret               text unknown to the bots: with it, no bot can compute what follows from the seed
    duration_s           how long the bots trade [s]
    listings             the securities; the first is every bot's default
    settlement_delay_us  time from a trade to its settlement, before which its proceeds cannot be used [us]
    conflation_us        shortest time between two updates of prices and books; the newest state counts [us]
    market_order_band    how far a market order may trade from the last price [fraction]
    max_order_quantity   largest order [shares]
    max_open_orders      open orders that an account may have
    max_requests_per_s   requests that a bot may send in a second; more disqualify it
    patience_s           time that a callback may take [s of the real clock]; more disqualifies the bot. This detects
                         callbacks that never return and does not measure speed
    fund_cents           cash of the default fund at the start, to which the exchange adds its fees; it pays for buy-ins
                         beyond a client's cash [cents]
    sample_s             time between two samples of all accounts and of the market [s]
    """

    seed: int = 1
    secret: str = ""
    duration_s: float = 3600.0
    listings: tuple[Listing, ...] = (Listing(security_id="MSFT"),)
    settlement_delay_us: int = 0
    conflation_us: int = 100_000
    market_order_band: Fraction = Fraction(1, 10)
    max_order_quantity: int = 1_000_000
    max_open_orders: int = 10_000
    max_requests_per_s: int = 1_000
    patience_s: float = 3.0
    fund_cents: int = 0
    sample_s: float = 60.0

    @property
    def chance(self) -> str:
        """The text from which all random numbers of the match follow."""
        return f"{self.secret}:{self.seed}" if self.secret else f"{self.seed}"
