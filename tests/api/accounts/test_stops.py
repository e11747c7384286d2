"""The kill switch over HTTP: the account's state, and the mass cancels that go to order entry."""

from __future__ import annotations

from typing import Any

import pytest
from kombu import Connection
from sqlalchemy import text

from celery_app.settings import settings
from celery_app.topology import ORDER_ENTRY
from db.connect import Database
from tasks.messages import MassCancelRequest
from tests.api.conftest import Keys, queued
from tests.support.broker import depth
from tests.support.web import Api, problem


def state_of(clearing_data: Database, client_id: str) -> str:
    with clearing_data.snapshot() as tx:
        return str(tx.execute(text("SELECT state FROM accounts WHERE client_id = :id"), {"id": client_id}).scalar_one())


def test_a_client_is_stopped_and_resumed(api: Api, keys: Keys, clearing_data: Database, queues: Connection) -> None:
    for _ in range(2):  # a repetition has no further effect, but sends the cancels again
        stopped = api.ask("PATCH", "/accounts/SINGLE", key=keys.admin, json={"state": "stopped"})
        assert stopped.status_code == 202
        numbers = stopped.json()["command_ids"]
        assert stopped.json() == {"client_id": "SINGLE", "state": "stopped", "command_ids": numbers}
        (requests,) = queued(queues)
        assert [
            (request.command_id, request.client_id, request.shard, request.security_id, request.side)
            for request in requests
            if isinstance(request, MassCancelRequest)
        ] == [(number, "SINGLE", shard, None, None) for shard, number in enumerate(numbers)]
        assert len(numbers) == settings().shards
    assert (state_of(clearing_data, "SINGLE"), state_of(clearing_data, "FLOOD")) == ("stopped", "open")

    resumed = api.ask("PATCH", "/accounts/SINGLE", key=keys.admin, json={"state": "open"})
    assert (resumed.status_code, resumed.json()) == (200, {"client_id": "SINGLE", "state": "open"})
    assert state_of(clearing_data, "SINGLE") == "open"
    assert depth(queues, ORDER_ENTRY) == 0


@pytest.mark.parametrize("client_id", ["NOBODY", "DTCC", "EXCHANGE", "ADMIN", "%00"])
def test_only_traders_can_be_stopped(api: Api, keys: Keys, client_id: str, queues: Connection) -> None:
    answer = api.ask("PATCH", f"/accounts/{client_id}", key=keys.admin, json={"state": "stopped"})
    assert (answer.status_code, problem(answer)["code"]) == (404, "not_found")
    assert depth(queues, ORDER_ENTRY) == 0


def test_a_closed_account_stays_closed(api: Api, keys: Keys, clearing_data: Database, queues: Connection) -> None:
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE accounts SET state = 'closed' WHERE client_id = 'SINGLE'"))
    for state in ("open", "stopped"):
        answer = api.ask("PATCH", "/accounts/SINGLE", key=keys.admin, json={"state": state})
        assert (answer.status_code, problem(answer)["code"]) == (409, "account_closed")
    assert state_of(clearing_data, "SINGLE") == "closed"
    assert depth(queues, ORDER_ENTRY) == 0


@pytest.mark.parametrize("body", [{}, {"state": "closed"}, {"state": "STOPPED"}, {"state": True}, [], {"a": 1}])
def test_invalid_states(api: Api, keys: Keys, body: Any, clearing_data: Database) -> None:
    answer = api.ask("PATCH", "/accounts/SINGLE", key=keys.admin, json=body)
    assert (answer.status_code, problem(answer)["code"]) == (422, "validation_error")
    assert state_of(clearing_data, "SINGLE") == "open"
