"""What a simulated market is: what is listed, what everybody starts with, how fast messages travel, and the seed.

The defaults are those of the exchange, so that a bot that does well here meets the same rules there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A listed security: its first reference price, the prices it may be ordered at, and its fees.

    Fees are hundredths of a basis point of the cash of a trade, negative for a rebate; see tasks.shared.rules.fees.
    """

    security_id: str
    reference_cents: int = 10_000
    tick_cents: int = 1
    min_price_cents: int = 1
    max_price_cents: int = 1_000_000
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long messages travel between a bot and the exchange.

    order_us   from the bot to the exchange [us]
    feed_us    from the exchange to the bot [us]
    jitter_us  what comes on top of either, drawn for each message from 0 up to this [us]; none overtakes another
    """

    order_us: int = 2_000
    feed_us: int = 2_000
    jitter_us: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What an account starts with."""

    cash_cents: int = 1_000_000
    shares: Mapping[str, int] = field(default_factory=lambda: {"MSFT": 1_000})


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A market, but for who trades in it.

    seed                 all chance comes from it
    duration_s           how long the bots trade [s]
    listings             what they trade in, the first one first
    settlement_delay_us  from a trade to its settlement, until which what it brings cannot be used [us]
    conflation_us        prices and books are told at most so often; the newest counts [us]
    market_order_band    how far a market order may trade from the last price [fraction]
    max_order_quantity   largest order [shares]
    max_open_orders      open orders an account may have
    max_requests_per_s   requests that a bot may send in a second; one that sends more is out
    patience_s           time a callback may take [s of the real clock]; one that takes more is out. It only tells
                         what never ends from what does, and is no measure of speed
    sample_s             time between two samples of everybody's equity and of the market [s]
    """

    seed: int = 1
    duration_s: float = 3600.0
    listings: tuple[Listing, ...] = (Listing(security_id="MSFT"),)
    settlement_delay_us: int = 0
    conflation_us: int = 100_000
    market_order_band: Fraction = Fraction(1, 10)
    max_order_quantity: int = 1_000_000
    max_open_orders: int = 10_000
    max_requests_per_s: int = 1_000
    patience_s: float = 3.0
    sample_s: float = 60.0
