"""The records of an order over HTTP: its row of the log, its trades, and their postings."""

from __future__ import annotations

from sqlalchemy import text

from db.connect import Database
from tasks.data_feed.record import record
from tasks.messages import FeedBatch, split_event_id
from tests.api.conftest import Keys
from tests.support.feed import NOW_US, trade
from tests.support.web import Api, problem

TRADE = trade(9, buyer="SINGLE", seller="FLOOD", buy_order_id=18, sell_order_id=17, traded_us=NOW_US)
TRADE_ID = "{}-{}-{}".format(*split_event_id(TRADE.event_id))
COMMAND = '["place",18,"SINGLE","MSFT"]'
SETTLED_US = NOW_US + 700

_ORDER = text(
    "INSERT INTO orders (order_id, quantity, price_cents, hold_cents, created_us, post_only, client_id, security_id, "
    "type, side, time_in_force, status, updated_us) "
    "VALUES (:order_id, 10, 10000, 10000, 1, false, :client_id, 'MSFT', 'limit', :side, 'gtc', :status, 1)"
)
_EXECUTION = text(
    "INSERT INTO executions (event_id, executed_us, settled_us, quantity, hold_cents, buy_order_id, sell_order_id, "
    "price_cents, sequence, kind, security_id, aggressor_side, buyer, seller) "
    "VALUES (:event_id, :now_us, :settled_us, :quantity, 0, 18, 17, :price_cents, 9, 'trade', 'MSFT', 'buy', "
    "'SINGLE', 'FLOOD')"
)
_ENTRY = text(
    "INSERT INTO ledger (event_id, cash_cents, shares, booked_us, kind, account, contra_account, security_id) "
    "VALUES (:event_id, :cents, :shares, :settled_us, 'trade', :account, 'DTCC', 'MSFT')"
)


def store(clearing_data: Database, market_data: Database) -> None:
    """Store an order of SINGLE that traded with one of FLOOD, and a refused one."""
    cents = TRADE.price_cents * TRADE.quantity
    with clearing_data.transaction() as tx:
        for order_id, client_id, side, status in (
            (17, "FLOOD", "sell", "filled"),
            (18, "SINGLE", "buy", "filled"),
            (19, "SINGLE", "buy", "rejected"),
        ):
            tx.execute(_ORDER, {"order_id": order_id, "client_id": client_id, "side": side, "status": status})
        tx.execute(
            text("INSERT INTO order_log (shard, seq, command_id, command) VALUES (0, 4711, 18, :command)"),
            {"command": COMMAND},
        )
        values = {"event_id": TRADE.event_id, "settled_us": SETTLED_US}
        terms = {"now_us": NOW_US, "quantity": TRADE.quantity, "price_cents": TRADE.price_cents}
        tx.execute(_EXECUTION, values | terms)
        tx.execute(_ENTRY, values | {"account": "SINGLE", "cents": -cents, "shares": TRADE.quantity})
        tx.execute(_ENTRY, values | {"account": "FLOOD", "cents": cents, "shares": -TRADE.quantity})
    record(market_data, [FeedBatch("matching", NOW_US + 200, trades=[TRADE], began_us=NOW_US)], taken_us=NOW_US + 300)


def test_an_orders_records_are_its_clients_alone(
    api: Api, keys: Keys, clearing_data: Database, market_data: Database
) -> None:
    store(clearing_data, market_data)
    found = api.ask("GET", "/orders/MSFT/18/records", key=keys.single).json()
    assert found["log"] == {"shard": 0, "sequence": 4711, "command": COMMAND}
    (traded,) = found["trades"]
    assert (traded["trade_id"], traded["price"]) == (TRADE_ID, TRADE.price_cents / 100)
    (posting,) = found["postings"]
    assert {name: posting[name] for name in ("account", "contra_account", "trade_id", "shares", "cash")} == {
        "account": "SINGLE",
        "contra_account": "DTCC",
        "trade_id": TRADE_ID,
        "shares": TRADE.quantity,
        "cash": -TRADE.price_cents * TRADE.quantity / 100,
    }
    assert "FLOOD" not in str(found)
    assert api.ask("GET", "/orders/MSFT/18/records", key=keys.admin).json() == found

    refused = api.ask("GET", "/orders/MSFT/19/records", key=keys.single).json()
    assert refused == {"order_id": 19, "security_id": "MSFT", "log": None, "trades": [], "postings": []}

    for path in ("/orders/MSFT/17/records", "/orders/TSLA/18/records", "/orders/MSFT/999999999/records"):
        assert problem(api.ask("GET", path, key=keys.single))["code"] == "not_found"
    assert problem(api.ask("GET", "/orders/MSFT/18/records"))["code"] == "unauthorized"
