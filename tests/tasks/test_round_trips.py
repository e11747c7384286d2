"""The round trips to Postgres that a lone order costs: on a quiet exchange they are most of its time."""

from __future__ import annotations

from celery_app.settings import settings
from db.connect import Database
from tasks.data_feed.record import record
from tasks.messages import FeedBatch
from tasks.order_execution.settle import settle_once
from tests.support.round_trips import counted
from tests.support.trading import NOW_US, Exchange, open_accounts

ORDER_ENTRY = 3
ORDER_EXECUTION = 4
DATA_FEED = 2


def test_a_lone_order_takes_few_round_trips(clearing_data: Database, market_data: Database) -> None:
    open_accounts(clearing_data)
    urls = settings().clearing_data_url.get_secret_value(), settings().market_data_url.get_secret_value()
    with counted(urls[0]) as (clearing, of_clearing), counted(urls[1]) as (market, of_market):
        exchange = Exchange(clearing)
        taken = []
        for side, client_id in (("sell", "ANN"), ("buy", "BOB")) * 2:
            order = exchange.order(side, client_id, 1, 10_000)
            before = of_clearing.count
            executions, feed = exchange.enter([order])
            taken = [of_clearing.count - before]
            before = of_market.count
            record(market, feed, taken_us=NOW_US)
            taken.append(of_market.count - before)
            for batch in executions:
                before = of_clearing.count
                settle_once(clearing, batch.executions, [(1, 2)], settled_us=NOW_US)
                taken.append(of_clearing.count - before)
                before = of_market.count
                settled = FeedBatch("order_execution", NOW_US, settled=batch.executions)
                record(market, [settled], taken_us=NOW_US)
                taken.append(of_market.count - before)
        # Those of the last order, because each connection prepares a statement at its first use.
        assert taken == [ORDER_ENTRY, DATA_FEED, ORDER_EXECUTION, DATA_FEED]
