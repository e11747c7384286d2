"""Lives of orders over HTTP, from the reports that the feed has stored."""

from __future__ import annotations

import time

from db.connect import Database
from tasks.data_feed.record import record
from tasks.messages import FeedBatch, split_event_id
from tests.api.conftest import Keys
from tests.support.feed import NOW_US, trade
from tests.support.web import Api, problem
from tests.tasks.data_feed.rules.test_reports import entry_report

TRADE = trade(9, buyer="SINGLE", seller="FLOOD", buy_order_id=18, sell_order_id=17, traded_us=NOW_US + 5_000)


def store(market_data: Database) -> None:
    """Store the reports of a seller's order that rests and, 4 ms later, trades with a buyer's."""
    placed = [
        entry_report(order_id=17, event_id=17, client_id="FLOOD", side="sell", received_us=NOW_US),
        entry_report(order_id=18, event_id=18, client_id="SINGLE", received_us=NOW_US + 4_000),
    ]
    for began_us, order in zip((NOW_US + 1_000, NOW_US + 5_000), placed, strict=True):
        asked_us = order.received_us + 250
        record(
            market_data,
            [FeedBatch("order_entry", began_us + 500, orders=[order], began_us=began_us, asked_us=[asked_us])],
            taken_us=began_us + 600,
        )
    after_us = NOW_US + 6_000
    matched = FeedBatch("matching", after_us + 200, trades=[TRADE], began_us=after_us)
    settled = FeedBatch("order_execution", after_us + 900, settled=[TRADE], began_us=after_us + 300)
    record(market_data, [matched, settled], taken_us=after_us + 1_000)


def test_a_client_sees_what_its_order_went_through(api: Api, keys: Keys, market_data: Database) -> None:
    store(market_data)
    life = api.ask("GET", "/orders/MSFT/18/life", key=keys.single).json()
    assert (life["order_id"], life["security_id"], life["started_at"]) == (18, "MSFT", "2023-11-14T22:13:20.004000Z")
    spans = [(span["stage"], span["part"], span["start_ms"], span["end_ms"]) for span in life["spans"]]
    assert spans[:-1] == [
        ("api", "work", 0, 0.25),
        ("order_entry", "queue", 0.25, 1),
        ("order_entry", "work", 1, 1.5),
        ("matching", "queue", 1.5, 2),
        ("matching", "work", 2, 2.2),
        ("order_execution", "queue", 2.2, 2.3),
        ("order_execution", "work", 2.3, 2.9),
        ("data_feed", "queue", 2.9, 3),
    ]
    assert spans[-1][:3] == ("data_feed", "work", 3)
    assert life["total_ms"] == spans[-1][3]
    trade_id = "{}-{}-{}".format(*split_event_id(TRADE.event_id))
    assert life["trade"] == {"trade_id": trade_id, "price": TRADE.price_cents / 100, "quantity": TRADE.quantity}
    assert api.ask("GET", "/orders/MSFT/18/life", key=keys.admin).json() == life


def test_lives_are_visible_to_their_client_only(api: Api, keys: Keys, market_data: Database) -> None:
    store(market_data)
    for path, key in (
        ("/orders/MSFT/17/life", keys.single),
        ("/orders/TSLA/18/life", keys.single),
        ("/orders/MSFT/99/life", keys.admin),
    ):
        assert problem(api.ask("GET", path, key=key))["code"] == "not_found"
    assert problem(api.ask("GET", "/orders/MSFT/18/life"))["code"] == "unauthorized"


def test_the_public_life_names_no_client(api: Api, keys: Keys, market_data: Database) -> None:
    store(market_data)
    deadline_s = time.monotonic() + 60
    while (answer := api.ask("GET", "/life")).status_code != 200:  # the api may have cached that there was none
        assert problem(answer)["code"] == "not_found"
        assert time.monotonic() < deadline_s
    shown = answer.json()
    # The seller's order rested, so it is the buyer's.
    mine = api.ask("GET", "/orders/MSFT/18/life", key=keys.single).json()
    assert shown == mine | {"order_id": None}
    assert "SINGLE" not in str(shown)
