"""Short tournaments for tests."""

from __future__ import annotations

from typing import Any

from bots.league.play.configuration import League, parse

QUICK = {"every_s": 0.5}


def league(*bots: dict[str, Any], **others: Any) -> League:
    """Make a tournament of a minute of MSFT; by default with four active included bots."""
    mine = bots or (
        {"strategy": "zero_intelligence", "options": QUICK, "count": 2},
        {"strategy": "random_walk", "options": QUICK},
        {"strategy": "informed", "options": QUICK},
    )
    return parse({"duration": "1m", "sample_every": 5, "bots": list(mine)} | others, named="the test")
