"""Listing, changing, delisting and settling securities over HTTP."""

from __future__ import annotations

import time
from typing import Any

import pytest
from kombu import Connection
from requests import Response
from sqlalchemy import text

from celery_app.topology import ORDER_ENTRY
from db.connect import Database
from tasks.messages import (
    BandRequest,
    DelistRequest,
    ListRequest,
    PhaseRequest,
    SettleRequest,
)
from tests.api.conftest import Keys, limit, queued
from tests.support.broker import depth
from tests.support.web import Api, problem

ACME = {"security_id": "ACME", "reference_price": 50.00}


def test_a_security_with_the_defaults(deciding_api: Api, keys: Keys) -> None:
    answer = deciding_api.ask("POST", "/securities", key=keys.admin, json=ACME)
    assert answer.status_code == 201, answer.text
    listed = answer.json()
    assert listed == {
        "security_id": "ACME",
        "tick": 0.01,
        "min_price": 0.01,
        "max_price": 10_000,
        "issued_shares": 100_000,
        "halted": False,
        "maker_fee": 0,
        "taker_fee": 0,
        "phase": "continuous",
        "phase_cause": None,
        "phase_ends_at": None,
        "reference_price": 50,
        "band": None,
    }
    assert listed in deciding_api.ask("GET", "/securities").json()["data"]
    assert deciding_api.ask("GET", "/holdings/ACME/DTCC", key=keys.admin).json()["shares"] == 100_000
    order = deciding_api.ask("POST", "/orders", key=keys.single, json=limit(security_id="ACME", price=49.99)).json()
    assert _status(deciding_api, keys, "ACME", order["order_id"]) == "new"
    again = deciding_api.ask("POST", "/securities", key=keys.admin, json=ACME)
    assert (again.status_code, problem(again)["code"]) == (409, "security_exists")


def test_a_security_with_terms_of_its_own(deciding_api: Api, keys: Keys) -> None:
    terms = {"tick": 0.05, "max_price": 99.99, "issued": 7, "maker_fee": -1, "taker_fee": 2.5, "band": 0.1}
    answer = deciding_api.ask("POST", "/securities", key=keys.admin, json=ACME | terms)
    assert answer.status_code == 201, answer.text
    listed = answer.json()
    assert (listed["tick"], listed["min_price"], listed["max_price"]) == (0.05, 0.05, 99.95)
    assert (listed["issued_shares"], listed["maker_fee"], listed["taker_fee"], listed["band"]) == (7, -1, 2.5, 0.1)
    for price, code in ((50.01, "price_off_tick"), (100, "price_out_of_band")):
        refused = deciding_api.ask("POST", "/orders", key=keys.single, json=limit(security_id="ACME", price=price))
        assert problem(refused)["code"] == code


def test_phases_and_bands(deciding_api: Api, keys: Keys) -> None:
    def change(**body: Any) -> dict[str, Any]:
        answer = deciding_api.ask("PATCH", "/securities/MSFT", key=keys.admin, json=body)
        assert answer.status_code == 200, answer.text
        changed: dict[str, Any] = answer.json()
        return changed

    auction = change(phase="auction", seconds=600)
    assert (auction["phase"], auction["phase_cause"], auction["halted"]) == ("auction", "admin", False)
    assert auction["phase_ends_at"] is not None
    assert change(phase="halted")["halted"]
    assert change(halted=False)["phase"] == "continuous"
    assert change(band=0.25)["band"] == 0.25
    assert change(band=None)["band"] is None
    closed = change(phase="closed")
    assert (closed["phase"], closed["phase_ends_at"]) == ("closed", None)
    assert closed in deciding_api.ask("GET", "/securities").json()["data"]


def test_a_security_with_open_orders_is_not_delisted(deciding_api: Api, keys: Keys, clearing_data: Database) -> None:
    assert deciding_api.ask("POST", "/securities", key=keys.admin, json=ACME).status_code == 201
    order = deciding_api.ask("POST", "/orders", key=keys.single, json=limit(security_id="ACME", price=1)).json()
    assert _status(deciding_api, keys, "ACME", order["order_id"]) == "new"
    refused = deciding_api.ask("DELETE", "/securities/ACME", key=keys.admin)
    assert (refused.status_code, problem(refused)["code"]) == (409, "orders_open")
    with clearing_data.transaction() as tx:
        tx.execute(text("DELETE FROM open_orders"))  # as order execution does when it is cancelled
    answer = deciding_api.ask("DELETE", "/securities/ACME", key=keys.admin)
    assert (answer.status_code, answer.json()["phase"]) == (200, "closed")
    assert "ACME" not in {one["security_id"] for one in deciding_api.ask("GET", "/securities").json()["data"]}
    for path in (f"/orders/ACME/{order['order_id']}", "/orders?security_id=ACME", "/trades/ACME", "/candles/ACME"):
        assert deciding_api.ask("GET", path, key=keys.single).status_code == 200, path
    gone = deciding_api.ask("POST", "/orders", key=keys.single, json=limit(security_id="ACME", price=1))
    assert problem(gone)["code"] == "unknown_security"
    again = deciding_api.ask("POST", "/securities", key=keys.admin, json=ACME)
    assert (again.status_code, problem(again)["code"]) == (409, "security_exists")


def test_shares_of_a_delisted_security_are_worth_their_last_price(deciding_api: Api, keys: Keys) -> None:
    before = deciding_api.ask("GET", "/accounts/SINGLE", key=keys.single).json()
    assert "MSFT" in {holding["security_id"] for holding in before["holdings"]}
    assert deciding_api.ask("DELETE", "/securities/MSFT", key=keys.admin).status_code == 200
    assert deciding_api.ask("GET", "/accounts/SINGLE", key=keys.single).json() == before
    for path in ("/leaderboard", "/leaderboard/history"):
        assert deciding_api.ask("GET", path).status_code == 200, path


def test_a_security_is_settled_once(deciding_api: Api, keys: Keys) -> None:
    def settle(transfer_id: str, value: float) -> tuple[int, str]:
        body = {"transfer_id": transfer_id, "value": value}
        answer = deciding_api.ask("POST", "/securities/MSFT/settlement", key=keys.admin, json=body)
        return answer.status_code, answer.json()["phase"] if answer.ok else problem(answer)["code"]

    assert settle("end-1", 12.34) == (200, "closed")
    assert settle("end-1", 12.34) == (200, "closed")
    assert settle("end-1", 12.35) == (409, "transfer_id_reused")
    assert settle("end-2", 12.34) == (409, "settled")
    reopened = deciding_api.ask("PATCH", "/securities/MSFT", key=keys.admin, json={"phase": "continuous"})
    assert (reopened.status_code, problem(reopened)["code"]) == (409, "settled")


@pytest.mark.parametrize(
    ("method", "path", "body", "request_type"),
    [
        ("POST", "/securities", ACME, ListRequest),
        ("PATCH", "/securities/MSFT", {"phase": "auction", "seconds": 1.5}, PhaseRequest),
        ("PATCH", "/securities/MSFT", {"band": 0.1}, BandRequest),
        ("DELETE", "/securities/MSFT", None, DelistRequest),
        ("POST", "/securities/MSFT/settlement", {"transfer_id": "end", "value": 0}, SettleRequest),
    ],
)
def test_what_order_entry_has_not_seen_is_submitted(
    api: Api, keys: Keys, queues: Connection, method: str, path: str, body: Any, request_type: type
) -> None:
    answer = api.ask(method, path, key=keys.admin, json=body)
    assert answer.status_code == 202, answer.text
    ((request,),) = queued(queues)
    assert isinstance(request, request_type)
    assert answer.json()["command_id"] == request.command_id  # type: ignore[attr-defined]
    if isinstance(request, PhaseRequest):
        assert (request.phase, request.lasts_us) == ("auction", 1_500_000)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "", {"security_id": "ACME"}, 422, "validation_error"),
        ("POST", "", ACME | {"security_id": "acme"}, 422, "validation_error"),
        ("POST", "", ACME | {"security_id": "ACMEACMEACME1"}, 422, "validation_error"),
        ("POST", "", ACME | {"security_id": "ACME\n"}, 422, "validation_error"),
        ("POST", "", ACME | {"reference_price": 0}, 422, "validation_error"),
        ("POST", "", ACME | {"reference_price": 50.001}, 422, "price_off_tick"),
        ("POST", "", ACME | {"reference_price": 50.01, "tick": 0.05}, 422, "price_off_tick"),
        ("POST", "", ACME | {"tick": 0.001}, 422, "price_off_tick"),
        ("POST", "", ACME | {"tick": 0}, 422, "validation_error"),
        ("POST", "", ACME | {"max_price": 49.99}, 422, "price_out_of_band"),
        ("POST", "", ACME | {"min_price": 50.01}, 422, "price_out_of_band"),
        ("POST", "", ACME | {"issued": 0}, 422, "validation_error"),
        ("POST", "", ACME | {"maker_fee": -3, "taker_fee": 2}, 422, "validation_error"),
        ("POST", "", ACME | {"band": 1}, 422, "validation_error"),
        ("POST", "", ACME | {"band": "0.1"}, 422, "validation_error"),
        ("POST", "", ACME | {"band": 0.0000001}, 422, "validation_error"),
        ("POST", "", ACME | {"halted": True}, 422, "validation_error"),
        ("POST", "", ACME | {"issued": 10**12 + 1}, 422, "validation_error"),
        ("POST", "", ACME | {"issued": 10**12, "max_price": 10_000.01}, 422, "worth_too_large"),
        ("POST", "", ACME | {"\ud800": 1}, 422, "validation_error"),
        ("PATCH", "/MSFT", {"phase": "settled"}, 422, "validation_error"),
        ("PATCH", "/MSFT", {"phase": "auction", "seconds": 0}, 422, "validation_error"),
        ("PATCH", "/MSFT", {"phase": "auction", "seconds": "10"}, 422, "validation_error"),
        ("PATCH", "/MSFT", {"phase": "continuous", "seconds": 10}, 422, "validation_error"),
        ("PATCH", "/MSFT", {"seconds": 10}, 422, "validation_error"),
        ("PATCH", "/MSFT", {"phase": "auction", "halted": True}, 422, "validation_error"),
        ("PATCH", "/MSFT", {"band": -0.1}, 422, "validation_error"),
        ("PATCH", "/GOOG", {"phase": "auction"}, 404, "not_found"),
        ("DELETE", "/GOOG", None, 404, "not_found"),
        ("POST", "/GOOG/settlement", {"transfer_id": "end", "value": 1}, 404, "not_found"),
        ("POST", "/MSFT/settlement", {"transfer_id": "end", "value": -1}, 422, "validation_error"),
        ("POST", "/MSFT/settlement", {"transfer_id": "end", "value": 1.001}, 422, "validation_error"),
        ("POST", "/MSFT/settlement", {"value": 1}, 422, "validation_error"),
        ("POST", "/MSFT/settlement", {"transfer_id": "\ud800", "value": 1}, 422, "validation_error"),
    ],
)
def test_what_is_refused(
    api: Api, keys: Keys, queues: Connection, method: str, path: str, body: Any, status: int, code: str
) -> None:
    answer = api.ask(method, f"/securities{path}", key=keys.admin, json=body)
    assert (answer.status_code, problem(answer)["code"]) == (status, code)
    assert depth(queues, ORDER_ENTRY) == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ""), ("PATCH", "/MSFT"), ("DELETE", "/MSFT"), ("POST", "/MSFT/settlement")],
)
def test_securities_are_the_admins(api: Api, keys: Keys, method: str, path: str) -> None:
    assert api.ask(method, f"/securities{path}", key=keys.single, json={}).status_code == 403
    assert api.ask(method, f"/securities{path}", json={}).status_code == 401


def test_shares_are_not_settled_at_more_than_can_be_booked(deciding_api: Api, keys: Keys) -> None:
    terms = ACME | {"issued": 10**12, "max_price": 10_000}
    assert deciding_api.ask("POST", "/securities", key=keys.admin, json=terms).status_code == 201

    def settle(value: float) -> Response:
        body = {"transfer_id": "end", "value": value}
        return deciding_api.ask("POST", "/securities/ACME/settlement", key=keys.admin, json=body)

    for value in (10_000.01, 10_000_000):
        refused = settle(value)
        assert (refused.status_code, problem(refused)["code"]) == (422, "worth_too_large")
        assert [fault["pointer"] for fault in problem(refused)["errors"]] == ["/value"]
    assert settle(10_000).status_code == 200


def test_an_account_does_not_get_more_than_can_be_counted(
    deciding_api: Api, keys: Keys, clearing_data: Database
) -> None:
    """Ten thousand million shares at the highest price are worth more than 64 bits count in cents."""
    terms = ACME | {"issued": 10**10, "max_price": 10**6}
    assert deciding_api.ask("POST", "/securities", key=keys.admin, json=terms).status_code == 201
    with clearing_data.transaction() as tx:  # of a database in which more could be listed
        tx.execute(text("UPDATE last_prices SET price_cents = 1000000000 WHERE security_id = 'ACME'"))

    def deposit(number: int, **what: Any) -> Response:
        body = {"transfer_id": f"in-{number}", **what}
        return deciding_api.ask("POST", "/accounts/SINGLE/deposits", key=keys.admin, json=body)

    refused = deposit(1, security_id="ACME", quantity=10**10)
    assert (refused.status_code, problem(refused)["code"]) == (422, "worth_too_large")
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE accounts SET balance_cents = 4000000000000000000 - 100 WHERE client_id = 'SINGLE'"))
        tx.execute(text("UPDATE holdings SET shares = 0 WHERE client_id = 'SINGLE'"))
    refused = deposit(2, amount=1.01)
    assert (refused.status_code, problem(refused)["code"]) == (422, "worth_too_large")
    assert deposit(3, amount=1).status_code == 201
    for path in ("/accounts/SINGLE", "/leaderboard", "/leaderboard/history"):
        assert deciding_api.ask("GET", path, key=keys.single).status_code == 200, path
    out = {"transfer_id": "out", "amount": 1}
    assert deciding_api.ask("POST", "/accounts/SINGLE/withdrawals", key=keys.admin, json=out).status_code == 201


def test_a_security_in_play_is_the_referees(deciding_api: Api, keys: Keys, clearing_data: Database) -> None:
    case = {
        "name": "First hour",
        "securities": [{"security_id": "ACME", "reference_price": 50}],
        "endowment": {"shares": {"ACME": 1}},
    }
    made = deciding_api.ask("POST", "/competitions", key=keys.admin, json=case)
    competition_id = made.json()["competition_id"]
    assert deciding_api.ask("POST", "/securities", key=keys.admin, json=ACME).status_code == 201  # as the referee does

    def settle(transfer_id: str) -> Response:
        body = {"transfer_id": transfer_id, "value": 1}
        return deciding_api.ask("POST", "/securities/ACME/settlement", key=keys.admin, json=body)

    for refused in (deciding_api.ask("DELETE", "/securities/ACME", key=keys.admin), settle("by-hand")):
        assert (refused.status_code, problem(refused)["code"]) == (409, "in_competition")
    assert settle(f"{competition_id}:1:ACME").status_code == 200
    assert deciding_api.ask("DELETE", "/securities/ACME", key=keys.admin).status_code == 409
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE competitions SET state = 'finished', step = 'over'"))
        tx.execute(text("UPDATE securities SET phase = 'settled' WHERE security_id = 'ACME'"))
    assert deciding_api.ask("DELETE", "/securities/ACME", key=keys.admin).status_code == 200


def _status(api: Api, keys: Keys, security_id: str, order_id: int) -> str:
    """The status of an order, once order entry has decided it."""
    deadline = time.monotonic() + 60
    while True:
        found: str = api.ask("GET", f"/orders/{security_id}/{order_id}", key=keys.admin).json()["status"]
        if found != "pending":
            return found
        assert time.monotonic() < deadline
        time.sleep(0.02)
