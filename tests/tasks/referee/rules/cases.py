"""A case, of which tests change what they are about."""

from __future__ import annotations

from typing import Any

from tasks.referee.rules.case import Case, CaseSecurity

ACME = CaseSecurity(
    security_id="ACME",
    reference_cents=50_00,
    tick_cents=1,
    min_price_cents=None,
    max_price_cents=10_000_00,
    issued=0,
    maker_fee_ppm=0,
    taker_fee_ppm=0,
    band_ppm=None,
)


def case(**changes: Any) -> Case:
    """Return a case with these changes."""
    fields: dict[str, Any] = {
        "name": "A case",
        "rounds": 1,
        "round_us": 60_000_000,
        "break_us": 0,
        "auction_us": 1_000_000,
        "securities": [ACME],
        "cash_cents": 10_000_00,
        "shares": {"ACME": 100},
        "limits": {},
        "house": [],
        "news": [],
        "scoring": "gain",
        "final": "last",
        "max_teams": 40,
    }
    return Case(**fields | changes)
