"""Create a competition: the names and accounts of house bots are reserved, and trading has not begun."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from sqlalchemy import Connection

from api.wire.problems import Problem
from db.clearing_data.clients import accounts
from db.clearing_data.competition import competitions
from db.clearing_data.competition.competitions import Team
from db.clearing_data.competition.rounds import RoundSecurity
from db.clearing_data.listing.securities import ids_ever_listed
from tasks.referee.rules.case import Case
from tasks.referee.rules.names import client_id_of, folded, id_in_round


def create(tx: Connection, case: Case, *, now_us: int) -> str:
    """Enter a competition and return its id. Raises Problem (409) if a security's id is taken."""
    competition_id = f"c{secrets.token_hex(4)}"
    taken = competitions.reserved(tx) | ids_ever_listed(tx)
    number = competitions.create(
        tx,
        case,
        competition_id=competition_id,
        seed=secrets.token_hex(16),
        securities=list(_securities(case, taken)),
        now_us=now_us,
    )
    position = 0
    for house in case.house:
        for copy in range(1, house.count + 1):
            position += 1
            name = f"{house.strategy} {copy}" if house.count > 1 else house.strategy
            client_id = client_id_of(competition_id, position, f"house {house.strategy}")
            accounts.open_account(tx, client_id, now_us=now_us)
            # No team can have this name: the names of house bots begin with a character that names of teams lack when
            # they are compared.
            team = Team(client_id, position, name, True, house.strategy, dict(house.options), now_us)
            competitions.add_team(tx, number, team, folded=f"\n{position} {folded(name)}")
    return competition_id


def _securities(case: Case, taken: set[str]) -> Iterator[RoundSecurity]:
    for number in range(1, case.rounds + 1):
        for security in case.securities:
            security_id = id_in_round(security.security_id, number, taken)
            if security_id is None:
                raise Problem(409, "security_exists", f"another security is, or was, called {security.security_id}")
            taken.add(security_id)
            yield RoundSecurity(number, security_id, security.security_id, None)
