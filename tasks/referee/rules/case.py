"""The case of a competition: its securities, each team's endowment, the length of rounds, and the scoring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct, field

from tasks.shared.rules.securities import MOST_ISSUED, MOST_WORTH_CENTS, is_worth_too_much

Scoring = Literal["gain", "rank", "root"]
Final = Literal["last", "value"]

# Ids of securities have at most this many characters.
LONGEST_ID = 12


class CaseSecurity(Struct, frozen=True, kw_only=True):
    """A security as the case names it: prices [cents], fees [hundredths of a basis point], band [millionths]."""

    security_id: str
    reference_cents: int
    tick_cents: int
    min_price_cents: int | None
    max_price_cents: int
    issued: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    band_ppm: int | None


class House(Struct, frozen=True, kw_only=True):
    """House bots of one strategy, with the strategy's own options."""

    strategy: str
    count: int = 1
    options: dict[str, Any] = field(default_factory=dict)


class CaseNews(Struct, frozen=True, kw_only=True):
    """News in one round or all: `at_us` after continuous trading began, the hidden value changes by a fraction."""

    at_us: int
    headline: str
    body: str | None = None
    security_id: str | None = None
    change: float | None = None
    round: int | None = None


class Duty(Struct, frozen=True, kw_only=True):
    """The duty to quote: both sides, at least this quantity, within this spread; a team pays for missing time."""

    max_spread_cents: int
    quantity: int
    presence: float  # the fraction of the round in which a team must quote
    penalty_cents: int  # for each missing percent of the round


class Case(Struct, frozen=True, kw_only=True):
    """A case; durations are microseconds, cash is cents."""

    name: str
    rounds: int
    round_us: int
    break_us: int
    auction_us: int
    securities: list[CaseSecurity]
    cash_cents: int
    shares: dict[str, int]
    limits: dict[str, int | None]
    house: list[House]
    news: list[CaseNews]
    scoring: Scoring
    final: Final
    max_teams: int
    duty: Duty | None = None


class Fault(NamedTuple):
    """A fault in a case: a JSON pointer to it, and what is allowed.

    name  the last part of the pointer where the organiser chose it, as it was sent
    """

    pointer: str
    detail: str
    name: str | None = None


_decode = msgspec.json.Decoder(Case).decode


def encode(case: Case) -> str:
    """Return a case as JSON."""
    return msgspec.json.encode(case).decode()


def decode(text: str) -> Case:
    """Return the case that `encode` wrote."""
    return _decode(text)


def faults_of(case: Case) -> Iterator[Fault]:
    """Yield the inconsistencies of a case."""
    named = [one.security_id for one in case.securities]
    for place, security in enumerate(case.securities):
        yield from _faults_of_security(case, security, f"/securities/{place}", earlier=named[:place])
    for security_id in case.shares:
        if security_id not in named:
            yield Fault("/endowment/shares", "is not one of the securities of the case", name=security_id)
    for place, news in enumerate(case.news):
        yield from _faults_of_news(case, news, f"/news/{place}", named)
    if not case.cash_cents and not any(case.shares.values()):
        yield Fault("/endowment", "must contain cash or shares")


def _faults_of_security(case: Case, one: CaseSecurity, pointer: str, *, earlier: list[str]) -> Iterator[Fault]:
    if one.security_id in earlier:
        yield Fault(f"{pointer}/security_id", "is in the case twice")
    if one.maker_fee_ppm + one.taker_fee_ppm < 0:
        yield Fault(f"{pointer}/maker_fee", "a rebate must not exceed the fee of the other side")
    if one.reference_cents % one.tick_cents:
        yield Fault(f"{pointer}/reference_price", f"must be a multiple of the tick {one.tick_cents / 100:.2f}")
    lowest = one.tick_cents if one.min_price_cents is None else one.min_price_cents
    if not lowest <= one.reference_cents <= one.max_price_cents:
        yield Fault(f"{pointer}/reference_price", "must be from min_price to max_price")
    needed, issued = shares_needed(case, one.security_id), issued_of(case, one)
    if needed > min(issued, MOST_ISSUED):
        allowed = f"must be at least {needed:,}" if needed <= MOST_ISSUED else f"cannot be {needed:,}"
        yield Fault(f"{pointer}/issued", f"{allowed}, for the endowments of all accounts; at most {MOST_ISSUED:,}")
    elif is_worth_too_much(issued, one.max_price_cents):
        most = MOST_WORTH_CENTS // 100
        yield Fault(f"{pointer}/max_price", f"times the {issued:,} issued shares must be at most {most:,}")


def _faults_of_news(case: Case, news: CaseNews, pointer: str, named: list[str]) -> Iterator[Fault]:
    if news.at_us > case.round_us:
        yield Fault(f"{pointer}/at", f"must be within the {case.round_us / 1e6:g} seconds of a round")
    if news.security_id is not None and news.security_id not in named:
        yield Fault(f"{pointer}/security_id", "is not one of the securities of the case")
    if news.change is not None and news.security_id is None:
        yield Fault(f"{pointer}/security_id", "must name the security whose value changes")
    if news.round is not None and news.round > case.rounds:
        yield Fault(f"{pointer}/round", f"must be from 1 to {case.rounds}")


def accounts_of(case: Case) -> int:
    """Return the largest number of accounts: teams and house bots."""
    return case.max_teams + sum(house.count for house in case.house)


def shares_needed(case: Case, security_id: str) -> int:
    """Return how many shares of a security the endowments may need."""
    return accounts_of(case) * case.shares.get(security_id, 0)


def issued_of(case: Case, security: CaseSecurity) -> int:
    """Return how many shares are issued: by default 100,000, or as many as the endowments need if that is more."""
    return security.issued or max(100_000, shares_needed(case, security.security_id))
