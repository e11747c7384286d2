"""The tables of competitions: cases, invitations, teams, the securities of each round, results, samples, news.

Accounts and securities of a competition carry its number, so order entry can keep its market apart from all others.
Cash is integer cents, points are hundredths, times microseconds since 1970 in UTC (`_us`).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Identity, Index, LargeBinary, SmallInteger, Table
from sqlalchemy.dialects.postgresql import JSONB

from db.clearing_data.tables import Text, metadata

# `step` is the referee's place within the state, see tasks.referee.rules.steps; it moves by compare and set. The case
# is JSON as in tasks.referee.rules.case, including everything that is secret until the end, like the seed.
competitions = Table(
    "competitions",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("created_us", BigInteger, nullable=False),
    Column("ends_us", BigInteger),  # of the round or the break
    Column("step_ends_us", BigInteger),
    Column("trading_us", BigInteger),  # when continuous trading of the round begins
    Column("round", SmallInteger, nullable=False),
    Column("rounds", SmallInteger, nullable=False),
    Column("max_teams", SmallInteger, nullable=False),
    Column("competition_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("paused_us", BigInteger),  # since when its securities are halted; None while they are not
    Column("case_json", Text, nullable=False),
    Column("seed", Text, nullable=False),
    CheckConstraint("state IN ('registration', 'running', 'break', 'finished', 'stopped')", name="competitions_state"),
)

# The names for all rounds are reserved when the competition is created, before they are listed.
competition_securities = Table(
    "competition_securities",
    metadata,
    Column("competition", BigInteger, nullable=False, index=True),
    Column("value_cents", BigInteger),  # the value at which it was settled
    Column("round", SmallInteger, nullable=False),
    Column("security_id", Text, primary_key=True),
    Column("named", Text, nullable=False),  # as the case names it
)

invites = Table(
    "invites",
    metadata,
    Column("competition", BigInteger, nullable=False, index=True),
    Column("created_us", BigInteger, nullable=False),
    Column("token_hash", LargeBinary, primary_key=True),  # SHA-256; tokens are random, so no salt
    Column("client_id", Text),  # of the team that has used it
)

# Teams and house bots; only house bots have a strategy.
competition_teams = Table(
    "competition_teams",
    metadata,
    Column("competition", BigInteger, nullable=False),
    Column("joined_us", BigInteger, nullable=False),
    Column("number", SmallInteger, nullable=False),
    Column("is_house", Boolean, nullable=False),
    Column("client_id", Text, primary_key=True),
    Column("team", Text, nullable=False),
    Column("folded", Text, nullable=False),  # the name in its form for comparisons
    Column("strategy", Text),
    Column("options", Text),  # JSON
    Index("competition_teams_by_name", "competition", "folded", unique=True),
)

round_results = Table(
    "round_results",
    metadata,
    Column("competition", BigInteger, primary_key=True, autoincrement=False),
    Column("round", SmallInteger, primary_key=True, autoincrement=False),
    Column("cash_cents", BigInteger, nullable=False),  # after the settlement
    Column("gain_cents", BigInteger, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("client_id", Text, primary_key=True),
)

# The gain of each account at the last prices, every few seconds of a round.
competition_samples = Table(
    "competition_samples",
    metadata,
    Column("competition", BigInteger, primary_key=True, autoincrement=False),
    Column("sampled_us", BigInteger, primary_key=True, autoincrement=False),
    Column("round", SmallInteger, nullable=False),
    Column("gains", JSONB, nullable=False),  # cents by client id
    Column("quotes", JSONB),  # 1 for each team that meets its duty to quote, 0 for the others; None without a duty
)

competition_news = Table(
    "competition_news",
    metadata,
    Column("competition", BigInteger, primary_key=True, autoincrement=False),
    Column("round", SmallInteger, primary_key=True, autoincrement=False),
    Column("position", SmallInteger, primary_key=True, autoincrement=False),  # in the case
    Column("published_us", BigInteger, nullable=False),
)
