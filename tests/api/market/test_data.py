"""Market data and reports over HTTP, as the feed has stored them."""

from __future__ import annotations

from sqlalchemy import text

from db.connect import Database
from tasks.data_feed.record import record
from tasks.messages import FeedBatch, event_id
from tests.api.conftest import Keys
from tests.support.feed import trade
from tests.support.web import Api, problem
from tests.tasks.data_feed.rules.test_reports import entry_report

SECOND_US = 1_000_000


def test_a_security_that_never_traded(api: Api) -> None:
    assert {security["security_id"] for security in api.ask("GET", "/securities").json()["data"]} == {
        "AAPL",
        "JPM",
        "MSFT",
        "SHEL",
        "TSLA",
    }
    price = api.ask("GET", "/price/TSLA").json()
    assert price == {"security_id": "TSLA", "bid": None, "ask": None, "last": None, "timestamp": None}
    assert api.ask("GET", "/book/TSLA").json() == {"security_id": "TSLA", "sequence": 0, "bids": [], "asks": []}
    assert api.ask("GET", "/trades/TSLA").json() == {"data": [], "next_cursor": None}
    assert api.ask("GET", "/candles/TSLA").json() == {"data": []}


def test_stored_market_data_is_served(api: Api, market_data: Database) -> None:
    with market_data.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO books (security_id, update_sequence, bid_cents, ask_cents, last_cents, updated_us) "
                "VALUES ('MSFT', 7, 9983, 10049, 10012, 1685104715000001)"
            )
        )
        tx.execute(
            text(
                "INSERT INTO book_levels (security_id, side, price_cents, quantity, orders, sequence) VALUES "
                "('MSFT', 'buy', 9983, 10, 2, 7), ('MSFT', 'buy', 9900, 5, 1, 6), ('MSFT', 'sell', 10049, 1, 1, 5), "
                "('MSFT', 'sell', 10050, 0, 0, 7)"
            )
        )
    made = [
        trade(
            n,
            event_id=event_id(0, n, 1),
            price_cents=10_000 + n,
            quantity=n,
            traded_us=1_685_104_700 * SECOND_US + n,
        )
        for n in range(1, 6)
    ]
    record(market_data, [FeedBatch("matching", 1, trades=made)], taken_us=1)
    with market_data.transaction() as tx:
        tx.execute(text("DELETE FROM candles"))
        tx.execute(text("INSERT INTO candles VALUES ('MSFT', 60, 1685104680, 10000, 10012, 9999, 10012, 42, 1, 3)"))
    assert api.ask("GET", "/price/MSFT").json() == {
        "security_id": "MSFT",
        "bid": 99.83,
        "ask": 100.49,
        "last": 100.12,
        "timestamp": "2023-05-26T12:38:35.000001Z",
    }
    book = api.ask("GET", "/book/MSFT?depth=1").json()
    assert book == {"security_id": "MSFT", "sequence": 7, "bids": [[99.83, 10, 2]], "asks": [[100.49, 1, 1]]}
    assert len(api.ask("GET", "/book/MSFT").json()["bids"]) == 2
    assert api.ask("GET", "/candles/MSFT?interval=1m").json()["data"] == [
        {
            "start": "2023-05-26T12:38:00.000000Z",
            "open": 100,
            "high": 100.12,
            "low": 99.99,
            "close": 100.12,
            "volume": 42,
        }
    ]
    first = api.ask("GET", "/trades/MSFT?limit=3").json()
    assert [trade["sequence"] for trade in first["data"]] == [5, 4, 3]
    rest = api.ask("GET", f"/trades/MSFT?limit=3&cursor={first['next_cursor']}").json()
    assert [trade["sequence"] for trade in rest["data"]] == [2, 1]
    assert rest["next_cursor"] is None
    assert first["data"][0] == {
        "trade_id": "0-5-1",
        "security_id": "MSFT",
        "price": 100.05,
        "quantity": 5,
        "aggressor_side": "buy",
        "sequence": 5,
        "timestamp": "2023-05-26T12:38:20.000005Z",
    }


def test_reports_are_visible_to_their_client_only(api: Api, keys: Keys, market_data: Database) -> None:
    reports = [
        entry_report(order_id=17, event_id=17, client_id="SINGLE", quantity=10, received_us=1),
        entry_report(order_id=19, event_id=19, client_id="FLOOD", side="sell", quantity=1),
    ]
    made = trade(9, quantity=10, buy_order_id=17, buyer="SINGLE", sell_order_id=16, seller="GAUSS", traded_us=4)
    denied = entry_report(
        order_id=18, event_id=18, client_id="SINGLE", side="sell", status="denied", reason="insufficient_holdings"
    )
    for batch in (
        FeedBatch("order_entry", 1, orders=reports),
        FeedBatch("matching", 2, trades=[made]),
        FeedBatch("order_entry", 3, orders=[denied]),
    ):
        record(market_data, [batch], taken_us=1)
    assert api.ask("GET", "/status/MSFT/17", key=keys.single).json() == {"status": "filled"}
    assert api.ask("GET", "/status/MSFT/18", key=keys.single).json() == {"status": "rejected"}
    report = api.ask("GET", "/report/MSFT/17", key=keys.single).json()
    assert report == {
        "event_type": "trade",
        "status": "confirmed",
        "order_id": 17,
        "client_id": "SINGLE",
        "security_id": "MSFT",
        "side": "buy",
        "quantity": 10,
        "price": 100,
        "reason": None,
        "sequence": 2,
        "timestamp": "1970-01-01T00:00:00.000004Z",
    }
    page = api.ask("GET", "/reports?limit=2", key=keys.single).json()
    assert [one["sequence"] for one in page["data"]] == [3, 2]
    rest = api.ask("GET", f"/reports?limit=2&cursor={page['next_cursor']}", key=keys.single).json()
    assert [one["sequence"] for one in rest["data"]] == [1]
    for path in ("/status/MSFT/19", "/report/MSFT/19", "/status/AAPL/17", "/report/MSFT/4711"):
        answer = api.ask("GET", path, key=keys.single)
        assert (answer.status_code, problem(answer)["code"]) == (404, "not_found"), path
    assert api.ask("GET", "/status/MSFT/19", key=keys.admin).json() == {"status": "new"}
    assert len(api.ask("GET", "/reports?client_id=FLOOD", key=keys.admin).json()["data"]) == 1
