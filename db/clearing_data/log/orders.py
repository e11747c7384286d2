"""The register of orders as the api reads it, and the ids that the api issues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from sqlalchemy import Connection, text

from db.clearing_data.rows import Fill, Order, Promise
from db.clearing_data.tables import ORDER_ID_BLOCK

OrderFilter = Literal["open", "closed", "all"]

_ORDER = (
    "SELECT order_id, client_id, client_order_id, security_id, type, side, quantity, price_cents, time_in_force, "
    "post_only, created_us, status, filled_quantity, filled_cents, closed_quantity, reason, updated_us, "
    "stop_price_cents, display_quantity, orders.expires_us, buy_in, CASE WHEN status = 'rejected' THEN "
    "(SELECT ARRAY[needed, available] FROM denials WHERE command_id = order_id AND needed IS NOT NULL) END"
)

# The ledger has one row for each side of a trade, with the shares positive for the buyer, and an index by account.
_FILL = (
    "SELECT ledger.entry_id, event_id, ledger.account, "
    "CASE WHEN ledger.shares > 0 THEN executions.buy_order_id ELSE executions.sell_order_id END, "
    "executions.security_id, CASE WHEN ledger.shares > 0 THEN 'buy' ELSE 'sell' END, "
    "executions.quantity, executions.price_cents, executions.executed_us, executions.settled_us, "
    "COALESCE(executions.quantity * executions.price_cents * rates.ppm / 1000000, 0) "
    "FROM ledger JOIN executions USING (event_id) "
    # The fee of a trade is computed from the rates of its time, because no index finds the entry of the fee.
    "LEFT JOIN LATERAL (SELECT CASE WHEN executions.aggressor_side IS NULL "
    "THEN greatest(maker_fee_ppm, taker_fee_ppm) WHEN (executions.aggressor_side = 'buy') = (ledger.shares > 0) "
    "THEN taker_fee_ppm ELSE maker_fee_ppm END AS ppm FROM fee_rates "
    "WHERE fee_rates.security_id = executions.security_id AND from_event_id <= event_id "
    "ORDER BY from_event_id DESC, set_us DESC LIMIT 1) AS rates ON true"
)

_FROM = {
    "open": "FROM open_orders JOIN orders USING (client_id, order_id) WHERE true",
    "closed": "FROM orders WHERE status NOT IN ('new', 'partially_filled')",
    "all": "FROM orders WHERE true",
}


_PROMISE = text(
    "INSERT INTO client_order_ids (client_id, client_order_id, order_id, digest) "
    "SELECT * FROM unnest(CAST(:clients AS text[]), CAST(:names AS text[]), CAST(:ids AS bigint[]), "
    "CAST(:digests AS bytea[])) ON CONFLICT DO NOTHING"
)
_PROMISED = text(
    "SELECT client_id, client_order_id, order_id, digest FROM client_order_ids JOIN "
    "unnest(CAST(:clients AS text[]), CAST(:names AS text[])) AS wanted (client_id, client_order_id) "
    "USING (client_id, client_order_id)"
)


def next_order_ids(tx: Connection) -> range:
    """Return a block of ids that no other process has or will get."""
    first: int = tx.execute(text("SELECT nextval('order_ids')")).scalar_one()
    return range(first, first + ORDER_ID_BLOCK)


def promise(tx: Connection, wanted: Sequence[tuple[str, str, int, bytes]]) -> dict[tuple[str, str], Promise]:
    """Tie client order ids to order ids; the first request wins.

    wanted   at least one (client_id, client_order_id, order_id, digest of the request's content), in their order
    returns  the promise of each (client_id, client_order_id), with the caller's order id if it came first
    """
    # All processes take the keys in the same order, so that two that want the same ones cannot deadlock.
    clients, names, order_ids, digests = zip(*sorted(wanted, key=lambda one: one[:2]), strict=True)
    columns = {"clients": list(clients), "names": list(names), "ids": list(order_ids), "digests": list(digests)}
    number = len({one[:2] for one in wanted})
    while True:
        tx.execute(_PROMISE, columns)
        # A separate statement, which sees what others committed while the one above waited for them. In between they
        # may also have withdrawn a promise that was in the way; then the next attempt takes its place.
        rows = tx.execute(_PROMISED, columns)
        found = {(row.client_id, row.client_order_id): Promise(row.order_id, bytes(row.digest)) for row in rows}
        if len(found) == number:
            return found


# The promises that a request names, locked in the order in which every process locks them.
_NAMED = (
    "WITH named AS MATERIALIZED (SELECT client_id, client_order_id FROM client_order_ids JOIN "
    "unnest(CAST(:clients AS text[]), CAST(:names AS text[])) AS named (client_id, client_order_id) "
    "USING (client_id, client_order_id) WHERE order_id = ANY(:ids) ORDER BY client_id, client_order_id FOR UPDATE) "
)
_IS_NAMED = (
    "WHERE (client_order_ids.client_id, client_order_ids.client_order_id) = (named.client_id, named.client_order_id)"
)
_SHARE = text(f"{_NAMED} UPDATE client_order_ids SET is_shared = true FROM named {_IS_NAMED}")  # noqa: S608
_WITHDRAW = text(f"{_NAMED} DELETE FROM client_order_ids USING named {_IS_NAMED} AND NOT is_shared")  # noqa: S608


def share(tx: Connection, promises: Mapping[tuple[str, str], int]) -> int:
    """Note that several requests rely on promises; return how many of these still exist.

    promises  order ids by client and client order id
    """
    return tx.execute(_SHARE, _columns_of(promises)).rowcount


# An insertion waits for a transaction that promises the same client order id and may yet commit.
_AWAIT = text(
    "INSERT INTO client_order_ids (client_id, client_order_id, order_id, digest) "
    "SELECT *, CAST('' AS bytea) FROM unnest(CAST(:clients AS text[]), CAST(:names AS text[]), "
    "CAST(:ids AS bigint[])) ON CONFLICT DO NOTHING"
)
# Those that the statement above has inserted.
_FORGET_AWAITED = text(
    "DELETE FROM client_order_ids USING unnest(CAST(:clients AS text[]), CAST(:names AS text[])) "
    "AS named (client_id, client_order_id) WHERE client_order_ids.digest = '' "
    "AND (client_order_ids.client_id, client_order_ids.client_order_id) = (named.client_id, named.client_order_id)"
)


def withdraw(tx: Connection, promises: Iterable[tuple[str, str, int]]) -> None:
    """Delete promises of orders that were never queued, except those on which another request relies.

    promises  at least one (client_id, client_order_id, order_id)
    """
    clients, names, order_ids = zip(*sorted(promises), strict=True)
    columns = {"clients": list(clients), "names": list(names), "ids": list(order_ids)}
    tx.execute(_AWAIT, columns)
    tx.execute(_WITHDRAW, columns)


def awaited_promises(tx: Connection, wanted: Iterable[tuple[str, str, int]]) -> dict[tuple[str, str], Promise]:
    """Return the promises of client order ids, after waiting for transactions that promise them and may yet commit.

    wanted   at least one (client_id, client_order_id, an order id that no other request has)
    returns  by client and client order id; those that are not promised are left out
    """
    clients, names, order_ids = zip(*sorted(wanted), strict=True)
    columns = {"clients": list(clients), "names": list(names), "ids": list(order_ids)}
    tx.execute(_AWAIT, columns)
    rows = tx.execute(_PROMISED, {"clients": list(clients), "names": list(names)})
    found = {(row.client_id, row.client_order_id): Promise(row.order_id, bytes(row.digest)) for row in rows}
    tx.execute(_FORGET_AWAITED, columns)
    return {name: promise for name, promise in found.items() if promise.digest}


def _columns_of(promises: Mapping[tuple[str, str], int]) -> dict[str, list[str] | list[int]]:
    clients, names = zip(*promises, strict=True)
    return {"clients": list(clients), "names": list(names), "ids": list(promises.values())}


def promised(tx: Connection, client_id: str, client_order_id: str) -> Promise | None:
    """Return the promise of a client order id; None when it was never used."""
    row = tx.execute(
        text(
            "SELECT order_id, digest FROM client_order_ids "
            "WHERE client_id = :client_id AND client_order_id = :client_order_id"
        ),
        {"client_id": client_id, "client_order_id": client_order_id},
    ).first()
    return Promise(row.order_id, bytes(row.digest)) if row else None


def order(tx: Connection, order_id: int) -> Order | None:
    """Return an order by its id; None when order entry has not seen it."""
    row = tx.execute(text(f"{_ORDER} FROM orders WHERE order_id = :order_id"), {"order_id": order_id}).first()
    return Order(*row) if row else None


def orders_page(
    tx: Connection,
    *,
    client_id: str | None,
    status: OrderFilter,
    security_id: str | None,
    before_order_id: int | None,
    limit: int,
) -> list[Order]:
    """Return at most `limit` orders, newest first.

    client_id        the client; None for all clients
    security_id      the security; None for all securities
    before_order_id  the last order id of the previous page; None for the first page
    """
    where = _FROM[status]
    if client_id is not None:
        where += " AND client_id = :client_id"
    if security_id is not None:
        where += " AND security_id = :security_id"
    if before_order_id is not None:
        where += " AND order_id < :before"
    rows = tx.execute(
        text(f"{_ORDER} {where} ORDER BY order_id DESC LIMIT :limit"),
        {"client_id": client_id, "security_id": security_id, "before": before_order_id, "limit": limit},
    )
    return [Order(*row) for row in rows]


def fills_page(
    tx: Connection, *, client_id: str | None, security_id: str | None, before_entry_id: int | None, limit: int
) -> list[Fill]:
    """Return at most `limit` settled fills, the last settled first; arguments as for `orders_page`."""
    where = "WHERE ledger.kind = 'trade'"
    if security_id is not None:
        where += " AND ledger.security_id = :security_id"
    if client_id is not None:
        # In the order in which the index finds an account's entries.
        where += " AND ledger.account = :client_id"
        order = "ledger.booked_us DESC, ledger.entry_id DESC"
        if before_entry_id is not None:
            where += (
                " AND ledger.booked_us <= (SELECT booked_us FROM ledger WHERE entry_id = :before)"
                " AND (ledger.booked_us, ledger.entry_id)"
                " < (SELECT booked_us, entry_id FROM ledger WHERE entry_id = :before)"
            )
    else:
        order = "ledger.entry_id DESC"
        if before_entry_id is not None:
            where += " AND ledger.entry_id < :before"
    rows = tx.execute(
        text(f"{_FILL} {where} ORDER BY {order} LIMIT :limit"),
        {"client_id": client_id, "security_id": security_id, "before": before_entry_id, "limit": limit},
    )
    return [Fill(*row) for row in rows]
