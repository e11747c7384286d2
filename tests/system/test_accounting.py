"""20,000 orders of a hundred clients at once: each accounted for, each trade as in the naive book."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sqlalchemy import text

from db.clearing_data.log.order_log import read_commands
from db.connect import Database
from tasks.messages import TradeMade
from tests.support.exchange import Exchange
from tests.support.naive_book import NaiveBook
from tests.support.web import running_api
from tests.system import crowd

SEED = 20_260_101
CLIENTS = 100
ORDERS = 20_000
SHARDS = 2


def test_every_order_is_accounted_for(exchange: Exchange, clearing_data: Database) -> None:
    keys = crowd.open_accounts(clearing_data, CLIENTS)
    with running_api() as other:
        answers = crowd.trade([exchange.url, other.url], keys, seed=SEED, orders_each=ORDERS // CLIENTS)
    # One order for each id, whenever and wherever it was sent; a 503 may have hidden the first answer.
    assert len(answers.order_ids) == ORDERS
    assert {len(order_ids) for order_ids in answers.order_ids.values()} == {1}
    assert set(answers.first.values()) <= {0, 1}
    assert answers.cancels > ORDERS // 10
    exchange.wait_until(lambda: unknown_orders(clearing_data, answers) == set(), "order entry has seen every order")
    audit = exchange.audit()
    assert audit.passed, audit
    orders = orders_by_status(clearing_data)
    assert sum(orders.values()) == ORDERS
    assert orders["rejected"] > ORDERS // 10
    assert exchange.dead_letters() == 0
    trades = trades_of_the_naive_book(clearing_data)
    assert len(trades) > ORDERS // 10
    assert trades == settled_trades(clearing_data)


class AcceptedOrders(Protocol):
    """A record of the orders that the exchange answered 202."""

    @property
    def accepted(self) -> Mapping[int, str]:
        """Return the client of each order."""


def orders_by_status(clearing_data: Database) -> dict[str, int]:
    """Return the number of orders by status."""
    with clearing_data.snapshot() as tx:
        rows = tx.execute(text("SELECT status, count(*) AS number FROM orders GROUP BY status"))
        return {row.status: row.number for row in rows}


def unknown_orders(clearing_data: Database, ledger: AcceptedOrders) -> set[int]:
    """Return orders answered 202 that are neither in the log nor denied, or belong to another client there."""
    with clearing_data.snapshot() as tx:
        rows = tx.execute(
            text(
                "SELECT order_id, client_id FROM orders LEFT JOIN order_log ON command_id = order_id "
                "WHERE order_id = ANY(:ids) AND (seq IS NOT NULL OR status = 'rejected')"
            ),
            {"ids": list(ledger.accepted)},
        )
        known = {row.order_id: row.client_id for row in rows}
    return {order_id for order_id, client_id in ledger.accepted.items() if known.get(order_id) != client_id}


def trades_of_the_naive_book(clearing_data: Database) -> list[TradeMade]:
    """Return the trades that the naive book makes of the log, shard by shard."""
    trades: list[TradeMade] = []
    for shard in range(SHARDS):
        book = NaiveBook(shard)
        with clearing_data.snapshot() as tx:
            commands = read_commands(tx, shard, after_seq=0, limit=1_000_000)
        assert [seq for seq, _ in commands] == list(range(1, len(commands) + 1))
        for seq, command in commands:
            trades += [event for event in book.apply(seq, command) if isinstance(event, TradeMade)]
    return trades


def settled_trades(clearing_data: Database) -> list[TradeMade]:
    """Return the settled trades, in the order of their events."""
    fields = ", ".join({"traded_us": "executed_us", "buy_hold_cents": "hold_cents"}.get(name, name) for name in FIELDS)
    with clearing_data.snapshot() as tx:
        rows = tx.execute(text(f"SELECT {fields} FROM executions WHERE kind = 'trade' ORDER BY event_id"))
        return [TradeMade(*row) for row in rows]


FIELDS = TradeMade.__struct_fields__
