"""Stop orders, icebergs, replacements and mass cancels over HTTP: the answers, and the messages queued."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
import requests
from kombu import Connection

from api.orders.intake.promises import OrderPromise
from celery_app.topology import ORDER_ENTRY
from tasks.messages import MassCancelRequest, OrderRequest, ReplaceRequest
from tests.api.conftest import Keys, limit, queued
from tests.support.broker import depth
from tests.support.streams import wait_until
from tests.support.web import Api, problem


@pytest.mark.parametrize(
    ("terms", "type_", "time_in_force", "price_cents", "stop_price_cents", "display_quantity"),
    [
        ({"type": "stop", "price": ..., "stop_price": 99.5}, "stop", "ioc", None, 9_950, None),
        ({"type": "stop_limit", "stop_price": "99.50"}, "stop_limit", "gtc", 10_012, 9_950, None),
        (
            {"type": "stop_limit", "stop_price": 99.5, "time_in_force": "fok"},
            "stop_limit",
            "fok",
            10_012,
            9_950,
            None,
        ),
        ({"display_quantity": 3}, "limit", "gtc", 10_012, None, 3),
        ({"display_quantity": None}, "limit", "gtc", 10_012, None, None),
        ({"quantity": 500, "display_quantity": 5, "post_only": True}, "limit", "gtc", 10_012, None, 5),
    ],
)
def test_terms_of_each_type(
    api: Api,
    keys: Keys,
    queues: Connection,
    terms: dict[str, Any],
    type_: str,
    time_in_force: str,
    price_cents: int | None,
    stop_price_cents: int | None,
    display_quantity: int | None,
) -> None:
    answer = api.ask("POST", "/orders", key=keys.single, json=limit(**terms))
    assert answer.status_code == 202, answer.text
    ((order,),) = queued(queues)
    assert isinstance(order, OrderRequest)
    assert (order.type, order.time_in_force, order.price_cents, order.stop_price_cents, order.display_quantity) == (
        type_,
        time_in_force,
        price_cents,
        stop_price_cents,
        display_quantity,
    )
    pending = api.ask("GET", f"/orders/MSFT/{order.order_id}", key=keys.single).json()
    assert (pending["type"], pending["stop_price"], pending["display_quantity"]) == (
        type_,
        None if stop_price_cents is None else stop_price_cents / 100,
        display_quantity,
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"display_quantity": 3}, {"display_quantity": 4}),
        ({"display_quantity": 3}, {}),
        ({"type": "stop_limit", "stop_price": 99}, {"type": "stop_limit", "stop_price": 98}),
    ],
)
def test_other_terms_under_one_client_order_id_are_a_conflict(
    api: Api, keys: Keys, first: dict[str, Any], second: dict[str, Any]
) -> None:
    named = {"client_order_id": "my-1"}
    assert api.ask("POST", "/orders", key=keys.single, json=limit(**first, **named)).status_code == 202
    assert api.ask("POST", "/orders", key=keys.single, json=limit(**first, **named)).status_code == 200
    answer = api.ask("POST", "/orders", key=keys.single, json=limit(**second, **named))
    assert (answer.status_code, problem(answer)["code"]) == (409, "client_order_id_reused")


# -- how long they stay ----------------------------------------------------------------------------------------------

PAST = "2020-01-01T00:00:00Z"
FUTURE = "2199-12-31T23:59:59.5+01:00"
FUTURE_US = 7_258_114_799_500_000
STOP = {"type": "stop", "price": ..., "stop_price": 99.5}


@pytest.mark.parametrize(
    ("terms", "time_in_force", "expires_us"),
    [
        ({"time_in_force": "day"}, "day", None),
        ({"time_in_force": "day", "post_only": True, "display_quantity": 3}, "day", None),
        ({"time_in_force": "gtd", "expires_at": FUTURE}, "gtd", FUTURE_US),
        ({"time_in_force": "gtd", "expires_at": FUTURE, "display_quantity": 3}, "gtd", FUTURE_US),
        ({"time_in_force": "auction"}, "auction", None),
        ({"type": "market", "price": ..., "time_in_force": "auction"}, "auction", None),
        (STOP | {"time_in_force": "day"}, "day", None),
        (STOP | {"time_in_force": "gtd", "expires_at": FUTURE}, "gtd", FUTURE_US),
        ({"type": "stop_limit", "stop_price": 99.5, "time_in_force": "gtd", "expires_at": FUTURE}, "gtd", FUTURE_US),
        ({"expires_at": None}, "gtc", None),
    ],
)
def test_times_in_force(
    api: Api, keys: Keys, queues: Connection, terms: dict[str, Any], time_in_force: str, expires_us: int | None
) -> None:
    answer = api.ask("POST", "/orders", key=keys.single, json=limit(**terms))
    assert answer.status_code == 202, answer.text
    ((order,),) = queued(queues)
    assert isinstance(order, OrderRequest)
    assert (order.time_in_force, order.expires_us) == (time_in_force, expires_us)
    pending = api.ask("GET", f"/orders/MSFT/{order.order_id}", key=keys.single).json()
    expires_at = None if expires_us is None else "2199-12-31T22:59:59.500000Z"
    assert (pending["time_in_force"], pending["expires_at"]) == (time_in_force, expires_at)


@pytest.mark.parametrize(
    ("terms", "pointer", "code"),
    [
        ({"time_in_force": "gtd"}, "/expires_at", "validation_error"),
        ({"time_in_force": "gtd", "expires_at": None}, "/expires_at", "validation_error"),
        ({"expires_at": FUTURE}, "/expires_at", "validation_error"),
        ({"time_in_force": "day", "expires_at": FUTURE}, "/expires_at", "validation_error"),
        ({"time_in_force": "gtd", "expires_at": PAST}, "/expires_at", "expired"),
        (
            {"time_in_force": "gtd", "expires_at": PAST, "client_order_id": "a"},
            "/expires_at",
            "expired",
        ),
        ({"time_in_force": "gtd", "expires_at": "2199-13-01T00:00:00Z"}, "/expires_at", "validation_error"),
        ({"time_in_force": "gtd", "expires_at": "2199-12-01T00:00:00"}, "/expires_at", "validation_error"),
        ({"time_in_force": "gtd", "expires_at": "2999-12-01T00:00:00Z"}, "/expires_at", "validation_error"),
        ({"time_in_force": "gtd", "expires_at": 7_258_114_799}, "/expires_at", "validation_error"),
        ({"time_in_force": "gtx"}, "/time_in_force", "validation_error"),
        ({"time_in_force": "auction", "post_only": True}, "/post_only", "validation_error"),
        ({"time_in_force": "auction", "display_quantity": 3}, "/display_quantity", "validation_error"),
        ({"type": "market", "price": ..., "time_in_force": "day"}, "/time_in_force", "validation_error"),
        (STOP | {"time_in_force": "auction"}, "/time_in_force", "validation_error"),
        ({"type": "stop_limit", "stop_price": 99, "time_in_force": "auction"}, "/time_in_force", "validation_error"),
    ],
)
def test_times_in_force_that_are_none(
    api: Api, keys: Keys, queues: Connection, terms: dict[str, Any], pointer: str, code: str
) -> None:
    answer = api.ask("POST", "/orders", key=keys.single, json=limit(**terms))
    fault = problem(answer)
    assert (answer.status_code, fault["code"], fault["errors"][0]["pointer"]) == (422, code, pointer)
    assert depth(queues, ORDER_ENTRY) == 0


def test_the_time_of_an_order_is_one_of_its_terms(api: Api, keys: Keys) -> None:
    def send(expires_at: str) -> requests.Response:
        terms = limit(client_order_id="my-1", time_in_force="gtd", expires_at=expires_at)
        return api.ask("POST", "/orders", key=keys.single, json=terms)

    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    first = send(soon)
    assert first.status_code == 202
    other = send(FUTURE)
    assert (other.status_code, problem(other)["code"]) == (409, "client_order_id_reused")
    wait_until(lambda: datetime.now(UTC) > datetime.fromisoformat(soon))
    again = send(soon)
    assert (again.status_code, again.json()) == (200, first.json() | {"duplicate": True})


def test_digests_of_orders_without_a_time_stay_what_they_were() -> None:
    order = OrderRequest(1, "ANN", "my-1", "MSFT", "limit", "buy", 10, 10_012, "gtc", False, 1)
    shown = OrderRequest(1, "ANN", "my-1", "MSFT", "limit", "buy", 10, 10_012, "gtc", False, 1, None, 3)
    gtd = OrderRequest(1, "ANN", "my-1", "MSFT", "limit", "buy", 10, 10_012, "gtd", False, 1, None, None, 5)
    for one, terms in (
        (order, b'["MSFT","limit","buy",10,10012,"gtc",false]'),
        (shown, b'["MSFT","limit","buy",10,10012,"gtc",false,null,3]'),
        (gtd, b'["MSFT","limit","buy",10,10012,"gtd",false,null,null,5]'),
    ):
        assert OrderPromise(one).digest == sha256(terms).digest()


# -- replacing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["patch", "post", "array"])
@pytest.mark.parametrize(
    ("terms", "quantity", "price_cents"),
    [
        ({"quantity": 5}, 5, None),
        ({"price": 99.5}, None, 9_950),
        ({"quantity": 5, "price": "99.50"}, 5, 9_950),
    ],
)
def test_replace(
    api: Api,
    keys: Keys,
    queues: Connection,
    way: str,
    terms: dict[str, Any],
    quantity: int | None,
    price_cents: int | None,
) -> None:
    replace = {"type": "replace", "security_id": "MSFT", "order_id": 17, **terms}
    match way:
        case "patch":
            answer = api.ask("PATCH", "/orders/MSFT/17", key=keys.single, json=terms)
        case "post":
            answer = api.ask("POST", "/orders", key=keys.single, json=replace)
        case _:
            answer = api.ask("POST", "/orders", key=keys.single, json=[replace])
    assert answer.status_code == 202, answer.text
    submitted = answer.json()["results"][0] if way == "array" else answer.json()
    assert submitted == {"status": "success", "order_id": 17, "client_order_id": None, "message": "replace submitted"}
    ((request,),) = queued(queues)
    assert isinstance(request, ReplaceRequest)
    assert request == ReplaceRequest(
        request.command_id, "SINGLE", "MSFT", 17, quantity, price_cents, request.received_us
    )


@pytest.mark.parametrize(
    "body",
    [{}, {"quantity": None}, {"quantity": 0}, {"price": 0}, {"price": 1, "side": "buy"}, {"order_id": 17}, [], "x"],
)
def test_invalid_patches(api: Api, keys: Keys, queues: Connection, body: Any) -> None:
    answer = api.ask("PATCH", "/orders/MSFT/17", key=keys.single, json=body)
    assert answer.status_code == 422
    assert problem(answer)["errors"]
    assert depth(queues, ORDER_ENTRY) == 0


def test_the_admin_replaces_for_a_client(api: Api, keys: Keys, queues: Connection) -> None:
    order_id = api.ask("POST", "/orders", key=keys.single, json=limit()).json()["order_id"]
    queued(queues)
    path = f"/orders/MSFT/{order_id}"
    assert api.ask("PATCH", path, key=keys.admin, json={"quantity": 5}).status_code == 202
    ((request,),) = queued(queues)
    assert isinstance(request, ReplaceRequest)
    assert request.client_id == "SINGLE"
    assert api.ask("PATCH", "/orders/MSFT/999999", key=keys.admin, json={"quantity": 5}).status_code == 404


# -- cancelling all ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "security_id", "side", "shards"),
    [
        ("", None, None, 2),
        ("?security_id=MSFT", "MSFT", None, 1),
        ("?side=buy", None, "buy", 2),
        ("?security_id=MSFT&side=sell", "MSFT", "sell", 1),
        ("?client_id=SINGLE", None, None, 2),
    ],
)
def test_mass_cancel(
    api: Api, keys: Keys, queues: Connection, query: str, security_id: str | None, side: str | None, shards: int
) -> None:
    answer = api.ask("DELETE", f"/orders{query}", key=keys.single)
    assert answer.status_code == 202, answer.text
    (requests,) = queued(queues)
    assert len(requests) == shards
    assert len({request.shard for request in requests if isinstance(request, MassCancelRequest)}) == shards
    for request in requests:
        assert isinstance(request, MassCancelRequest)
        assert (request.client_id, request.security_id, request.side) == ("SINGLE", security_id, side)
    assert answer.json() == {
        "status": "success",
        "client_id": "SINGLE",
        "security_id": security_id,
        "side": side,
        "command_ids": [request.command_id for request in requests if isinstance(request, MassCancelRequest)],
        "message": "mass cancel submitted",
    }


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?security_id=GOOG", 422, "unknown_security"),
        ("?security_id=", 422, "unknown_security"),
        ("?security_id=%00", 422, "unknown_security"),
        ("?side=", 422, "validation_error"),
        ("?side=Buy", 422, "validation_error"),
        ("?securityid=MSFT", 422, "validation_error"),
        ("?client_id=FLOOD", 403, "forbidden"),
    ],
)
def test_invalid_mass_cancels(api: Api, keys: Keys, queues: Connection, query: str, status: int, code: str) -> None:
    answer = api.ask("DELETE", f"/orders{query}", key=keys.single)
    assert (answer.status_code, problem(answer)["code"]) == (status, code)
    assert depth(queues, ORDER_ENTRY) == 0


def test_filters_in_the_body_are_refused(api: Api, keys: Keys, queues: Connection) -> None:
    answer = api.ask("DELETE", "/orders", key=keys.single, json={"security_id": "MSFT"})
    assert (answer.status_code, problem(answer)["code"]) == (422, "validation_error")
    assert depth(queues, ORDER_ENTRY) == 0


def test_the_admin_has_to_name_the_client(api: Api, keys: Keys, queues: Connection) -> None:
    assert api.ask("DELETE", "/orders", key=keys.admin).status_code == 422
    answer = api.ask("DELETE", "/orders?client_id=FLOOD&security_id=MSFT", key=keys.admin)
    assert answer.status_code == 202
    ((request,),) = queued(queues)
    assert isinstance(request, MassCancelRequest)
    assert request.client_id == "FLOOD"
