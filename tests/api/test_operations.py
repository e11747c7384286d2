"""Health and audit over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from celery_app.topology import task_queues
from tests.api.conftest import Keys, limit
from tests.support.web import Api, problem
from tests.support.worker import Worker


def test_health_names_what_is_missing(api: Api) -> None:
    assert api.ask("GET", "/health/live").json() == {"status": "live"}
    answer = api.ask("GET", "/health/ready")
    assert answer.status_code == 503
    assert problem(answer)["dependencies"] == {
        "rabbitmq": "ok",
        "clearing_data": "ok",
        "market_data": "ok",
        "redis": "ok",
        "streams": "away",
        **{queue.name: "no worker" for queue in task_queues()},
    }
    with Worker("order_entry"):
        assert api.ask("GET", "/health/ready").json()["dependencies"]["order_entry"] == "ok"


def test_the_root_is_json(api: Api) -> None:
    assert api.ask("GET", "/").headers["Content-Type"] == "application/json"


def test_the_audit_holds_up_no_order(api: Api, keys: Keys) -> None:
    with ThreadPoolExecutor(1) as beside:
        audit = beside.submit(api.ask, "GET", "/audit", key=keys.admin)
        placed = 0
        while not audit.done():
            assert api.ask("POST", "/orders", key=keys.single, json=limit()).status_code == 202
            placed += 1
    assert placed > 10
    assert audit.result().status_code == 200
    assert audit.result().json()["rules"]


def test_the_audit_is_the_admins(api: Api, keys: Keys) -> None:
    for key, status in [(None, 401), (keys.single, 403)]:
        answer = api.ask("GET", "/audit", key=key)
        assert answer.status_code == status
        problem(answer)
