"""What a hostile team tries at the doors of a competition: at once, with odd bodies, and for the data of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.api.competitions.test_competitions import create, invite
from tests.api.conftest import Keys
from tests.support.web import Api, problem

OLD = "/join/" + "x" * 24


def outcomes(answers: Iterable[requests.Response]) -> Counter[str]:
    """Return how often the answers were 201, or which problem."""
    return Counter("joined" if one.status_code == 201 else problem(one)["code"] for one in answers)


def at_once(api: Api, joins: list[tuple[str, str]]) -> Counter[str]:
    """Join by all of these invitations with these names at the same time."""
    with ThreadPoolExecutor(len(joins)) as pool:
        return outcomes(pool.map(lambda one: api.ask("POST", one[0], json={"team": one[1]}), joins))


def test_joins_at_once_never_take_more_than_there_is(api: Api, keys: Keys) -> None:
    competition_id = create(api, keys)  # for two teams
    first, *others = invite(api, keys, competition_id, 6)
    assert at_once(api, [(first, f"Replay {n}") for n in range(6)]) == {"joined": 1, "invite_used": 5}
    assert at_once(api, [(path, "Blue Birds") for path in others[:3]]) == {"joined": 1, "team_exists": 2}
    assert at_once(api, [(path, f"Late {n}") for n, path in enumerate(others[3:])]) == {"competition_full": 2}
    assert api.ask("GET", f"/competitions/{competition_id}").json()["teams"] == 2


def test_a_team_cannot_pass_for_a_house_bot(api: Api, keys: Keys) -> None:
    (path,) = invite(api, keys, create(api, keys))
    for name in ("market_maker 1", "MARKET_MAKER  2", "market_m\N{CYRILLIC SMALL LETTER A}ker 1"):
        refused = api.ask("POST", path, json={"team": name})
        assert (refused.status_code, problem(refused)["code"]) == (409, "team_exists"), name
    assert api.ask("POST", path, json={"team": "market_maker 3"}).status_code == 201


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (OLD, b'{"team": "' + b"x" * 3_000_000 + b'"}', 413),
        (OLD, b"[" * 100_000, 400),
        (OLD, b'{"team": "A", "team": "B"}', 400),
        (OLD, b'{"team": "A", "is_house": true}', 422),
        (OLD, b'{"team": "A", "client_id": "SINGLE"}', 422),
        (OLD, b'{"team": "\\ud800"}', 422),
        (OLD, b'{"team": "\xff"}', 400),
        (OLD, b'{"team": "Birds"}', 404),
        ("/join/%00", b'{"team": "Birds"}', 404),
        ("/join/%FF%FE", b'{"team": "Birds"}', 404),
        ("/join/%27%3B%20DROP%20TABLE%20invites--", b'{"team": "Birds"}', 404),
        ("/join/..%2Fcompetitions", b'{"team": "Birds"}', 404),
        ("/join/" + "y" * 5_000, b'{"team": "Birds"}', 404),
    ],
    ids=lambda value: str(value)[:30],
)
def test_odd_requests_to_join_are_refused(shared_api: Api, path: str, body: bytes, status: int) -> None:
    answer = shared_api.ask("POST", path, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert "xxxxxxxx" not in problem(answer)["detail"]


def test_a_team_organises_nothing(api: Api, keys: Keys) -> None:
    """Ask every route that writes and takes the admin's key with that of a team."""
    competition_id = create(api, keys)
    (path,) = invite(api, keys, competition_id)
    team = api.ask("POST", path, json={"team": "Mine"}).json()
    values = {"competition_id": competition_id, "client_id": team["client_id"], "security_id": "MSFT"}
    paths: dict[str, Any] = api.ask("GET", "/openapi.json").json()["paths"]
    before = api.ask("GET", f"/competitions/{competition_id}").json()
    refused = []
    for route, operations in paths.items():
        for method in {"post", "patch", "put", "delete"} & operations.keys():
            if operations[method].get("security") is None or "admin" not in str(operations[method]).lower():
                continue
            target = route
            for name, value in values.items():
                target = target.replace(f"{{{name}}}", value)
            answer = api.ask(method.upper(), target, key=team["api_key"], json={})
            if answer.status_code == 403:
                refused.append(route)
    for action in ("invites", "start", "stop", "pause", "resume", "extend", "teams/{client_id}/key"):
        assert f"/competitions/{{competition_id}}/{action}" in refused
    assert {"/news", "/competitions", "/accounts/{client_id}/deposits", "/securities"} <= set(refused)
    assert api.ask("GET", f"/competitions/{competition_id}").json() == before
