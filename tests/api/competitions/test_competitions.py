"""Competitions over HTTP: cases with the place of each fault, invitations, and what a competition keeps secret."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.api.conftest import Keys
from tests.support.web import Api, problem

CASE: dict[str, Any] = {
    "name": "First hour",
    "rounds": 2,
    "round_seconds": 60,
    "break_seconds": 5,
    "auction_seconds": 2,
    "securities": [{"security_id": "ACME", "reference_price": 50.00}],
    "endowment": {"cash": 10000.00, "shares": {"ACME": 100}},
    "limits": {"max_order_quantity": 500, "max_order_notional": 1000.50},
    "house": [{"strategy": "market_maker", "count": 2, "options": {"spread": 0.2}}],
    "news": [{"at": 10, "headline": "ACME wins", "security_id": "ACME", "change": 0.05}],
    "scoring": "rank",
    "final": "value",
    "max_teams": 2,
}


def create(api: Api, keys: Keys, **changes: Any) -> str:
    answer = api.ask("POST", "/competitions", key=keys.admin, json=CASE | changes)
    assert answer.status_code == 201, answer.text
    assert answer.json().keys() == {"competition_id"}
    competition_id: str = answer.json()["competition_id"]
    return competition_id


def invite(api: Api, keys: Keys, competition_id: str, count: int = 1) -> list[str]:
    """Return the paths of new invitations."""
    answer = api.ask("POST", f"/competitions/{competition_id}/invites", key=keys.admin, json={"count": count})
    assert answer.status_code == 201, answer.text
    links: list[str] = answer.json()["invites"]
    assert all(link.startswith(f"{api.url}/join/") for link in links)
    return [link.removeprefix(api.url) for link in links]


def test_a_new_competition_shows_its_state_and_the_hash_of_its_seed(api: Api, keys: Keys) -> None:
    competition_id = create(api, keys)
    found = api.ask("GET", f"/competitions/{competition_id}").json()
    assert hashlib.sha256(b"").hexdigest() != found.pop("seed_sha256")
    assert found == {
        "competition_id": competition_id,
        "name": "First hour",
        "state": "registration",
        "round": 0,
        "rounds": 2,
        "ends_at": None,
        "teams": 0,
        "max_teams": 2,
        "scoring": "rank",
        "final": "value",
        "phase": None,
        "phase_ends_at": None,
        "securities": [{"security_id": "ACME", "name": "ACME"}],
    }
    assert [one["competition_id"] for one in api.ask("GET", "/competitions").json()["data"]] == [competition_id]
    assert api.ask("GET", f"/competitions/{competition_id}/standings").json() == {"data": []}


def test_nothing_is_replayed_before_a_round_is_over(api: Api, keys: Keys) -> None:
    competition_id = create(api, keys)
    assert api.ask("GET", f"/competitions/{competition_id}/replays").json() == {"data": []}
    for path in ("replay/ACME", "replay/ACME.2", "report", "record", "data/orders.csv"):
        early = api.ask("GET", f"/competitions/{competition_id}/{path}")
        assert (early.status_code, problem(early)["code"]) == (409, "not_over"), path


def test_only_the_admin_organises(api: Api, keys: Keys) -> None:
    competition_id = create(api, keys)
    for path, body in (("", CASE), (f"/{competition_id}/invites", {"count": 1}), (f"/{competition_id}/start", None)):
        assert api.ask("POST", f"/competitions{path}", json=body).status_code == 401
        assert api.ask("POST", f"/competitions{path}", key=keys.single, json=body).status_code == 403


def test_what_does_not_exist_is_404(api: Api, keys: Keys) -> None:
    competition = f"/competitions/{create(api, keys)}"
    of_none = ("", "/standings", "/replays", "/replay/ACME", "/record", "/report", "/data/trades.csv")
    for path in (*(f"/competitions/none{one}" for one in of_none), "/join/none", f"{competition}/replay/MSFT"):
        assert api.ask("GET", path).status_code == 404, path
    for path, body in (("/competitions/none/invites", {"count": 1}), ("/competitions/none/start", None)):
        assert api.ask("POST", path, key=keys.admin, json=body).status_code == 404, path
    assert api.ask("POST", "/join/none", json={"team": "Blue Birds"}).status_code == 404


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"rounds": 0}, ["/rounds"]),
        ({"colour": "red"}, ["/colour"]),
        ({"securities": []}, ["/securities"]),
        ({"securities": [{"security_id": "acme", "reference_price": 1}]}, ["/securities/0/security_id"]),
        ({"scoring": "luck"}, ["/scoring"]),
        ({"round_seconds": "60"}, ["/round_seconds"]),
        ({"limits": {"max_order_quantity": -1}}, ["/limits/max_order_quantity"]),
        ({"news": [{"at": 70, "headline": "late"}]}, ["/news/0/at"]),
        ({"news": [{"at": 1, "headline": "", "change": 0.1}]}, ["/news/0/headline"]),
        ({"news": [{"at": 1, "headline": "x", "change": 0.1}]}, ["/news/0/security_id"]),
        ({"news": [{"at": 1, "headline": "x", "security_id": "NONE"}]}, ["/news/0/security_id"]),
        ({"house": [{"strategy": "psychic"}]}, ["/house/0/strategy"]),
        ({"house": [{"strategy": "market_maker", "options": {"depth": 3}}]}, ["/house/0/options/depth"]),
        ({"house": [{"strategy": "market_maker", "options": {"most": "ten"}}]}, ["/house/0/options/most"]),
        ({"house": [{"strategy": "market_maker", "options": {"most": 1}}]}, ["/house/0/options"]),
        ({"house": [{"strategy": "pairs"}]}, ["/house/0/strategy"]),
        (
            {"endowment": {"cash": 0, "shares": {"NONE": 1}}, "house": [{"strategy": "psychic"}]},
            ["/endowment/shares/NONE", "/house/0/strategy"],
        ),
        (
            {"securities": [{"security_id": "ACME", "reference_price": 50.03, "tick": 0.05, "issued": 100}]},
            ["/securities/0/reference_price", "/securities/0/issued"],
        ),
        ({"securities": [{"security_id": "ACME", "reference_price": 1}] * 2}, ["/securities/1/security_id"]),
        # More shares than can be listed, or worth more than can be settled.
        ({"endowment": {"shares": {"ACME": 10**12}}}, ["/securities/0/issued"]),
        (
            {
                "securities": [{"security_id": "ACME", "reference_price": 1, "max_price": 10**5}],
                "endowment": {"shares": {"ACME": 10**11}},
            },
            ["/securities/0/max_price"],
        ),
        (
            {"securities": [{"security_id": "ACME", "reference_price": 1, "max_price": 10**7, "issued": 10**10}]},
            ["/securities/0/max_price"],
        ),
        # Numbers and texts that neither a strategy nor the database takes.
        ({"house": [{"strategy": "market_maker", "options": {"spread": 10**400}}]}, ["/house/0/options/spread"]),
        ({"house": [{"strategy": "market_maker", "options": {"most": 2**64}}]}, ["/house/0/options/most"]),
        ({"house": [{"strategy": "market_maker", "options": {"\ud800": 1}}]}, ["/house/0/options/?"]),
        ({"house": [{"strategy": "market_maker", "options": {"spread": "\ud800"}}]}, ["/house/0/options/spread"]),
        (
            {"house": [{"strategy": "market_maker", "options": {"spread": {"\ud800": [1]}}}]},
            ["/house/0/options/spread"],
        ),
        ({"house": [{"strategy": "market_maker\ud800"}]}, ["/house/0/strategy"]),
        ({"endowment": {"cash": 1, "shares": {"\ud800": 1}}}, ["/endowment/shares/?"]),
        ({"endowment": {"cash": 1, "shares": {"a/b~": 1}}}, ["/endowment/shares/a~1b~0"]),
        ({"news": [{"at": 1, "headline": "x", "security_id": "\ud800"}]}, ["/news/0/security_id"]),
        ({"\ud800": 1}, [""]),
    ],
    ids=str,
)
def test_every_fault_of_a_case_has_its_place(
    api: Api, keys: Keys, changes: dict[str, Any], pointers: list[str]
) -> None:
    answer = api.ask("POST", "/competitions", key=keys.admin, json=CASE | changes)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in problem(answer)["errors"]] == pointers


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e-400", "1e999999", "NaN"])
def test_numbers_beyond_all_others_are_refused_in_the_options_of_house_bots(api: Api, keys: Keys, number: str) -> None:
    body = json.dumps(CASE).replace('"spread": 0.2', f'"spread": {number}')
    assert number in body
    answer = api.ask("POST", "/competitions", key=keys.admin, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert problem(answer)


def test_a_security_that_exists_or_is_reserved_cannot_be_used(api: Api, keys: Keys) -> None:
    create(api, keys)
    for taken in ("ACME", "ACME.2", "MSFT"):
        body = CASE | {
            "securities": [{"security_id": taken, "reference_price": 1}],
            "endowment": {"cash": 1},
            "news": [],
        }
        answer = api.ask("POST", "/competitions", key=keys.admin, json=body)
        assert answer.status_code == 409, taken
        assert problem(answer)["code"] == "security_exists"


def test_a_team_joins_once_with_an_invitation(api: Api, keys: Keys) -> None:
    competition_id = create(api, keys)
    first, second, third, fourth = invite(api, keys, competition_id, 4)
    answer = api.ask("POST", first, json={"team": "Blue Birds"})
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    joined = answer.json()
    assert joined.keys() == {"client_id", "api_key", "competition_id"}
    assert joined["competition_id"] == competition_id
    account = api.ask("GET", f"/accounts/{joined['client_id']}", key=joined["api_key"]).json()
    assert (account["balance"], account["holdings"]) == (0, [])
    assert account["limits"]["max_order_quantity"] == 500
    assert account["limits"]["max_order_notional"] == 1000.50
    assert api.ask("GET", f"/competitions/{competition_id}").json()["teams"] == 1
    assert api.ask("GET", first, headers={"Accept": "application/json"}).json()["is_used"]

    refused = [
        (first, "Red Foxes", "invite_used"),
        (second, "blue  BIRDS", "team_exists"),
        (second, "\u0412lue \u0412irds", "team_exists"),  # Cyrillic letters
    ]
    for path, team, code in refused:
        assert problem(api.ask("POST", path, json={"team": team}))["code"] == code
    assert api.ask("POST", second, json={"team": "Füchse 🦊"}).status_code == 201
    full = api.ask("POST", third, json={"team": "Third"})
    assert (full.status_code, problem(full)["code"]) == (409, "competition_full")

    rows = api.ask("GET", f"/competitions/{competition_id}/standings").json()["data"]
    assert [(row["rank"], row["team"], row["points"], row["gain"], row["rounds"]) for row in rows] == [
        (1, "Blue Birds", 0, 0, []),
        (1, "Füchse 🦊", 0, 0, []),
    ]
    started = api.ask("POST", f"/competitions/{competition_id}/start", key=keys.admin)
    assert (started.status_code, started.json()["state"], started.json()["round"]) == (200, "running", 1)
    closed = api.ask("POST", fourth, json={"team": "Late"})
    assert (closed.status_code, problem(closed)["code"]) == (409, "registration_closed")
    again = api.ask("POST", f"/competitions/{competition_id}/start", key=keys.admin)
    assert (again.status_code, problem(again)["code"]) == (409, "already_started")
    stopped = api.ask("POST", f"/competitions/{competition_id}/stop", key=keys.admin)
    assert (stopped.status_code, stopped.json()["state"]) == (200, "stopped")
    assert problem(api.ask("POST", f"/competitions/{competition_id}/stop", key=keys.admin))["code"] == "already_over"


@pytest.mark.parametrize("team", ["", " ", "x" * 41, "a\nb", "a\u202eb", "a\0b", 7, None, ["x"]])
def test_a_team_has_a_name_of_1_to_40_printable_characters(api: Api, keys: Keys, team: object) -> None:
    (path,) = invite(api, keys, create(api, keys))
    answer = api.ask("POST", path, json={"team": team})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in problem(answer)["errors"]] == ["/team"]
    assert api.ask("POST", path, json={"team": "<script>alert(1)</script>"[:40]}).status_code == 201
