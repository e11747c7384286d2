# ruff: noqa: SIM905  # a list of words would be a page of lines
"""Bad paths and parameters, and their answers."""

from __future__ import annotations

import pytest

from tests.api.conftest import Keys
from tests.support.web import Api, problem

# -- paths and parameters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order_id", ["abc", "-1", "0", "01", "1.5", str(2**53), str(2**63), str(10**30), "%D9%A1", "1%00"]
)
def test_22_order_ids_in_paths(api: Api, keys: Keys, order_id: str) -> None:
    for method, path in [("GET", "orders"), ("DELETE", "orders"), ("GET", "status"), ("GET", "report")]:
        answer = api.ask(method, f"/{path}/MSFT/{order_id}", key=keys.single)
        assert (answer.status_code, problem(answer)["code"]) == (404, "not_found"), path


@pytest.mark.parametrize("security_id", ["GOOG", "msft", "%00", "..%2F", "%F0%9F%98%80", "%FF", "x" * 5_000, "%0d%0a"])
def test_16_securities_in_paths(api: Api, keys: Keys, security_id: str) -> None:
    for path in [
        f"/price/{security_id}",
        f"/book/{security_id}",
        f"/trades/{security_id}",
        f"/candles/{security_id}",
        f"/holdings/{security_id}/SINGLE",
        f"/orders/{security_id}/1",
    ]:
        answer = api.ask("GET", path, key=keys.single)
        assert (answer.status_code, problem(answer)["code"]) == (404, "not_found"), path


@pytest.mark.parametrize(
    "query",
    "limit=-1 limit=0 limit=1000000000 limit=all limit= limit=1.5 limit=%D9%A1 limit=1%00 "
    "cursor=x cursor=-1 cursor=%00 cursor=1000000000000000000000000000000 cursor=1;drop cursor=1.5".split(),
)
def test_24_pages(api: Api, keys: Keys, query: str) -> None:
    paths = ["/orders", "/fills", "/reports", "/trades/MSFT"]
    for path in paths if "cursor" in query else [*paths, "/candles/MSFT"]:
        answer = api.ask("GET", f"{path}?{query}", key=keys.single)
        assert (answer.status_code, problem(answer)["code"]) == (422, "validation_error"), path


@pytest.mark.parametrize(
    "query",
    ["/orders?status=new", "/orders?security_id=GOOG", "/book/MSFT?depth=0", "/candles/MSFT?interval=2m"],
)
def test_24_parameters(api: Api, keys: Keys, query: str) -> None:
    assert api.ask("GET", query, key=keys.single).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "//orders", 404),
        ("GET", "/orders/", 404),
        ("GET", "/price/MSFT/", 404),
        ("GET", "/price//MSFT", 404),
        ("GET", "/price%2FMSFT%2Fx", 404),
        ("GET", "/../etc/passwd", 404),
        ("PUT", "/orders", 405),
        ("POST", "/price/MSFT", 405),
        ("PUT", "/accounts/SINGLE", 405),
        ("BREW", "/orders", 405),
    ],
)
def test_25_methods_and_paths(api: Api, keys: Keys, method: str, path: str, status: int) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: {keys.single}\r\n\r\n"
    answer = api.raw(head.encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert b"Content-Type: application/problem+json" in answer
    assert (b"\r\nAllow: " in answer) == (status == 405)
