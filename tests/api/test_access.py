"""Access rights: every route declares its callers and keeps to that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import signature
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from api.app import create_app
from api.streams import raw
from api.wire.declaration import Caller, callers, declaration_of
from celery_app.settings import settings
from db.clearing_data.clients.keys import ADMIN, keys_page, make_key, revoke_key
from db.connect import Database
from tests.api.conftest import Keys
from tests.support.web import Api, problem

READING = {"GET", "HEAD"}

# Values for the variable parts of a path: they belong to the client SINGLE, which sends the requests.
PARTS = {
    "competition_id": "c0a1b2c3",
    "token": "none",
    "kind": "trades",
    "client_id": "SINGLE",
    "security_id": "MSFT",
    "order_id": "999999",
    "key_id": "999999",
    "name": "js/main.js",
    "client_order_id": "none",
}


@pytest.fixture(scope="module")
def application() -> Flask:
    """Return the application with the api's routes, without a server."""
    return create_app(settings())


@dataclass(frozen=True)
class Route:
    """A method of a rule, and a path that it matches."""

    method: str
    path: str
    caller: Caller


def routes_of(application: Flask) -> Iterator[Route]:
    for rule in application.url_map.iter_rules():
        declaration = declaration_of(application, rule)
        assert declaration is not None, f"{rule.rule} does not declare its callers: @declared(...)"
        for method in sorted((rule.methods or set()) - {"HEAD"}):
            yield Route(method, _path(rule), declaration.caller)


def _path(rule: Rule) -> str:
    missing = rule.arguments - PARTS.keys()
    assert not missing, f"{rule.rule} needs {missing} in PARTS"
    _, path = rule.build({name: int(text) if text.isdigit() else text for name, text in PARTS.items()}) or ("", "")
    return path.partition("?")[0]


@dataclass(frozen=True)
class Callers:
    """A key of each kind."""

    client: str
    reader: str
    admin: str
    admin_reader: str


@pytest.fixture
def of_each_kind(clearing_data: Database) -> Callers:
    with clearing_data.transaction() as tx:
        return Callers(
            client=make_key(tx, "SINGLE", role="client", now_us=1),
            reader=make_key(tx, "SINGLE", role="client", now_us=1, read_only=True),
            admin=make_key(tx, ADMIN, role="admin", now_us=1),
            admin_reader=make_key(tx, ADMIN, role="admin", now_us=1, read_only=True),
        )


def test_every_route_declares_its_callers(application: Flask) -> None:
    assert {route.caller for route in routes_of(application)} == {"public", "client", "client_write", "admin"}


def test_every_stream_declares_its_callers() -> None:
    streams = Flask("streams")
    nothing: dict[str, Any] = dict.fromkeys(signature(raw.routes).parameters)  # never called
    streams.register_blueprint(raw.routes(**nothing))
    rules = [rule for rule in streams.url_map.iter_rules() if rule.endpoint != "static"]
    assert rules
    assert all(declaration_of(streams, rule) for rule in rules)


def test_writing_routes_are_not_declared_as_reading(application: Flask) -> None:
    for route in routes_of(application):
        # An invitation is a permission of its own: a team has no key before it joins.
        if route.caller != "admin" and not route.path.startswith("/join/"):
            assert (route.method in READING) == (route.caller != "client_write"), route


def test_a_route_answers_its_declared_callers_only(api: Api, application: Flask, of_each_kind: Callers) -> None:
    keys = of_each_kind
    for route in routes_of(application):
        admitted: set[str | None] = {keys.client, keys.reader, keys.admin, keys.admin_reader}
        reads = route.method in READING
        match route.caller:
            case "public":
                admitted |= {None}
            case "client_write":
                admitted = {keys.client, keys.admin}
            case "admin":
                admitted = {keys.admin, keys.admin_reader} if reads else {keys.admin}
        for key in (None, keys.client, keys.reader, keys.admin, keys.admin_reader):
            answer = api.ask(route.method, route.path, key=key)
            expected = {None: 401}.get(key, 403)
            if key in admitted:
                assert answer.status_code not in (401, 403), (route, answer.text)
            else:
                assert (answer.status_code, problem(answer)["status"]) == (expected, expected), (route, answer.text)


def test_a_view_without_a_declaration_is_for_the_admin() -> None:
    silent = Flask("silent")
    silent.add_url_rule("/silent", view_func=lambda: "")
    assert callers(silent)["<lambda>"] == "admin"


# -- keys ----------------------------------------------------------------------------------------------------------


def test_a_client_makes_lists_and_revokes_keys(api: Api, keys: Keys) -> None:
    wanted = {"name": "dashboard", "read_only": True}
    made = api.ask("POST", "/accounts/SINGLE/keys", key=keys.single, json=wanted)
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    key = made.json()
    assert key.keys() == {"key_id", "name", "role", "read_only", "created_at", "revoked_at", "api_key"}
    assert (key["name"], key["role"], key["read_only"], key["revoked_at"]) == ("dashboard", "client", True, None)

    secret = key.pop("api_key")
    assert api.ask("GET", "/balance/SINGLE", key=secret).status_code == 200
    listed = api.ask("GET", "/accounts/SINGLE/keys", key=secret)
    assert listed.json()["data"][0] == key
    assert len(listed.json()["data"]) == 2
    assert secret not in listed.text

    gone = api.ask("DELETE", f"/accounts/SINGLE/keys/{key['key_id']}", key=keys.single)
    assert (gone.status_code, gone.json()["revoked_at"] is None) == (200, False)
    again = api.ask("DELETE", f"/accounts/SINGLE/keys/{key['key_id']}", key=keys.single)
    assert again.json() == gone.json()
    assert api.ask("GET", "/accounts/SINGLE/keys?limit=1", key=keys.single).json()["data"] == [gone.json()]


def test_a_revoked_key_opens_nothing_within_the_time_it_is_remembered(api: Api, keys: Keys) -> None:
    made = api.ask("POST", "/accounts/SINGLE/keys", key=keys.single, json={}).json()
    assert api.ask("GET", "/orders", key=made["api_key"]).status_code == 200
    api.ask("DELETE", f"/accounts/SINGLE/keys/{made['key_id']}", key=keys.single)
    forgotten_s = time.monotonic() + settings().key_cache_s
    while (asked_s := time.monotonic()) and api.ask("GET", "/orders", key=made["api_key"]).status_code != 401:
        assert asked_s < forgotten_s, "a request that began after that time was let in"
        time.sleep(0.1)
    assert api.ask("GET", "/orders", key=keys.single).status_code == 200


def test_keys_are_for_their_client_and_the_admin(api: Api, keys: Keys, clearing_data: Database) -> None:
    for method, path in [
        ("POST", "/accounts/SINGLE/keys"),
        ("GET", "/accounts/SINGLE/keys"),
        ("DELETE", "/accounts/SINGLE/keys/1"),
        ("POST", "/accounts/ADMIN/keys"),
        ("GET", "/accounts/ADMIN/keys"),
    ]:
        assert api.ask(method, path, key=keys.flood, json={}).status_code == 403, path
    made = api.ask("POST", "/accounts/FLOOD/keys", key=keys.admin, json={"name": "lost"}).json()
    # Under another client's name there is no such key.
    assert api.ask("DELETE", f"/accounts/SINGLE/keys/{made['key_id']}", key=keys.single).status_code == 404
    assert api.ask("GET", "/balance/FLOOD", key=made["api_key"]).status_code == 200
    assert api.ask("POST", "/accounts/NOBODY/keys", key=keys.admin, json={}).status_code == 404
    admins = api.ask("POST", "/accounts/ADMIN/keys", key=keys.admin, json={"read_only": True}).json()
    assert admins["role"] == "admin"
    assert api.ask("GET", "/balance/FLOOD", key=admins["api_key"]).status_code == 200


@pytest.mark.parametrize(
    "body", [{"name": ""}, {"name": "a b"}, {"name": "x" * 49}, {"read_only": 1}, {"role": "admin"}, [], "x"]
)
def test_invalid_keys(api: Api, keys: Keys, body: Any) -> None:
    answer = api.ask("POST", "/accounts/SINGLE/keys", key=keys.single, json=body)
    assert (answer.status_code, problem(answer)["code"]) == (422, "validation_error")


def test_valid_keys_of_a_client_are_bounded(api: Api, keys: Keys, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        for _ in range(99):
            make_key(tx, "SINGLE", role="client", now_us=1)
    full = api.ask("POST", "/accounts/SINGLE/keys", key=keys.single, json={})
    assert (full.status_code, problem(full)["code"]) == (409, "too_many_keys")
    with clearing_data.transaction() as tx:
        (last,) = keys_page(tx, "SINGLE", limit=1)
        revoke_key(tx, "SINGLE", last.key_id, now_us=2)
    assert api.ask("POST", "/accounts/SINGLE/keys", key=keys.single, json={}).status_code == 201
