"""Shapes of responses about competitions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.wire.answers_schema.common import Answer, Count, Document, Dollars, Fraction, Number, Time
from tasks.referee.rules.case import Final, Scoring
from tasks.referee.rules.steps import State


class Created(Answer):
    """A new competition."""

    competition_id: str


class CompetitionSecurity(Answer):
    """A security of the current round, and its name in the case."""

    security_id: str
    name: str


class Competition(Answer):
    """A competition; `seed` appears once the competition is finished, and its SHA-256 is `seed_sha256`."""

    competition_id: str
    name: str
    state: State
    round: Count
    rounds: Number
    ends_at: Time | None
    teams: Count
    seed_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    max_teams: Number
    scoring: Scoring
    final: Final
    phase: Literal["auction", "trading", "closing_auction", "settlement", "paused"] | None
    phase_ends_at: Time | None
    securities: list[CompetitionSecurity]
    seed: str | None = None


class Invites(Answer):
    """Links to the page on which a team joins; each works once."""

    invites: list[str]


class Invitation(Answer):
    """The competition of an invitation, and whether the invitation is used."""

    competition_id: str
    name: str
    state: State
    is_used: bool


class Joined(Answer):
    """A team's account and its key, which only this response shows."""

    client_id: str
    api_key: str
    competition_id: str


class RoundScore(Answer):
    """A team's score in a round."""

    round: Number
    gain: Dollars
    points: Fraction


class CompetitionStanding(Answer):
    """A team's place; `live_gain` is its gain in the current round at the last prices."""

    rank: Number
    team: str
    client_id: str
    points: Fraction
    gain: Dollars
    rounds: list[RoundScore]
    live_gain: Dollars | None


class TeamState(Answer):
    """The activity of a team or a house bot, for the organiser; rate and refusals are of its last 1,000 orders."""

    client_id: str
    team: str
    is_house: bool
    state: Literal["open", "stopped", "closed"]
    balance: Dollars
    shares: dict[str, int]
    live_gain: Dollars | None
    open_orders: Count
    orders_per_s: Annotated[float, Field(ge=0)]
    refused: Count
    last_order_at: Time | None


class ReplacedKey(Answer):
    """A team's account and its new key, which only this response shows."""

    client_id: str
    api_key: str


class ShippedCase(Answer):
    """A case that comes with the exchange, as `POST /competitions` takes it."""

    name: str
    case: Document


class RoundOver(Answer):
    """A security of a round that is over, which can be replayed."""

    round: Number
    security_id: str
    name: str


class Replay(Answer):
    """A security's round, from the log; times are milliseconds since `began_at`, and rows are in order.

    book    [time, "bid" or "ask", price, quantity, orders], absolute; quantity 0 removes the level
    trades  [time, price, quantity, aggressor's side or null, trade id]
    phases  [time, phase]
    """

    competition_id: str
    round: Number
    security_id: str
    name: str
    began_at: Time
    ended_at: Time
    book: list[tuple[Count, Literal["bid", "ask"], Dollars, Count, Count]]
    trades: list[tuple[Count, Dollars, Number, Literal["buy", "sell"] | None, str]]
    phases: list[tuple[Count, Literal["closed", "auction", "continuous", "halted"]]]
