"""The orders of a benchmark: a seeded flow of ten clients, in which about half of the orders trade on arrival.

Every connection sends for one client and repeats a cycle of orders made before the clock starts.

- Half of the clients buy a security while the other half sells it, and they change sides after a quarter of a cycle. So
  shares and cash return, and clients seldom meet their own orders.
- Buyers pay the mid price or up to SPREAD_TICKS more, and sellers take up to as much less. So the second of two
  opposite orders trades, and books stay small in runs of any length.
- The mid price rises and falls by SWING_TICKS once a cycle, so price levels come and go.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

CLIENTS = 10
SECURITIES = ("MSFT", "AAPL", "TSLA", "JPM", "SHEL")

MID_CENTS = 10_000
SWING_TICKS = 20
SPREAD_TICKS = 3
MOST_SHARES = 10
TURNS_A_CYCLE = 4


@dataclass(frozen=True, slots=True)
class Order:
    """A limit order of the flow, as the contract's JSON."""

    security_id: str
    json: str


def client_of(connection: int) -> int:
    """Return the number of the client that a connection sends for."""
    return connection % CLIENTS


def cycle(connection: int, *, seed: int, orders: int) -> list[Order]:
    """Return the orders that one connection repeats."""
    rng = random.Random(f"{seed}/{connection}")
    client = client_of(connection)
    turn = orders // TURNS_A_CYCLE
    made = []
    for n in range(orders):
        security = rng.randrange(len(SECURITIES))
        mid_cents = MID_CENTS + round(SWING_TICKS * _triangle(n / orders + security / len(SECURITIES)))
        side, sign = ("buy", 1) if (client + security + n // turn) % 2 == 0 else ("sell", -1)
        price_cents = mid_cents + sign * rng.randint(0, SPREAD_TICKS)
        made.append(
            Order(
                SECURITIES[security],
                f'{{"type":"limit","security_id":"{SECURITIES[security]}","side":"{side}"'
                f',"quantity":{rng.randint(1, MOST_SHARES)},"price":{price_cents // 100}.{price_cents % 100:02}}}',
            )
        )
    return made


def _triangle(phase: float) -> float:
    """Return a triangle wave between -1 and 1, of period 1."""
    phase %= 1.0
    return 4 * phase - 1 if phase < 0.5 else 3 - 4 * phase
