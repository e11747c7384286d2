"""Courses of prices for strategies that follow them, a second apart, whose orders trade as a whole."""

from __future__ import annotations

from collections.abc import Iterable

from tests.bots.harness import Harness


def follow(harness: Harness, mids: Iterable[float], *, security_id: str = "MSFT", spread: float = 0.02) -> None:
    """Deliver one price per second, and fill the strategy's orders at their limits."""
    for mid in mids:
        harness.now_s += 1.0
        filled = len(harness.orders)
        harness.price(f"{mid - spread / 2:.2f}", f"{mid + spread / 2:.2f}", security_id=security_id)
        for order_id in range(filled + 1, len(harness.orders) + 1):
            harness.fill_all(order_id)


def waves(count: int, *, around: float = 100.0, height: float = 0.1) -> list[float]:
    """Prices that move up and down by this amount, in waves of four seconds."""
    return [around + height * (0, 1, 0, -1)[n % 4] for n in range(count)]
