"""The orders of a benchmark: a seeded flow of ten clients, about half of which trade as they arrive.

Every connection sends for one client, over and over again the same cycle of orders, made before the clock starts.

- Half of the clients buy a security while the other half sells it, and a quarter of a cycle later they change
  sides. So shares and cash come back, and clients seldom meet their own orders.
- Buyers pay the mid price or up to SPREAD_TICKS more, sellers take as much less. So whoever comes second trades,
  and books stay small however long it lasts.
- The mid price goes up and down by SWING_TICKS once a cycle, so that levels come and go.
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
    """Which of the clients a connection sends for."""
    return connection % CLIENTS


def cycle(connection: int, *, seed: int, orders: int) -> list[Order]:
    """The orders of one connection, to be sent again and again."""
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
    """A wave between -1 and 1 of period 1."""
    phase %= 1.0
    return 4 * phase - 1 if phase < 0.5 else 3 - 4 * phase
