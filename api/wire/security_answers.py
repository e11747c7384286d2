"""The data of securities that clients read besides their terms: submitted commands, auctions, news."""

from __future__ import annotations

from typing import Literal

from api.wire.answers_schema.common import Answer, Count, Dollars, Number, Time
from tasks.messages import PhaseCause, Side
from tasks.shared.rules.securities import SecurityPhase


class CommandSubmitted(Answer):
    """A command about a security that is queued and not yet known to be in the log."""

    status: Literal["success"]
    security_id: str
    command_id: Number
    message: str


class AuctionState(Answer):
    """The outcome of a security's auction if it ended now; without a price, nothing would trade."""

    phase: SecurityPhase
    price: Dollars | None
    volume: Count
    surplus: Count
    surplus_side: Side | None
    ends_at: Time | None


class Auction(AuctionState):
    """The auction of a security."""

    security_id: str


class PhaseOf(Answer):
    """The phase of a security, in the words of `GET /securities`."""

    phase: SecurityPhase
    phase_cause: PhaseCause | None
    phase_ends_at: Time | None


class News(Answer):
    """News for all clients, about a security or about none."""

    news_id: Number
    headline: str
    body: str | None
    security_id: str | None
    timestamp: Time
