"""Orders over HTTP: the answers, the messages queued, and that nothing is queued twice."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from kombu import Connection

from celery_app.topology import ORDER_ENTRY
from db.connect import Database
from tasks.messages import CancelRequest, OrderRequest
from tests.api.conftest import Keys, limit, queued
from tests.support.broker import depth
from tests.support.web import Api, problem, running_api
from tests.support.worker import Worker


def test_one_order(api: Api, keys: Keys, queues: Connection) -> None:
    before_us = time.time_ns() // 1_000
    answer = api.ask("POST", "/orders", key=keys.single, json=limit())
    assert answer.status_code == 202
    order_id = answer.json()["order_id"]
    assert answer.json() == {
        "status": "success",
        "order_id": order_id,
        "client_order_id": None,
        "message": "order submitted",
    }
    ((order,),) = queued(queues)
    assert isinstance(order, OrderRequest)
    assert before_us < order.received_us < time.time_ns() // 1_000
    assert order == OrderRequest(
        order_id, "SINGLE", None, "MSFT", "limit", "buy", 10, 10_012, "gtc", False, order.received_us
    )


@pytest.mark.parametrize(
    ("price", "cents"),
    [(0.01, 1), (10000, 1_000_000), (100, 10_000), ("100.12", 10_012), ("100", 10_000), (100.1, 10_010)],
)
def test_prices_are_exact(api: Api, keys: Keys, queues: Connection, price: object, cents: int) -> None:
    assert api.ask("POST", "/orders", key=keys.single, json=limit(price=price)).status_code == 202
    ((order,),) = queued(queues)
    assert isinstance(order, OrderRequest)
    assert order.price_cents == cents


def test_every_cent_is_exact(api: Api, keys: Keys, queues: Connection) -> None:
    orders = [limit(price=cents / 100) for cents in range(9_500, 10_500)]
    assert api.ask("POST", "/orders", key=keys.single, json=orders).status_code == 202
    (requests,) = queued(queues)
    assert [request.price_cents for request in requests if isinstance(request, OrderRequest)] == list(
        range(9_500, 10_500)
    )


def test_market_order(api: Api, keys: Keys, queues: Connection) -> None:
    order = {"type": "market", "security_id": "MSFT", "side": "sell", "quantity": 4}
    assert api.ask("POST", "/orders", key=keys.single, json=order).status_code == 202
    ((queued_order,),) = queued(queues)
    assert isinstance(queued_order, OrderRequest)
    assert (queued_order.type, queued_order.price_cents, queued_order.time_in_force) == ("market", None, "ioc")


@pytest.mark.parametrize("way", ["delete", "post"])
def test_cancel(api: Api, keys: Keys, queues: Connection, way: str) -> None:
    if way == "delete":
        answer = api.ask("DELETE", "/orders/MSFT/17", key=keys.single)
    else:
        cancel = {"type": "cancel", "security_id": "MSFT", "order_id": 17}
        answer = api.ask("POST", "/orders", key=keys.single, json=cancel)
    assert answer.status_code == 202
    assert answer.json()["order_id"] == 17
    ((cancel_request,),) = queued(queues)
    assert isinstance(cancel_request, CancelRequest)
    assert (cancel_request.client_id, cancel_request.security_id, cancel_request.order_id) == ("SINGLE", "MSFT", 17)


def test_an_array_is_one_message_in_its_order_and_a_bad_element_harms_no_other(
    api: Api, keys: Keys, queues: Connection
) -> None:
    elements = [
        limit(quantity=1),
        limit(quantity=0),
        {"type": "cancel", "security_id": "MSFT", "order_id": 5},
        limit(client_id="FLOOD"),
        7,
        limit(security_id="GOOG"),
        limit(quantity=2, client_id="SINGLE"),
    ]
    answer = api.ask("POST", "/orders", key=keys.single, json=elements)
    assert answer.status_code == 202
    results = answer.json()["results"]
    assert [result.get("code", result["status"]) for result in results] == [
        "success",
        "validation_error",
        "success",
        "forbidden",
        "validation_error",
        "unknown_security",
        "success",
    ]
    assert [result["status"] for result in results if "code" in result] == [422, 403, 422, 422]
    assert results[1]["errors"][0]["pointer"] == "/1/quantity"
    (requests,) = queued(queues)
    assert [getattr(request, "quantity", "cancel") for request in requests] == [1, "cancel", 2]
    assert [results[0]["order_id"], 5, results[6]["order_id"]] == [request.order_id for request in requests]


def test_many_orders_travel_in_few_messages(api: Api, keys: Keys, queues: Connection) -> None:
    with ThreadPoolExecutor(32) as crowd:
        answers = list(crowd.map(lambda _: api.ask("POST", "/orders", key=keys.single, json=limit()), range(320)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["order_id"] for answer in answers}) == 320
    messages = queued(queues, depth(queues, ORDER_ENTRY))
    assert sorted(request.order_id for requests in messages for request in requests) == sorted(
        answer.json()["order_id"] for answer in answers
    )


# -- client order ids ----------------------------------------------------------------------------------------------


def test_19_the_same_again_gets_the_first_answer(api: Api, keys: Keys, queues: Connection) -> None:
    order = limit(client_order_id="my-1")
    first = api.ask("POST", "/orders", key=keys.single, json=order)
    again = api.ask("POST", "/orders", key=keys.single, json=order | {"price": "100.12", "time_in_force": "gtc"})
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == first.json() | {"duplicate": True}
    # As far as the api knows, order entry has not seen the first order: so the api queued it again under its first id.
    (one,), (other,) = queued(queues, 2)
    assert isinstance(other, OrderRequest)
    assert one.order_id == other.order_id == first.json()["order_id"]


def test_orders_known_to_order_entry_are_not_queued_again(api: Api, keys: Keys, queues: Connection) -> None:
    order = limit(client_order_id="my-1")
    with Worker("order_entry") as worker:
        order_id = api.ask("POST", "/orders", key=keys.single, json=order).json()["order_id"]
        _wait_for(api, keys.single, order_id, "new")
        worker.stop()
    assert api.ask("POST", "/orders", key=keys.single, json=order).status_code == 200
    assert depth(queues, ORDER_ENTRY) == 0


def test_19_other_content_is_a_conflict(api: Api, keys: Keys, queues: Connection) -> None:
    api.ask("POST", "/orders", key=keys.single, json=limit(client_order_id="my-1"))
    answer = api.ask("POST", "/orders", key=keys.single, json=limit(client_order_id="my-1", quantity=11))
    assert (answer.status_code, problem(answer)["code"]) == (409, "client_order_id_reused")
    assert len(queued(queues)) == 1
    assert depth(queues, ORDER_ENTRY) == 0


def test_19_the_id_of_another_client_is_another_id(api: Api, keys: Keys) -> None:
    order = limit(client_order_id="my-1")
    answers = [api.ask("POST", "/orders", key=key, json=order) for key in (keys.single, keys.flood)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert len({answer.json()["order_id"] for answer in answers}) == 2


def test_19_a_hundred_at_once_on_two_processes_are_one_order(api: Api, keys: Keys, queues: Connection) -> None:
    with running_api() as other, ThreadPoolExecutor(20) as crowd:
        answers = list(
            crowd.map(
                lambda n: (api, other)[n % 2].ask(
                    "POST", "/orders", key=keys.single, json=limit(client_order_id="my-1")
                ),
                range(100),
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200] * 99 + [202]
    assert len({answer.json()["order_id"] for answer in answers}) == 1
    messages = queued(queues, depth(queues, ORDER_ENTRY))
    assert len({request.order_id for requests in messages for request in requests}) == 1


def test_the_same_id_twice_in_an_array(api: Api, keys: Keys) -> None:
    elements = [limit(client_order_id="a"), limit(client_order_id="a"), limit(client_order_id="a", quantity=1)]
    first, second, third = api.ask("POST", "/orders", key=keys.single, json=elements).json()["results"]
    assert second == first | {"duplicate": True}
    assert third["code"] == "client_order_id_reused"


# -- what became of it ---------------------------------------------------------------------------------------------


def test_an_order_is_pending_until_it_is_in_the_log(api: Api, keys: Keys) -> None:
    order_id = api.ask("POST", "/orders", key=keys.single, json=limit(client_order_id="my-1")).json()["order_id"]
    path = f"/orders/MSFT/{order_id}"
    pending = api.ask("GET", path, key=keys.single).json()
    assert (pending["status"], pending["price"], pending["filled_quantity"]) == ("pending", 100.12, 0)
    assert api.ask("GET", "/orders/by-client-id/my-1", key=keys.single).json() == pending
    with Worker("order_entry"):
        new = _wait_for(api, keys.single, order_id, "new")
    assert new.keys() == pending.keys()
    differing = {name for name in new if new[name] != pending[name]}
    assert differing == {"status", "updated_at"}
    assert api.ask("GET", "/orders/by-client-id/my-1", key=keys.single).json() == new


def test_an_order_is_visible_to_its_client_only(api: Api, keys: Keys) -> None:
    order_id = api.ask("POST", "/orders", key=keys.single, json=limit(client_order_id="my-1")).json()["order_id"]
    for key, path, status in [
        (keys.single, f"/orders/MSFT/{order_id}", 200),
        (keys.admin, f"/orders/MSFT/{order_id}", 200),
        (keys.flood, f"/orders/MSFT/{order_id}", 404),
        (keys.single, f"/orders/AAPL/{order_id}", 404),
        (keys.flood, "/orders/by-client-id/my-1", 404),
        (keys.admin, "/orders/by-client-id/my-1?client_id=SINGLE", 200),
    ]:
        assert api.ask("GET", path, key=key).status_code == status, path


def test_pages_of_orders(api: Api, keys: Keys, clearing_data: Database) -> None:
    orders = [limit(price=1 + n / 100, quantity=1) for n in range(7)]
    with Worker("order_entry"):
        placed = api.ask("POST", "/orders", key=keys.single, json=orders).json()["results"]
        other_id = api.ask("POST", "/orders", key=keys.flood, json=limit()).json()["order_id"]
        _wait_for(api, keys.single, placed[-1]["order_id"], "new")
        _wait_for(api, keys.flood, other_id, "new")
    newest_first = [result["order_id"] for result in reversed(placed)]
    seen, cursor = [], ""
    while cursor is not None:
        found = api.ask("GET", f"/orders?status=open&limit=3&cursor={cursor}", key=keys.single).json()
        seen += [order["order_id"] for order in found["data"]]
        cursor = found["next_cursor"]
    assert seen == newest_first
    assert api.ask("GET", "/orders?status=closed", key=keys.single).json() == {"data": [], "next_cursor": None}
    assert api.ask("GET", "/orders?security_id=AAPL", key=keys.single).json()["data"] == []
    assert len(api.ask("GET", "/orders", key=keys.admin).json()["data"]) == 8
    assert api.ask("GET", "/fills", key=keys.single).json() == {"data": [], "next_cursor": None}


def test_the_admin_cancels_for_a_client(api: Api, keys: Keys, queues: Connection) -> None:
    order_id = api.ask("POST", "/orders", key=keys.single, json=limit()).json()["order_id"]
    queued(queues)
    assert api.ask("DELETE", f"/orders/MSFT/{order_id}", key=keys.admin).status_code == 202
    ((cancel_request,),) = queued(queues)
    assert cancel_request.client_id == "SINGLE"
    assert api.ask("DELETE", "/orders/MSFT/999999", key=keys.admin).status_code == 404


def _wait_for(api: Api, key: str, order_id: int, status: str) -> dict[str, object]:
    deadline = time.monotonic() + 60
    while True:
        order: dict[str, object] = api.ask("GET", f"/orders/MSFT/{order_id}", key=key).json()
        if order["status"] == status:
            return order
        assert time.monotonic() < deadline, order
        time.sleep(0.02)
