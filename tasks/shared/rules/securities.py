"""Securities as every stage sees them: prices are integer cents, quantities integer shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from tasks.messages import Phase, PhaseCause, PhaseChanged

# All shares of a security together are worth at most this, at every price [cents]. Sums over several securities and the
# cash of an account then stay within 64 bits.
MOST_WORTH_CENTS: Final = 10**18
# At most this many shares of a security are issued.
MOST_ISSUED: Final = 10**12

# The phases of the log, and the phase of a security whose final settlement is booked.
SecurityPhase = Phase | Literal["settled"]


@dataclass(frozen=True, slots=True)
class Security:
    """A listed security: the shard that matches it, the prices of its orders, and its last price."""

    security_id: str
    shard: int
    tick_cents: int
    min_price_cents: int
    max_price_cents: int
    issued_shares: int
    last_price_cents: int | None  # before the first trade its reference price
    maker_fee_ppm: int = 0  # hundredths of a basis point; see tasks.shared.rules.fees
    taker_fee_ppm: int = 0
    phase: SecurityPhase = "continuous"
    phase_cause: PhaseCause | None = None
    phase_ends_us: int | None = None
    reference_price_cents: int | None = None  # order entry alone does not need it
    band_ppm: int | None = None
    competition: int | None = None  # only accounts of this competition trade it; only order entry needs this

    @property
    def halted(self) -> bool:
        """Whether its trading is halted; the other phases do not count as a halt."""
        return self.phase == "halted"


def is_worth_too_much(shares: int, price_cents: int) -> bool:
    """Return whether shares at a price are worth more than the exchange can book."""
    return shares * price_cents > MOST_WORTH_CENTS


def phase_ends_us(event: PhaseChanged, volatility_auction_us: int | None) -> int | None:
    """Return when a phase ends [us since 1970, UTC], also for an auction whose end the engine leaves open.

    volatility_auction_us  length of an auction that the engine begins itself; None leaves its end open
    """
    is_open = (event.phase, event.cause, event.ends_us) == ("auction", "volatility", None)
    if is_open and volatility_auction_us is not None:
        return event.changed_us + volatility_auction_us
    return event.ends_us
