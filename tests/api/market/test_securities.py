"""Halting the trading of a security over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from kombu import Connection

from celery_app.topology import ORDER_ENTRY
from tasks.messages import HaltRequest
from tests.api.conftest import Keys, queued
from tests.support.broker import depth
from tests.support.web import Api, problem


def test_a_halt_that_order_entry_has_not_seen_is_submitted(api: Api, keys: Keys, queues: Connection) -> None:
    answer = api.ask("PATCH", "/securities/MSFT", key=keys.admin, json={"halted": True})
    assert answer.status_code == 202
    ((request,),) = queued(queues)
    assert request == HaltRequest(answer.json()["command_id"], "MSFT", True, request.received_us)


@pytest.mark.parametrize(
    ("key", "security_id", "body", "status", "code"),
    [
        ("single", "MSFT", {"halted": True}, 403, "forbidden"),
        ("admin", "GOOG", {"halted": True}, 404, "not_found"),
        ("admin", "MSFT", {}, 422, "validation_error"),
        ("admin", "MSFT", {"halted": 1}, 422, "validation_error"),
        ("admin", "MSFT", {"halted": "true"}, 422, "validation_error"),
        ("admin", "MSFT", {"halted": None}, 422, "validation_error"),
        ("admin", "MSFT", {"halted": True, "tick": 1}, 422, "validation_error"),
        ("admin", "MSFT", [], 422, "validation_error"),
    ],
)
def test_invalid_halts(
    api: Api, keys: Keys, queues: Connection, key: str, security_id: str, body: Any, status: int, code: str
) -> None:
    answer = api.ask("PATCH", f"/securities/{security_id}", key=getattr(keys, key), json=body)
    assert (answer.status_code, problem(answer)["code"]) == (status, code)
    assert depth(queues, ORDER_ENTRY) == 0
