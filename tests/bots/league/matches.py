"""Small matches for tests, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bots.league.play.result import AccountSample, BotResult, Failure, Fill, MarketSample, Match

OPENING_CENTS = 100_00


def bot(name: str, samples: Sequence[tuple[int, int]], **others: Any) -> BotResult:
    """A bot that begins with $1,000 and 10 MSFT; `samples` are its cash [cents] and its shares, a minute apart."""
    cash_cents, shares = samples[-1]
    known: dict[str, Any] = {
        "name": name,
        "strategy": name,
        "account": name.upper(),
        "opening_cash_cents": 100_000,
        "opening": {"MSFT": 10},
        "cash_cents": cash_cents,
        "shares": {"MSFT": shares},
        "orders": 0,
        "cancels": 0,
        "rejected": {},
        "closed": {},
        "fills": [],
        "samples": [AccountSample(60.0 * at, cash, [held]) for at, (cash, held) in enumerate(samples)],
    }
    return BotResult(**(known | others))


def match(bots: Sequence[BotResult], prices: Sequence[int], *, seed: int = 1, spread_cents: int = 2) -> Match:
    """A match in MSFT with these last prices, a minute apart [cents]."""
    return Match(
        kind="simulated",
        seed=seed,
        duration_s=60.0 * (len(prices) - 1),
        securities=["MSFT"],
        opening={"MSFT": OPENING_CENTS},
        last={"MSFT": prices[-1]},
        bots=list(bots),
        market={
            "MSFT": [
                MarketSample(60.0 * at, price - spread_cents // 2, 30, price + spread_cents // 2, 20, price, 10 * at)
                for at, price in enumerate(prices)
            ]
        },
        happened=[],
        commands=10,
        trades=2,
        fees_cents=0,
        log_hash="0" * 64,
        trades_hash="1" * 64,
    )


def fill(order_id: int, side: str, quantity: int, price_cents: int, *, is_maker: bool = False, fee: int = 0) -> Fill:
    """A trade in MSFT."""
    return Fill(1.0, "MSFT", order_id, side, quantity, price_cents, is_maker, fee, order_id)  # type: ignore[arg-type]


def failure(error: str) -> Failure:
    """A bot has raised this."""
    return Failure(kind="raised", time_s=30.0, error=error, traceback=f"Traceback (most recent call last):\n{error}")
