"""Wrong uses of the api, and what it says: which rule is broken, what is allowed, what to do."""

from __future__ import annotations

from typing import Any

import pytest

from celery_app.settings import settings
from db.clearing_data import initial_data
from db.connect import Database
from tests.api.conftest import Keys, limit, make_keys
from tests.support.web import Api, problem, running_api

LISTED = "is not listed; choose one of AAPL, JPM, MSFT, SHEL, TSLA"
FROM_1 = "must be an integer from 1 to 1,000,000"
NAME = "must have 1 to 48 characters of A-Z, a-z, 0-9 and ._:-"
RESTS = "needs an order that can rest: time_in_force must be gtc, day or gtd"
AS_NUMBER = "must be a number, or a string with the digits of a number"
TIME = "must be a time such as 2026-01-02T03:04:05Z"
CANCEL = {"type": "cancel", "security_id": "MSFT", "order_id": 1}
STATUSES = "must be one of open, closed, all"

# Whose key, method, path, body; status, code, pointer, what the answer says (its beginning).
REQUESTS: list[tuple[str, str, str, Any, int, str, str, str]] = [
    ("", "GET", "/orders", None, 401, "unauthorized", "", "send a valid key as Authorization: Bearer KEY or as X-API"),
    ("single", "GET", "/no/such", None, 404, "not_found", "", "no resource has this path"),
    ("single", "PUT", "/orders", None, 405, "method_not_allowed", "", "this path does not support this method"),
    ("single", "OPTIONS", "/orders", None, 405, "method_not_allowed", "", "this path does not support this method"),
    ("single", "GET", "/orders?limit=0", None, 422, "validation_error", "?limit", "must be an integer from 1 to 1,000"),
    ("single", "GET", "/orders?limit=ten", None, 422, "validation_error", "?limit", "must be an integer from 1 to"),
    ("single", "GET", "/orders?cursor=x", None, 422, "validation_error", "?cursor", "must be the next_cursor of the"),
    ("single", "GET", "/orders?status=opne", None, 422, "validation_error", "?status", STATUSES),
    (
        "single",
        "GET",
        "/orders?stauts=open",
        None,
        422,
        "validation_error",
        "?",
        "contains unknown parameters; this route accepts only client_id, cursor, limit, security_id, status",
    ),
    (
        "single",
        "GET",
        "/whoami?me=1",
        None,
        422,
        "validation_error",
        "?",
        "contains parameters, but this route accepts none",
    ),
    ("single", "POST", "/orders?dry_run=1", limit(), 422, "validation_error", "?", "contains parameters, but this"),
    ("single", "GET", "/orders?security_id=MSTF", None, 422, "unknown_security", "?security_id", LISTED),
    ("single", "GET", "/orders?client_id=FLOOD", None, 403, "forbidden", "", "this key does not allow this request"),
    ("", "GET", "/book/MSFT?depth=0", None, 422, "validation_error", "?depth", "must be an integer from 1 to 1,000"),
    ("", "GET", "/book/MSTF", None, 404, "not_found", "", f"the security {LISTED}"),
    ("", "GET", "/candles/MSFT?interval=2m", None, 422, "validation_error", "?interval", "must be one of 1s, 1m, 5m"),
    ("", "GET", "/leaderboard/history?seconds=1", None, 422, "validation_error", "?seconds", "must be an integer from"),
    ("admin", "GET", "/clearing/netting?from=noon", None, 422, "validation_error", "?from", TIME),
    ("single", "POST", "/orders", b"buy 10 MSFT", 400, "not_json", "", "the body is not JSON, nests too deeply, or"),
    ("single", "POST", "/orders", [], 422, "validation_error", "", "an array must hold 1 to 1,000 requests"),
    ("single", "POST", "/orders", "buy", 422, "validation_error", "", "must be an object"),
    ("single", "POST", "/orders", limit(type="LIMIT"), 422, "validation_error", "/type", "must be one of limit, mark"),
    ("single", "POST", "/orders", limit(security_id="MSTF"), 422, "unknown_security", "/security_id", LISTED),
    ("single", "POST", "/orders", limit(side="Buy"), 422, "validation_error", "/side", "must be one of buy, sell"),
    ("single", "POST", "/orders", limit(quantity=0), 422, "validation_error", "/quantity", FROM_1),
    ("single", "POST", "/orders", limit(quantity=2_000_000), 422, "validation_error", "/quantity", FROM_1),
    ("single", "POST", "/orders", limit(quantity="10"), 422, "validation_error", "/quantity", FROM_1),
    ("single", "POST", "/orders", limit(price=100.123), 422, "price_off_tick", "/price", "must have at most two decim"),
    ("single", "POST", "/orders", limit(price=0), 422, "price_out_of_band", "/price", "must be from 0.01 to 10,000.00"),
    ("single", "POST", "/orders", limit(price="1,000"), 422, "validation_error", "/price", AS_NUMBER),
    ("single", "POST", "/orders", limit(price=...), 422, "validation_error", "/price", "is required"),
    (
        "single",
        "POST",
        "/orders",
        limit(limit=1),
        422,
        "validation_error",
        "/limit",
        "is not a field of this type, whi",
    ),
    ("single", "POST", "/orders", limit(client_order_id="my order"), 422, "validation_error", "/client_order_id", NAME),
    (
        "single",
        "POST",
        "/orders",
        limit(time_in_force="gtd"),
        422,
        "validation_error",
        "/expires_at",
        "is required for gtd orders",
    ),
    (
        "single",
        "POST",
        "/orders",
        limit(time_in_force="gtd", expires_at="2001-01-01T00:00:00Z"),
        422,
        "expired",
        "/expires_at",
        "must be in the future",
    ),
    (
        "single",
        "POST",
        "/orders",
        limit(expires_at="2100-01-01T00:00:00Z"),
        422,
        "validation_error",
        "/expires_at",
        "is allowed only for gtd orders",
    ),
    (
        "single",
        "POST",
        "/orders",
        limit(time_in_force="gtd", expires_at="noon"),
        422,
        "validation_error",
        "/expires_at",
        TIME,
    ),
    (
        "single",
        "POST",
        "/orders",
        limit(post_only=True, time_in_force="ioc"),
        422,
        "validation_error",
        "/post_only",
        RESTS,
    ),
    (
        "single",
        "POST",
        "/orders",
        limit(display_quantity=10),
        422,
        "validation_error",
        "/display_quantity",
        "must be less than quantity",
    ),
    (
        "single",
        "POST",
        "/orders",
        {"type": "replace", "security_id": "MSFT", "order_id": 1},
        422,
        "validation_error",
        "",
        "changes nothing: give a quantity, a price or both",
    ),
    ("admin", "POST", "/orders", CANCEL, 422, "validation_error", "/client_id", "is required with the admin's key"),
    ("single", "DELETE", "/orders?sied=buy", None, 422, "validation_error", "?", "contains unknown parameters; this"),
    ("single", "DELETE", "/orders", {"side": "buy"}, 422, "validation_error", "", "must be empty: filters go into the"),
    (
        "single",
        "PATCH",
        "/orders/MSFT/1",
        {"quantity": "5"},
        422,
        "validation_error",
        "/quantity",
        "must be an integer",
    ),
    (
        "single",
        "POST",
        "/accounts",
        {"client_id": "ALICE"},
        403,
        "forbidden",
        "",
        "this key does not allow this request: it takes the admin's key",
    ),
    (
        "admin",
        "POST",
        "/accounts/SINGLE/deposits",
        {"transfer_id": "a", "amount": -5},
        422,
        "validation_error",
        "/amount",
        "must be at least 0.01",
    ),
    (
        "admin",
        "PATCH",
        "/securities/MSFT",
        {"halted": "yes"},
        422,
        "validation_error",
        "/halted",
        "must be true or fal",
    ),
]


@pytest.fixture(scope="module")
def wronged(shared_api: Api, _databases: tuple[Database, Database]) -> tuple[Api, dict[str, str | None]]:
    """Return the api and the keys by their owners; one exchange for all rows, as none of them changes it."""
    with _databases[0].transaction() as tx:
        initial_data.load(tx, shards=settings().shards, now_us=1)
    keys: Keys = make_keys(_databases[0])
    return shared_api, {"": None, "single": keys.single, "admin": keys.admin}


@pytest.mark.parametrize(
    ("whose", "method", "path", "body", "status", "code", "pointer", "detail"),
    REQUESTS,
    ids=[f"{method} {path} {str(body)[:60]}" for _, method, path, body, *_ in REQUESTS],
)
def test_a_wrong_request_is_answered_with_the_rule_and_what_is_allowed(
    wronged: tuple[Api, dict[str, str | None]],
    whose: str,
    method: str,
    path: str,
    body: Any,
    status: int,
    code: str,
    pointer: str,
    detail: str,
) -> None:
    api, keys = wronged
    content = {"data": body, "headers": {"Content-Type": "application/json"}} if isinstance(body, bytes) else {}
    answer = api.ask(method, path, key=keys[whose], **(content or ({} if body is None else {"json": body})))
    found = problem(answer)
    (error,) = found.get("errors") or [{"pointer": "", "detail": found["detail"]}]
    assert (answer.status_code, found["code"], error["pointer"]) == (status, code, pointer)
    assert error["detail"].startswith(detail)


def test_pages_of_other_origins_may_use_the_api_once_they_are_allowed(keys: Keys, shared_api: Api) -> None:
    page, other = "https://example.com", "https://example.org"
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with running_api({"ALLOWED_ORIGINS": page}) as api:
        for origin, allowed in ((page, page), (other, None)):
            asked = api.ask("OPTIONS", "/orders", headers={"Origin": origin, **asks})
            assert (asked.status_code, asked.headers.get("Access-Control-Allow-Origin")) == (
                204 if allowed else 405,
                allowed,
            )
            for method, path, body in (("GET", "/securities", None), ("POST", "/orders", {}), ("GET", "/no", None)):
                answer = api.ask(method, path, key=keys.single, json=body, headers={"Origin": origin})
                assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert (
            "Authorization"
            in api.ask("OPTIONS", "/", headers={"Origin": page, **asks}).headers["Access-Control-Allow-Headers"]
        )
    assert "Access-Control-Allow-Origin" not in shared_api.ask("GET", "/securities", headers={"Origin": page}).headers
