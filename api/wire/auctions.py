"""Phases, auctions and news in the form in which clients read them."""

from __future__ import annotations

from typing import Any

from api.wire.outgoing import dollars_or_none, time_of, time_or_none
from db.market_data.news import News
from tasks.data_feed.rules.day import AuctionState
from tasks.messages import PhaseCause
from tasks.shared.rules.securities import SecurityPhase

_NOTHING = AuctionState("", 0, None, 0, 0, None, 0)


def phase_of(phase: SecurityPhase, cause: PhaseCause | None, ends_us: int | None) -> dict[str, Any]:
    """Return the form of a phase, with the names of the fields of a security."""
    return {"phase": phase, "phase_cause": cause, "phase_ends_at": time_or_none(ends_us)}


def auction_of(phase: SecurityPhase, ends_us: int | None, auction: AuctionState | None) -> dict[str, Any]:
    """Return the form of an auction's outcome if it ended now; outside of auctions, nothing would trade."""
    if phase != "auction" or auction is None:
        auction = _NOTHING
    return {
        "phase": phase,
        "price": dollars_or_none(auction.price_cents),
        "volume": auction.volume,
        "surplus": auction.surplus,
        "surplus_side": auction.surplus_side,
        "ends_at": time_or_none(ends_us) if phase == "auction" else None,
    }


def news_of(news: News) -> dict[str, Any]:
    """Return the form of a piece of news."""
    return {
        "news_id": news.news_id,
        "headline": news.headline,
        "body": news.body,
        "security_id": news.security_id,
        "timestamp": time_of(news.published_us),
    }
