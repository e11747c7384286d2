"""Another client's stored reports read as absent."""

from __future__ import annotations

import pytest

from db.connect import Database
from tasks.data_feed.record import record
from tasks.messages import FeedBatch, OrderReport
from tests.api.conftest import Keys
from tests.support.web import Api, problem

ORDER_ID = 7


@pytest.mark.parametrize("path", [f"/status/MSFT/{ORDER_ID}", f"/report/MSFT/{ORDER_ID}"])
def test_23_anothers_report_by_the_id_of_its_order(api: Api, keys: Keys, market_data: Database, path: str) -> None:
    floods = OrderReport(ORDER_ID, "order", "confirmed", ORDER_ID, "FLOOD", "MSFT", "buy", 1, 10_000, None, 1, 1)
    record(market_data, [FeedBatch("order_entry", 1, orders=[floods])], taken_us=1)
    for key in (keys.flood, keys.admin):
        assert api.ask("GET", path, key=key).status_code == 200
    answer = api.ask("GET", path, key=keys.single)
    assert (answer.status_code, problem(answer)["code"]) == (404, "not_found")
