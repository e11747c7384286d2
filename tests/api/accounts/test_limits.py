"""Limits of accounts over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Keys
from tests.support.web import Api, problem

NONE = dict.fromkeys(
    ("max_order_quantity", "max_order_notional", "max_open_orders", "max_position", "short_limit", "orders_per_s")
)


def test_an_account_has_the_exchanges_limits_until_it_has_its_own(api: Api, keys: Keys) -> None:
    def shown() -> dict[str, Any]:
        limits: dict[str, Any] = api.ask("GET", "/accounts/SINGLE", key=keys.single).json()["limits"]
        return limits

    def change(**limits: Any) -> dict[str, Any]:
        answer = api.ask("PATCH", "/accounts/SINGLE", key=keys.admin, json={"limits": limits})
        assert answer.status_code == 200, answer.text
        assert answer.json()["client_id"] == "SINGLE"
        changed: dict[str, Any] = answer.json()["limits"]
        return changed

    assert shown() == NONE
    every = {
        "max_order_quantity": 100,
        "max_order_notional": 1234.56,
        "max_open_orders": 0,
        "max_position": 500,
        "short_limit": 10,
        "orders_per_s": 1_000,
    }
    assert change(**every) == every == shown()
    assert change(max_order_notional=None, max_position=7) == every | {"max_order_notional": None, "max_position": 7}
    assert change(**NONE) == NONE == shown()
    assert api.ask("GET", "/accounts/FLOOD", key=keys.flood).json()["limits"] == NONE


@pytest.mark.parametrize(
    ("key", "client_id", "body", "status", "code"),
    [
        ("single", "SINGLE", {"limits": {"max_position": 1}}, 403, "forbidden"),
        ("admin", "NEMO", {"limits": {"max_position": 1}}, 404, "not_found"),
        ("admin", "DTCC", {"limits": {"max_position": 1}}, 404, "not_found"),
        ("admin", "SINGLE", {"limits": {}}, 422, "validation_error"),
        ("admin", "SINGLE", {"limits": None}, 422, "validation_error"),
        ("admin", "SINGLE", {"limits": {"max_position": -1}}, 422, "validation_error"),
        ("admin", "SINGLE", {"limits": {"short_limit": -1}}, 422, "validation_error"),
        ("admin", "SINGLE", {"limits": {"short_limit": 10**30}}, 422, "validation_error"),
        ("admin", "DTCC", {"limits": {"short_limit": 1}}, 404, "not_found"),
        ("admin", "SINGLE", {"limits": {"max_position": 1.5}}, 422, "validation_error"),
        ("admin", "SINGLE", {"limits": {"max_position": "1"}}, 422, "validation_error"),
        ("admin", "SINGLE", {"limits": {"max_order_notional": 0.001}}, 422, "validation_error"),
        ("admin", "SINGLE", {"limits": {"orders_per_s": 0}}, 422, "validation_error"),
        ("admin", "SINGLE", {"limits": {"most_orders": 1}}, 422, "validation_error"),
        ("admin", "SINGLE", {"limits": {"max_position": 1}, "state": "open"}, 422, "validation_error"),
    ],
)
def test_limits_that_are_none(
    api: Api, keys: Keys, key: str, client_id: str, body: Any, status: int, code: str
) -> None:
    answer = api.ask("PATCH", f"/accounts/{client_id}", key=getattr(keys, key), json=body)
    assert (answer.status_code, problem(answer)["code"]) == (status, code)
