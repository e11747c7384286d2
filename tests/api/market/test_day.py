"""Auctions and news over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from db.connect import Database
from tasks.data_feed.record import record
from tasks.messages import AuctionUpdate, FeedBatch
from tests.api.conftest import Keys
from tests.support.web import Api, problem

NOTHING = {"price": None, "volume": 0, "surplus": 0, "surplus_side": None}


def test_an_auction(deciding_api: Api, keys: Keys, market_data: Database) -> None:
    continuous = deciding_api.ask("GET", "/auction/MSFT").json()
    assert continuous == {"security_id": "MSFT", "phase": "continuous", "ends_at": None, **NOTHING}
    begun = deciding_api.ask("PATCH", "/securities/MSFT", key=keys.admin, json={"phase": "auction", "seconds": 600})
    ends_at = begun.json()["phase_ends_at"]
    empty = deciding_api.ask("GET", "/auction/MSFT").json()
    assert empty == {"security_id": "MSFT", "phase": "auction", "ends_at": ends_at, **NOTHING}
    update = AuctionUpdate("MSFT", 10_012, 30, 5, "sell", 1)
    record(market_data, [FeedBatch("matching", 1, auctions=[update])], taken_us=1)
    indicative = {"price": 100.12, "volume": 30, "surplus": 5, "surplus_side": "sell"}
    assert deciding_api.ask("GET", "/auction/MSFT").json() == empty | indicative
    assert deciding_api.ask("PATCH", "/securities/MSFT", key=keys.admin, json={"phase": "continuous"}).ok
    assert deciding_api.ask("GET", "/auction/MSFT").json() == continuous
    assert deciding_api.ask("GET", "/auction/GOOG").status_code == 404


def test_news(api: Api, keys: Keys) -> None:
    def publish(**body: Any) -> dict[str, Any]:
        answer = api.ask("POST", "/news", key=keys.admin, json=body)
        assert answer.status_code == 201, answer.text
        published: dict[str, Any] = answer.json()
        return published

    assert api.ask("GET", "/news").json() == {"data": [], "next_cursor": None}
    first = publish(headline="Markets open")
    assert first == {**first, "headline": "Markets open", "body": None, "security_id": None}
    second = publish(headline="MSFT: 50 % more\nDetails follow", body="…", security_id="MSFT")
    assert second["news_id"] > first["news_id"]
    page = api.ask("GET", "/news?limit=1").json()
    assert page["data"] == [second]
    assert api.ask("GET", f"/news?limit=1&cursor={page['next_cursor']}").json()["data"] == [first]
    assert first.keys() == {"news_id", "headline", "body", "security_id", "timestamp"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/headline"),
        ({"headline": ""}, "/headline"),
        ({"headline": "x" * 201}, "/headline"),
        ({"headline": "x\0y"}, "/headline"),
        ({"headline": 1}, "/headline"),
        ({"headline": "x", "body": "y" * 10_001}, "/body"),
        ({"headline": "x", "body": "\0"}, "/body"),
        ({"headline": "x", "security_id": "GOOG"}, "/security_id"),
        ({"headline": "x", "author": "y"}, "/author"),
    ],
)
def test_news_that_is_none(api: Api, keys: Keys, body: Any, pointer: str) -> None:
    answer = api.ask("POST", "/news", key=keys.admin, json=body)
    assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (422, pointer)
    assert api.ask("GET", "/news").json()["data"] == []


def test_only_the_admin_has_news(api: Api, keys: Keys) -> None:
    assert api.ask("POST", "/news", key=keys.single, json={"headline": "x"}).status_code == 403
    assert api.ask("POST", "/news", json={"headline": "x"}).status_code == 401
