"""The values at which the securities of a round are settled."""

from __future__ import annotations

from bots.competition.seeded import final_cents, hidden_value
from db.clearing_data.competition.competitions import Competition
from tasks.referee.rules.case import Case, CaseSecurity


def news_of(case: Case, round_: int, name: str) -> list[tuple[float, float]]:
    """Return the news that move the hidden value of a security in a round: times [s] and changes [fractions]."""
    return [
        (news.at_us / 1e6, news.change)
        for news in case.news
        if news.security_id == name and news.change is not None and news.round in (None, round_)
    ]


def hidden_cents(found: Competition, security: CaseSecurity) -> int:
    """Return the hidden value of a security at the end of the current round [cents]."""
    news = news_of(found.case, found.round, security.security_id)
    reference = security.reference_cents / 100
    value = hidden_value(found.seed, found.round, security.security_id, reference=reference, news=news)
    return final_cents(value, round_s=found.case.round_us / 1e6, most_cents=security.max_price_cents)
