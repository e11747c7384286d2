"""Competitions, their invitations, teams and results, as the api and the referee read and write them.

A row of `competitions` moves by compare and set: if the organiser and the referee move it at the same time, one of them
wins. The api locks the row while a team joins, so a start comes either before or after the join.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from db.clearing_data.competition.rounds import RoundSecurity
from tasks.referee.rules.case import Case, decode, encode
from tasks.referee.rules.steps import Place, State, Step

_INVITE_BYTES = 18
# A transaction that reserves ids holds this lock; the number is arbitrary.
_RESERVING = 7_266_007
# Maximum number of competitions in a list.
MOST = 100


class Competition(NamedTuple):
    """A competition with its case and its seed, which is secret until the competition is over."""

    number: int
    competition_id: str
    name: str
    state: State
    step: Step
    round: int
    ends_us: int | None
    step_ends_us: int | None
    trading_us: int | None
    paused_us: int | None
    created_us: int
    seed: str
    case: Case

    @property
    def place(self) -> Place:
        """The competition's current place in its steps."""
        return Place(self.state, self.step, self.round, self.ends_us, self.step_ends_us, self.trading_us)

    @property
    def seed_sha256(self) -> str:
        """The hash of the seed, public from the start."""
        return hashlib.sha256(self.seed.encode()).hexdigest()


class Team(NamedTuple):
    """A team or, with a strategy, a house bot."""

    client_id: str
    number: int
    team: str
    is_house: bool
    strategy: str | None
    options: dict[str, Any]
    joined_us: int


class Invite(NamedTuple):
    """An invitation: its competition, and the team that has used it."""

    competition: int
    client_id: str | None


_COLUMNS = (
    "number, competition_id, name, state, step, round, ends_us, step_ends_us, trading_us, paused_us, created_us, seed, "
    "case_json"
)


def _competition(row: Any) -> Competition:
    *fields, case_json = row
    return Competition._make((*fields, decode(case_json)))


def create(
    tx: Connection,
    case: Case,
    *,
    competition_id: str,
    seed: str,
    securities: Iterable[RoundSecurity],
    now_us: int,
) -> int:
    """Insert a competition, reserve the ids of its securities, and return its number."""
    number: int = tx.exec_driver_sql(
        "INSERT INTO competitions (competition_id, name, state, step, round, rounds, max_teams, created_us, seed, "
        "case_json) VALUES (%s, %s, 'registration', 'listing', 0, %s, %s, %s, %s, %s) RETURNING number",
        (competition_id, case.name, case.rounds, case.max_teams, now_us, seed, encode(case)),
    ).scalar_one()
    for one in securities:
        tx.exec_driver_sql(
            "INSERT INTO competition_securities (competition, round, security_id, named) VALUES (%s, %s, %s, %s)",
            (number, one.round, one.security_id, one.named),
        )
    return number


def reserved(tx: Connection) -> set[str]:
    """Return the ids that competitions have reserved; no other competition reserves one until the transaction ends."""
    tx.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_RESERVING,))
    return set(tx.exec_driver_sql("SELECT security_id FROM competition_securities").scalars())


def every(tx: Connection) -> list[Competition]:
    """Return the newest competitions, the newest first."""
    query = f"SELECT {_COLUMNS} FROM competitions ORDER BY number DESC LIMIT %s"  # noqa: S608
    return [_competition(row) for row in tx.exec_driver_sql(query, (MOST,))]


def unfinished(tx: Connection) -> list[Competition]:
    """Return the competitions that the referee must lead."""
    query = f"SELECT {_COLUMNS} FROM competitions WHERE step <> 'over' ORDER BY number"  # noqa: S608
    return [_competition(row) for row in tx.exec_driver_sql(query)]


def find(tx: Connection, competition_id: str) -> Competition | None:
    """Return the competition with this id."""
    query = f"SELECT {_COLUMNS} FROM competitions WHERE competition_id = %s"  # noqa: S608
    row = tx.exec_driver_sql(query, (competition_id,)).first()
    return _competition(row) if row else None


def by_number(tx: Connection, number: int) -> Competition:
    """Return an existing competition."""
    query = f"SELECT {_COLUMNS} FROM competitions WHERE number = %s"  # noqa: S608
    return _competition(tx.exec_driver_sql(query, (number,)).one())


def lock(tx: Connection, number: int) -> Competition:
    """Lock a competition, so that it does not move until the transaction ends, and return it."""
    query = f"SELECT {_COLUMNS} FROM competitions WHERE number = %s FOR UPDATE"  # noqa: S608
    return _competition(tx.exec_driver_sql(query, (number,)).one())


def move(tx: Connection, number: int, *, before: Place, to: Place) -> bool:
    """Move a competition between places; return False and change nothing if it has left the first one."""
    moved = tx.exec_driver_sql(
        "UPDATE competitions SET state = %s, step = %s, round = %s, ends_us = %s, step_ends_us = %s, trading_us = %s "
        "WHERE number = %s AND state = %s AND step = %s AND round = %s AND step_ends_us IS NOT DISTINCT FROM %s",
        (*to, number, before.state, before.step, before.round, before.step_ends_us),
    )
    return moved.rowcount == 1


def set_paused(tx: Connection, number: int, since_us: int | None) -> None:
    """Record the time since which a competition is paused; None when it continues."""
    tx.exec_driver_sql("UPDATE competitions SET paused_us = %s WHERE number = %s", (since_us, number))


# -- teams -----------------------------------------------------------------------------------------------------------


def make_invites(tx: Connection, number: int, count: int, *, now_us: int) -> list[str]:
    """Make invitations and return their tokens, which are stored nowhere else."""
    tokens = [secrets.token_urlsafe(_INVITE_BYTES) for _ in range(count)]
    for token in tokens:
        tx.exec_driver_sql(
            "INSERT INTO invites (token_hash, competition, created_us) VALUES (%s, %s, %s)",
            (_hash(token), number, now_us),
        )
    return tokens


_FIND_INVITE = "SELECT competition, client_id FROM invites WHERE token_hash = %s"
_LOCK_INVITE = f"{_FIND_INVITE} FOR UPDATE"


def find_invite(tx: Connection, token: str, *, lock: bool = False) -> Invite | None:
    """Return the invitation of a token; a lock makes sure that it is used only once."""
    row = tx.exec_driver_sql(
        _LOCK_INVITE if lock else _FIND_INVITE,
        (_hash(token),),
    ).first()
    return Invite(*row) if row else None


def use_invite(tx: Connection, token: str, client_id: str) -> None:
    """Record the team that has used an invitation."""
    tx.exec_driver_sql("UPDATE invites SET client_id = %s WHERE token_hash = %s", (client_id, _hash(token)))


def teams(tx: Connection, number: int) -> list[Team]:
    """Return the teams and house bots, in the order in which they joined."""
    rows = tx.exec_driver_sql(
        "SELECT client_id, number, team, is_house, strategy, options, joined_us FROM competition_teams "
        "WHERE competition = %s ORDER BY number",
        (number,),
    )
    return [Team(row[0], row[1], row[2], row[3], row[4], msgspec.json.decode(row[5] or "{}"), row[6]) for row in rows]


def team_counts(tx: Connection) -> dict[int, int]:
    """Return the number of teams of each competition, without house bots."""
    rows = tx.exec_driver_sql(
        "SELECT competition, count(*) FROM competition_teams WHERE NOT is_house GROUP BY competition"
    )
    return {row[0]: row[1] for row in rows}


def team_count(tx: Connection, number: int) -> int:
    """Return the number of teams of a competition, without house bots."""
    count: int = tx.exec_driver_sql(
        "SELECT count(*) FROM competition_teams WHERE NOT is_house AND competition = %s", (number,)
    ).scalar_one()
    return count


class Activity(NamedTuple):
    """An account's activity: how many of its last 1,000 orders were sent in the last seconds, and how many refused."""

    client_id: str
    state: str
    open_orders: int
    recent: int
    refused: int
    last_us: int | None


_ACTIVITY = """
    SELECT client_id, state, open_orders, recent, refused, last_us
    FROM accounts CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE created_us > %(since_us)s) AS recent,
            count(*) FILTER (WHERE status = 'rejected') AS refused, max(created_us) AS last_us
        FROM (
            SELECT created_us, status FROM orders WHERE orders.client_id = accounts.client_id
            ORDER BY order_id DESC LIMIT 1000
        ) AS last
    ) AS of_orders
    WHERE client_id IN (SELECT client_id FROM competition_teams WHERE competition = %(number)s)
"""


def activity(tx: Connection, number: int, *, since_us: int) -> dict[str, Activity]:
    """Return the activity of each account of a competition, by account."""
    rows = tx.exec_driver_sql(_ACTIVITY, {"number": number, "since_us": since_us})
    return {row[0]: Activity(*row) for row in rows}


def add_team(tx: Connection, number: int, team: Team, *, folded: str) -> None:
    """Insert a team or a house bot, whose account is open, and tie its account to the competition."""
    tx.exec_driver_sql(
        "INSERT INTO competition_teams (competition, client_id, number, team, folded, is_house, strategy, options, "
        "joined_us) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            number,
            team.client_id,
            team.number,
            team.team,
            folded,
            team.is_house,
            team.strategy,
            msgspec.json.encode(team.options).decode() if team.options else None,
            team.joined_us,
        ),
    )
    tx.exec_driver_sql("UPDATE accounts SET competition = %s WHERE client_id = %s", (number, team.client_id))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
