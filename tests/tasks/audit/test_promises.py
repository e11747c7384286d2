"""Rule 1 waits for the orders of promised ids, and names those that do not arrive."""

from __future__ import annotations

import threading
import time

from db.clearing_data.log.orders import promise
from tests.tasks.audit.conftest import Traded
from tests.tasks.audit.test_audit import broken


def promised(traded: Traded, name: str):
    """Return an order of ANN's that the api has promised and not yet queued."""
    order = traded.exchange.order("buy", "ANN", 3, 9_000, client_order_id=name)
    with traded.clearing_data.transaction() as tx:
        promise(tx, [("ANN", name, order.order_id, b"digest")])
    return order


def test_the_audit_waits_for_a_promise_that_is_kept_late(traded: Traded) -> None:
    orders = [promised(traded, f"late-{number}") for number in range(3)]

    def arrive() -> None:
        for order in orders:
            time.sleep(0.3)
            traded.trade([order])

    arrival = threading.Thread(target=arrive)
    arrival.start()
    found = broken(traded, patience_s=60.0)
    arrival.join()
    assert found == {}


def test_a_promise_that_is_not_kept_names_client_id_and_order(traded: Traded) -> None:
    kept, lost = promised(traded, "kept"), promised(traded, "lost")
    traded.trade([kept])
    rules = broken(traded)
    assert rules.keys() == {1}
    assert rules[1].findings == [f"order {lost.order_id}, promised to ANN for lost, is neither registered nor rejected"]


def test_a_rejected_order_keeps_its_promise(traded: Traded) -> None:
    order = traded.exchange.order("buy", "ANN", 3, 9_000, client_order_id="mad", security_id="NONE")
    with traded.clearing_data.transaction() as tx:
        promise(tx, [("ANN", "mad", order.order_id, b"digest")])
    traded.trade([order])
    assert broken(traded) == {}
