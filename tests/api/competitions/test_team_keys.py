"""The organiser replaces a team's keys, and no program that has an old one keeps a hold on the account."""

from __future__ import annotations

import pytest

from api.accounts.keys import MOST_VALID_KEYS
from db.clearing_data.clients.keys import make_key
from db.connect import Database
from tests.api.competitions.test_competitions import create, invite
from tests.api.conftest import Keys
from tests.support.web import Api, problem


@pytest.fixture
def team(api: Api, keys: Keys) -> dict[str, str]:
    """Return a team's account, key and competition."""
    (path,) = invite(api, keys, create(api, keys))
    joined: dict[str, str] = api.ask("POST", path, json={"team": "Blue Birds"}).json()
    return joined


def replace(api: Api, key: str | None, team: dict[str, str]) -> str:
    path = f"/competitions/{team['competition_id']}/teams/{team['client_id']}/key"
    answer = api.ask("POST", path, key=key)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json()["client_id"] == team["client_id"]
    new: str = answer.json()["api_key"]
    return new


def test_a_revoked_key_leaves_nothing_behind(
    api: Api, keys: Keys, team: dict[str, str], clearing_data: Database
) -> None:
    """A thief has as many keys as an account may have, and goes on with them while the api still remembers them."""
    with clearing_data.transaction() as tx:
        stolen = [make_key(tx, team["client_id"], role="client", now_us=1) for _ in range(MOST_VALID_KEYS - 1)]
    of_account = f"/accounts/{team['client_id']}/keys"
    assert api.ask("GET", "/whoami", key=stolen[0]).status_code == 200  # the api remembers it from now on
    new = replace(api, keys.admin, team)
    newest, *_ = api.ask("GET", of_account, key=new).json()["data"]
    made = api.ask("POST", of_account, key=stolen[0], json={})
    revoked = api.ask("DELETE", f"{of_account}/{newest['key_id']}", key=stolen[0])
    assert (made.status_code, revoked.status_code) == (401, 401)
    assert api.ask("GET", "/whoami", key=new).json()["client_id"] == team["client_id"]
    with clearing_data.transaction() as tx:
        query = "SELECT count(*) FROM api_keys WHERE client_id = %s AND revoked_us IS NULL"
        assert tx.exec_driver_sql(query, (team["client_id"],)).scalar_one() == 1
    for old in (team["api_key"], stolen[-1]):
        assert api.ask("GET", "/whoami", key=old).status_code == 401
    assert api.ask("POST", of_account, key=new, json={}).status_code == 201  # a valid key makes others


def test_only_the_admin_replaces_keys_and_only_those_of_teams(api: Api, keys: Keys, team: dict[str, str]) -> None:
    teams = f"/competitions/{team['competition_id']}/teams"
    for key, status in ((None, 401), (team["api_key"], 403), (keys.single, 403)):
        assert api.ask("POST", f"{teams}/{team['client_id']}/key", key=key).status_code == status
    house = next(one["client_id"] for one in api.ask("GET", teams, key=keys.admin).json()["data"] if one["is_house"])
    for client_id in ("SINGLE", house, "none", "ADMIN", "%00", "%27%3B--"):
        refused = api.ask("POST", f"{teams}/{client_id}/key", key=keys.admin)
        assert (refused.status_code, problem(refused)["code"]) == (404, "not_found"), client_id
    unknown = api.ask("POST", f"/competitions/none/teams/{team['client_id']}/key", key=keys.admin)
    assert unknown.status_code == 404
    assert api.ask("GET", "/whoami", key=team["api_key"]).status_code == 200
