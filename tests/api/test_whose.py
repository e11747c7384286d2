"""Another client's orders and rows read as absent, by every route and parameter."""

from __future__ import annotations

import pytest

from tests.api.conftest import Keys, limit
from tests.support.web import Api, problem


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/orders/MSFT/{order_id}"),
        ("GET", "/status/MSFT/{order_id}"),
        ("GET", "/report/MSFT/{order_id}"),
        ("GET", "/orders/by-client-id/floods-own"),
    ],
)
def test_23_anothers_order_by_its_id(api: Api, keys: Keys, method: str, path: str) -> None:
    floods = api.ask("POST", "/orders", key=keys.flood, json=limit(client_order_id="floods-own")).json()
    answer = api.ask(method, path.format(**floods), key=keys.single)
    nothing = api.ask(method, path.format(order_id=999_999).replace("floods-own", "nothing"), key=keys.single)
    assert (answer.status_code, problem(answer)["code"]) == (404, "not_found")
    # Another client's order and a missing one cannot be distinguished.
    assert problem(answer)["detail"] == problem(nothing)["detail"]


def test_23_anothers_rows_by_cursor(api: Api, keys: Keys) -> None:
    floods = api.ask("POST", "/orders", key=keys.flood, json=limit()).json()
    for path in ("/orders", "/fills", "/reports"):
        page = api.ask("GET", f"{path}?cursor={floods['order_id'] + 1}", key=keys.single)
        assert (page.status_code, page.json()["data"]) == (200, [])
