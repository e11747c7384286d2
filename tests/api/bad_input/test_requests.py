# ruff: noqa: RUF001, SIM905  # letters that look like others are tested; a list of words would be a page of lines
"""Bad input and its answers: tables of requests with the status and code of the answer."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import requests

from celery_app.settings import settings
from db.clearing_data.clients.keys import make_key
from db.connect import Database
from tests.api.conftest import Keys, limit
from tests.support.clearing_rows import revoke_keys
from tests.support.web import Api, problem

GOOD = json.dumps(limit()).encode()
JSON = {"Content-Type": "application/json"}


def _with_price(literal: str) -> bytes:
    return b'{"type":"limit","security_id":"MSFT","side":"buy","quantity":1,"price":' + literal.encode() + b"}"


def _with_quantity(literal: str) -> bytes:
    return b'{"type":"limit","security_id":"MSFT","side":"buy","price":1,"quantity":' + literal.encode() + b"}"


# -- whose ---------------------------------------------------------------------------------------------------------


def test_1_without_a_valid_key(api: Api, keys: Keys, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        revoked = make_key(tx, "RETAIL", role="client", now_us=1)
        revoke_keys(tx, "RETAIL", now_us=2)
    details = set()
    for headers in [
        {},
        {"Authorization": "Bearer sx_unknown"},
        {"Authorization": f"Bearer {revoked}"},
        {"Authorization": f"Basic {keys.single}"},
        {"Authorization": f"Bearer  {keys.single}"},
        {"Authorization": keys.single},
        {"Authorization": f"Bearer {keys.single}, Bearer {keys.single}"},
        {"Authorization": f"Bearer {keys.single}", "X-API-Key": keys.flood},
        {"X-API-Key": "é"},
        {"X-API-Key": "x" * 10_000},
    ]:
        answer = api.ask("POST", "/orders", data=GOOD, headers=JSON | headers)
        assert answer.status_code == 401, headers
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        details.add((problem(answer)["code"], problem(answer)["detail"]))
    assert len(details) == 1


def test_1_two_authorization_headers(api: Api, keys: Keys) -> None:
    authorization = f"Authorization: Bearer {keys.single}\r\n"
    head = f"GET /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization * 2}\r\n"
    assert api.raw(head.encode()).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/accounts", {"client_id": "ALICE"}),
        ("POST", "/accounts/SINGLE/deposits", {"transfer_id": "t", "amount": 1}),
        ("POST", "/accounts/SINGLE/withdrawals", {"transfer_id": "t", "amount": 1}),
        ("GET", "/audit", None),
        ("POST", "/orders", limit(client_id="FLOOD")),
        ("POST", "/orders", {"type": "cancel", "security_id": "MSFT", "order_id": 1, "client_id": "FLOOD"}),
        ("GET", "/accounts/FLOOD", None),
        ("GET", "/balance/FLOOD", None),
        ("GET", "/holdings/MSFT/FLOOD", None),
        ("GET", "/orders?client_id=FLOOD", None),
        ("GET", "/fills?client_id=FLOOD", None),
        ("GET", "/reports?client_id=FLOOD", None),
        ("GET", "/orders/by-client-id/a?client_id=FLOOD", None),
        ("GET", "/accounts/NOBODY", None),
        ("GET", "/balance/%00", None),
    ],
)
def test_2_and_23_other_clients_data(api: Api, keys: Keys, method: str, path: str, body: Any) -> None:
    answer = api.ask(method, path, key=keys.single, json=body)
    assert (answer.status_code, problem(answer)["code"]) == (403, "forbidden")


# -- size, content type, parse -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        GOOD + b"x",
        GOOD + GOOD,
        GOOD.replace(b'"', b"'"),
        GOOD.replace(b"MSFT", b"MS\xff"),
        GOOD.replace(b"MSFT", b"MS\xed\xa0\x80"),
        GOOD.decode().encode("utf-16"),
        b"\xef\xbb\xbf" + GOOD,
        GOOD.replace(b"MSFT", b"MS\x00FT"),
        GOOD.replace(b"{", b'{"side":"sell",', 1),
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        _with_price("NaN"),
        _with_price("Infinity"),
        _with_price("-Infinity"),
        _with_price("1" * 5_000),
        _with_price("01"),
        _with_price("1."),
        _with_price("0x10"),
        _with_price("+5"),
        _with_price("1_000"),
        _with_price("1e" + "9" * 30),
        _with_quantity("1" * 5_000),
    ],
    ids=lambda body: repr(body[:30]),
)
def test_4_6_7_10_not_json(api: Api, keys: Keys, body: bytes) -> None:
    answer = api.ask("POST", "/orders", key=keys.single, data=body, headers=JSON)
    assert (answer.status_code, problem(answer)["code"]) == (400, "not_json")


@pytest.mark.parametrize("content", ["x", 5, 1.5, None, True, [], [limit()] * 1_001])
def test_5_not_an_object_and_arrays_of_a_wrong_size(api: Api, keys: Keys, content: Any) -> None:
    answer = api.ask("POST", "/orders", key=keys.single, data=json.dumps(content), headers=JSON)
    assert (answer.status_code, problem(answer)["code"]) == (422, "validation_error")


def test_8_too_large(api: Api, keys: Keys) -> None:
    large = GOOD + b" " * 1_048_576
    answer = api.ask("POST", "/orders", key=keys.single, data=large, headers=JSON)
    assert (answer.status_code, problem(answer)["code"]) == (413, "body_too_large")
    chunked = api.ask("POST", "/orders", key=keys.single, data=iter([large[:600_000], large[600_000:]]), headers=JSON)
    assert (chunked.status_code, problem(chunked)["code"]) == (413, "body_too_large")
    assert api.ask("POST", "/orders", data=large, headers=JSON).status_code == 401  # the key comes first


@pytest.mark.parametrize("chunked", [False, True])
def test_39_a_body_refused_before_it_is_read_ends_the_connection(api: Api, keys: Keys, chunked: bool) -> None:
    """The answer says `Connection: close`; the client opens another connection, which serves its next request."""
    large = GOOD + b" " * (2 * settings().max_body_bytes)
    path = "/accounts/SINGLE/keys"
    with requests.Session() as client:
        client.headers.update({"Authorization": f"Bearer {keys.single}", **JSON})
        for _ in range(3):
            refused = client.post(f"{api.url}/orders", data=iter([large]) if chunked else large, timeout=20)
            assert (refused.status_code, refused.headers["Connection"]) == (413, "close")
            answered = client.post(f"{api.url}{path}", data=b"[]", timeout=20)
            assert (answered.status_code, "Connection" in answered.headers) == (422, False)
    head = b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n"
    answer = api.raw(head)
    assert b"Connection: close\r\n" in answer
    assert not answer.endswith(b"<still open>")


def test_8_compressed(api: Api, keys: Keys) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    answer = api.ask("POST", "/orders", key=keys.single, data=bomb, headers=JSON | {"Content-Encoding": "gzip"})
    assert (answer.status_code, problem(answer)["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonx",
        'application/json; charset="utf-16"',
        'application/json; charset="utf-8',
        "application/json; q=1",
    ],
)
def test_9_content_types(api: Api, keys: Keys, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = api.ask("POST", "/orders", key=keys.single, data=GOOD, headers=headers)
    assert (answer.status_code, problem(answer)["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type",
    [
        'application/json; charset="utf-8"',
        'application/json;charset="UTF-8"',
        "Application/JSON ; Charset=utf-8;",
        "application/json;",
    ],
)
def test_40_content_types_as_rfc_9110_writes_them(api: Api, keys: Keys, content_type: str) -> None:
    answer = api.ask("POST", "/orders", key=keys.single, data=b"[]", headers={"Content-Type": content_type})
    assert (answer.status_code, problem(answer)["code"]) == (422, "validation_error")


# -- shape ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["status", "trade_id", "seq", "filled_quantity", "is_admin", "__class__", "\ud800"])
def test_3_unknown_fields(api: Api, keys: Keys, name: str) -> None:
    _refused(api, keys, limit(**{name: 1}))


@pytest.mark.parametrize(
    "literal",
    "1e400 1e-400 1e999999999 -1e400 1e300 99999999999999999999 0 0.00 -0.0 -1 0.001 10.001 0.30000000000000004 "
    "10000.01 100.1200000000000000000000000000000000000001 true [] [1] {} null".split(),
)
def test_10_11_12_prices(api: Api, keys: Keys, literal: str) -> None:
    _refused(api, keys, _with_price(literal))


@pytest.mark.parametrize(
    "text",
    [
        "1" * 5_000,
        f"0.1{'0' * 30}1",
        *"abc 1_000 ١٢ １０ 0x10 +5 1e2 NaN Infinity 10,5 1. .5 00.5 10.001 0 -5".split(),
        "",
        " 10 ",
        "10\n",
        "\x00",
    ],
)
def test_12_prices_in_strings(api: Api, keys: Keys, text: str) -> None:
    _refused(api, keys, limit(price=text))


@pytest.mark.parametrize(
    "literal",
    [
        "0",
        "-1",
        "1.5",
        "1.0",
        "1e2",
        '"1"',
        '"1.0"',
        "true",
        "null",
        str(2**31),
        str(2**63),
        str(10**30),
        "1000001",
        "[]",
    ],
)
def test_13_quantities(api: Api, keys: Keys, literal: str) -> None:
    _refused(api, keys, _with_quantity(literal))


@pytest.mark.parametrize(
    "order",
    [
        limit(price=...),
        limit(type="market"),
        limit(time_in_force="fok", post_only=True),
        limit(time_in_force="ioc", post_only=True),
        limit(type="market", price=..., post_only=True),
        limit(quantity=...),
        limit(side=...),
        limit(security_id=...),
        limit(type=...),
        {"type": "cancel", "security_id": "MSFT"},
        {"type": "cancel", "security_id": "MSFT", "order_id": 0},
        {"type": "cancel", "security_id": "MSFT", "order_id": 2**53},
        {"type": "cancel", "security_id": "MSFT", "order_id": "1"},
        {"type": "cancel", "security_id": "MSFT", "order_id": True},
        {"type": "cancel", "security_id": "MSFT", "order_id": 1, "quantity": 1},
        {"type": "replace", "security_id": "MSFT", "order_id": 1},
        {"type": "replace", "security_id": "MSFT", "order_id": 1, "quantity": None, "price": None},
        {"type": "replace", "security_id": "MSFT", "order_id": 1, "quantity": 1, "side": "buy"},
        {"type": "replace", "security_id": "MSFT", "order_id": 1, "quantity": 1, "client_order_id": "a"},
        {"type": "replace", "security_id": "MSFT", "quantity": 1},
        {"type": "replace", "security_id": "MSFT", "order_id": 1, "quantity": 0},
        {"type": "replace", "security_id": "MSFT", "order_id": 1, "quantity": 1_000_001},
        {"type": "replace", "security_id": "MSFT", "order_id": 1, "price": 10.001},
        {"type": "replace", "security_id": "MSFT", "order_id": 1, "price": 10_000.01},
        {"type": "replace", "security_id": "MSFT", "order_id": 1, "price": "abc"},
        limit(stop_price=100),
        limit(type="stop"),
        limit(type="stop", stop_price=100),
        limit(type="stop", price=..., stop_price=100, time_in_force="gtc"),
        limit(type="stop", price=..., stop_price=100, post_only=True),
        limit(type="stop", price=..., stop_price=0),
        limit(type="stop", price=..., stop_price=100.001),
        limit(type="stop", price=..., stop_price=10_000.01),
        limit(type="stop", price=..., stop_price=100, display_quantity=5),
        limit(type="stop_limit"),
        limit(type="stop_limit", price=..., stop_price=100),
        limit(type="stop_limit", stop_price=None),
        limit(type="stop_limit", stop_price=True),
        limit(type="stop_limit", stop_price=100, time_in_force="fok", post_only=True),
        limit(type="stop_limit", stop_price=100, display_quantity=5),
        limit(type="market", price=..., stop_price=100),
        limit(display_quantity=0),
        limit(display_quantity=10),
        limit(display_quantity=11),
        limit(display_quantity=1.0),
        limit(display_quantity="5"),
        limit(display_quantity=5, time_in_force="ioc"),
        limit(display_quantity=5, time_in_force="fok"),
        limit(quantity=501, display_quantity=5),
        limit(type="market", price=..., display_quantity=5),
        {},
    ],
)
def test_14_contradictory_terms(api: Api, keys: Keys, order: dict[str, Any]) -> None:
    _refused(api, keys, order)


@pytest.mark.parametrize("word", ["Buy", "BUY", "ｂｕｙ", "", "hold", 1, None, True, ["buy"], "buy\x00"])
def test_15_words(api: Api, keys: Keys, word: Any) -> None:
    for name in ("side", "type", "time_in_force"):
        _refused(api, keys, limit(**{name: word}))
    _refused(api, keys, limit(post_only="true"))
    _refused(api, keys, limit(post_only=1))


NASTY = [
    "'; DROP TABLE reports; --",
    "%s",
    "$$",
    "{0.__class__}",
    "${jndi:x}",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "%00",
    "\x00",
    "MSFT\r\nX: y",
    "\u202eTFSM",
    "😀",
    "msft",
    "ＭＳＦＴ",
    "MSFT ",
    "x" * 10_000,
    "",
]


@pytest.mark.parametrize("text", [*NASTY, "\ud800"], ids=lambda text: repr(text[:20]))
def test_16_18_securities(api: Api, keys: Keys, text: str) -> None:
    answer = api.ask("POST", "/orders", key=keys.single, json=limit(security_id=text))
    assert (answer.status_code, problem(answer)["code"]) == (422, "unknown_security")


@pytest.mark.parametrize("text", [*NASTY, "\ud800", " my-1", "x" * 49], ids=lambda text: repr(text[:20]))
def test_17_18_names(api: Api, keys: Keys, text: str) -> None:
    if text != "msft":
        _refused(api, keys, limit(client_order_id=text))
    answer = api.ask("POST", "/orders", key=keys.single, json=limit(client_id=text))
    assert answer.status_code == (403 if text == "msft" else 422)


def _refused(api: Api, keys: Keys, order: dict[str, Any] | bytes) -> None:
    body = order if isinstance(order, bytes) else json.dumps(order).encode()
    answer = api.ask("POST", "/orders", key=keys.single, data=body, headers=JSON)
    assert answer.status_code == 422, (body[:200], answer.text)
    refusal = problem(answer)
    assert refusal["code"] in {"validation_error", "price_off_tick", "price_out_of_band"}
    assert refusal["errors"]
    assert all(error["pointer"].startswith("/") or error["pointer"] == "" for error in refusal["errors"])
