"""Orders in the databases, as a run of chaos finds them."""

from __future__ import annotations

from typing import Protocol

import pytest
from sqlalchemy import text

from db.connect import Database

_ORDER = """
    INSERT INTO orders (order_id, quantity, hold_cents, created_us, post_only, client_id, client_order_id, security_id,
        type, side, time_in_force, status, updated_us)
    VALUES (:order_id, 1, 1, 1, false, :client, :name, 'MSFT', 'limit', 'buy', 'gtc', 'new', 1)
"""
_LOG = "INSERT INTO order_log (shard, seq, command_id, command) VALUES (0, :order_id, :order_id, '[]')"
_REPORT = (
    "INSERT INTO report_securities (security_id) VALUES ('MSFT') ON CONFLICT DO NOTHING",
    "INSERT INTO report_heads (client_id, sequence) VALUES (:client, :time) "
    "ON CONFLICT (client_id) DO UPDATE SET sequence = excluded.sequence",
    "INSERT INTO report_stamps (stamp, sent_us, stored_us) VALUES (:time, 1, 1)",
    """
    INSERT INTO order_reports (order_id, report_id, event_us, sequence, stamp, client, security, confirmed)
    SELECT :order_id, :order_id, :time, :time, :time, client, security, true
    FROM report_heads, report_securities WHERE client_id = :client AND security_id = 'MSFT'
    """,
)


class PutOrder(Protocol):
    """Puts an order into the register, and into the log and the reports as often as asked."""

    def __call__(
        self, order_id: int, client: str, name: str | None, *, logged: bool = True, reports: int = 1
    ) -> None: ...


@pytest.fixture
def put_order(clearing_data: Database, market_data: Database) -> PutOrder:
    def put_order(order_id: int, client: str, name: str | None, *, logged: bool = True, reports: int = 1) -> None:
        row = {"order_id": order_id, "client": client, "name": name}
        with clearing_data.transaction() as tx:
            tx.execute(text(_ORDER), row)
            if logged:
                tx.execute(text(_LOG), row)
        with market_data.transaction() as tx:
            for time in range(reports):
                for statement in _REPORT:
                    tx.execute(text(statement), row | {"time": 100 * order_id + time})

    return put_order
