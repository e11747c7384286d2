"""Rule 1: every client order id for which the api promised an order id has that order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from db.connect import Database
from tasks.audit.common.patience import Patience
from tasks.audit.common.result import CheckResult


class BrokenPromise(NamedTuple):
    """A promised order id, and the client that owns the order; `owner` is None if no order has the id."""

    client_id: str
    client_order_id: str
    order_id: int
    owner: str | None
    name: str | None


# The register omits the client order id of an order that was denied because another order has that id.
_BROKEN = """
    SELECT promised.client_id, promised.client_order_id, promised.order_id, orders.client_id, orders.client_order_id
    FROM client_order_ids AS promised LEFT JOIN orders USING (order_id)
    WHERE (orders.client_id IS DISTINCT FROM promised.client_id
        OR orders.client_order_id IS DISTINCT FROM promised.client_order_id
            AND orders.reason IS DISTINCT FROM 'duplicate_client_order_id')
"""
_AMONG_ALL = text(_BROKEN).execution_options(yield_per=1_000)
_AMONG_SOME = text(_BROKEN + "AND promised.order_id = ANY(:order_ids)")


def read_broken(tx: Connection) -> tuple[int, list[BrokenPromise]]:
    """Return the number of promises in a snapshot, and those that the snapshot does not keep."""
    count = tx.execute(text("SELECT count(*) FROM client_order_ids")).scalar_one()
    return count, [BrokenPromise(*row) for row in tx.execute(_AMONG_ALL)]


def check_promises(
    clearing_data: Database, count: int, broken: Sequence[BrokenPromise], patience: Patience
) -> CheckResult:
    """Wait for the orders of broken promises, which may not have reached order entry yet; report the rest.

    count  number of all promises
    """
    checked = CheckResult(count)
    while patience.wait(len(broken)):
        with clearing_data.snapshot() as tx:
            rows = tx.execute(_AMONG_SOME, {"order_ids": [promise.order_id for promise in broken]})
            broken = [BrokenPromise(*row) for row in rows]
    for promise in sorted(broken):
        what = f"order {promise.order_id}, promised to {promise.client_id} for {promise.client_order_id},"
        if promise.owner is None:
            checked.find(f"{what} is neither registered nor rejected")
        else:
            checked.find(f"{what} is registered for {promise.owner} as {promise.name}")
    return checked
