"""Securities, as every stage sees them: prices are integer cents, quantities integer shares."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Security:
    """A listed security: the shard that matches it, the prices of its orders, and its last price."""

    security_id: str
    shard: int
    tick_cents: int
    min_price_cents: int
    max_price_cents: int
    issued_shares: int
    halted: bool
    last_price_cents: int | None  # before the first trade its reference price
    maker_fee_ppm: int = 0  # hundredths of a basis point; see tasks.shared.rules.fees
    taker_fee_ppm: int = 0
