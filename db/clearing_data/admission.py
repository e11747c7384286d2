"""What order entry reads and writes in its one transaction.

Locks are taken in one order by everyone: accounts by name, then securities by name where one is halted or resumed, then
shards by number. Whoever holds a client's account row may change its orders and holdings. DTCC and EXCHANGE are never
locked on the way of an order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection

from db.clearing_data.entry_rows import EntryAccount, OrderRow, Sequenced
from db.clearing_data.rows import Holding, KnownOrder
from db.clearing_data.tables import DTCC, EXCHANGE, ORDER_ID_BLOCK
from db.connect import copy_rows
from tasks.messages import Command, PlaceOrder, decode_command, encode_command


def lock_accounts(tx: Connection, client_ids: Collection[str]) -> list[EntryAccount]:
    """The accounts of these clients that exist, locked until the end of the transaction."""
    rows = tx.exec_driver_sql(
        "SELECT client_id, balance_cents - held_cents, open_orders, state FROM accounts "
        "WHERE client_id = ANY(%s) ORDER BY client_id FOR UPDATE",
        ([client_id for client_id in client_ids if client_id not in (DTCC, EXCHANGE)],),
    )
    return [EntryAccount(*row) for row in rows]


def holdings(tx: Connection, client_ids: Collection[str]) -> list[Holding]:
    """What these clients, whose accounts are locked, hold."""
    if not client_ids:
        return []
    rows = tx.exec_driver_sql(
        "SELECT client_id, security_id, shares, held FROM holdings WHERE client_id = ANY(%s)", (list(client_ids),)
    )
    return [Holding(*row) for row in rows]


def known_orders(tx: Connection, order_ids: Collection[int]) -> dict[int, KnownOrder]:
    """Those of these orders that order entry has seen, by order id; see db.clearing_data.open_orders for open ones."""
    if not order_ids:
        return {}
    rows = tx.exec_driver_sql(
        "SELECT order_id, client_id, security_id, status IN ('new', 'partially_filled') "
        "OR EXISTS (SELECT 1 FROM pending_replaces WHERE pending_replaces.order_id = orders.order_id) "
        "FROM orders WHERE order_id = ANY(%s)",
        (list(order_ids),),
    )
    return {order_id: KnownOrder(*rest) for order_id, *rest in rows}


def issued_below(tx: Connection) -> int:
    """Every order id that was given out up to now is below this number."""
    query = "SELECT CASE WHEN is_called THEN last_value + %s ELSE last_value END FROM order_ids"
    below: int = tx.exec_driver_sql(query, (ORDER_ID_BLOCK,)).scalar_one()
    return below


def taken_client_order_ids(tx: Connection, wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these (client_id, client_order_id) that orders in the register have."""
    if not wanted:
        return set()
    clients, names = zip(*wanted, strict=True)
    rows = tx.exec_driver_sql(
        "SELECT client_id, client_order_id FROM orders JOIN unnest(%s::text[], %s::text[]) "
        "AS wanted (client_id, client_order_id) USING (client_id, client_order_id)",
        (list(clients), list(names)),
    )
    return {(row.client_id, row.client_order_id) for row in rows}


def sequenced(tx: Connection, command_ids: Collection[int]) -> dict[int, Sequenced]:
    """Those of these commands that the log holds, by command id."""
    if not command_ids:
        return {}
    rows = tx.exec_driver_sql(
        "SELECT command_id, shard, seq, command FROM order_log WHERE command_id = ANY(%s)", (list(command_ids),)
    )
    return {row.command_id: Sequenced(row.shard, row.seq, decode_command(row.command)) for row in rows}


def denied(tx: Connection, command_ids: Collection[int]) -> dict[int, str]:
    """The reasons of those of these requests that were denied, by their numbers."""
    if not command_ids:
        return {}
    rows = tx.exec_driver_sql("SELECT command_id, reason FROM denials WHERE command_id = ANY(%s)", (list(command_ids),))
    return {row.command_id: row.reason for row in rows}


def register(tx: Connection, orders: Sequence[OrderRow]) -> None:
    """Insert orders; raises psycopg2.errors.UniqueViolation when one, or its client order id, is there already."""
    if orders:
        copy_rows(tx, "orders", OrderRow.__struct_fields__, orders)
    opened = [(order.client_id, order.order_id) for order in orders if order.status == "new"]
    if opened:
        copy_rows(tx, "open_orders", ("client_id", "order_id"), opened)


def deny(tx: Connection, denials: Sequence[tuple[int, str]]) -> None:
    """Insert (command id, reason); raises as `register`."""
    if denials:
        copy_rows(tx, "denials", ("command_id", "reason"), denials)


def shards(tx: Connection) -> set[int]:
    """The shards that there are."""
    return {row.shard for row in tx.exec_driver_sql("SELECT shard FROM shards")}


def set_halts(tx: Connection, halts: Mapping[str, bool]) -> None:
    """Halt the trading of securities, or resume it; the last one to write is the last one in the log."""
    for security_id in sorted(halts):
        tx.exec_driver_sql(
            "UPDATE securities SET halted = %s WHERE security_id = %s", (halts[security_id], security_id)
        )


def hold_cash(tx: Connection, holds: Mapping[str, tuple[int, int]]) -> None:
    """Hold cash and count open orders; for each client (cents more, orders more)."""
    if not holds:
        return
    cents, orders = zip(*holds.values(), strict=True)
    tx.exec_driver_sql(
        "UPDATE accounts SET held_cents = held_cents + more.cents, open_orders = open_orders + more.orders "
        "FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS more (client_id, cents, orders) "
        "WHERE accounts.client_id = more.client_id",
        (list(holds), list(cents), list(orders)),
    )


def hold_shares(tx: Connection, holds: Mapping[tuple[str, str], int]) -> None:
    """Hold shares; for each client and security how many more."""
    if not holds:
        return
    clients, securities = zip(*holds, strict=True)
    tx.exec_driver_sql(
        "UPDATE holdings SET held = held + more.shares "
        "FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS more (client_id, security_id, shares) "
        "WHERE holdings.client_id = more.client_id AND holdings.security_id = more.security_id",
        (list(clients), list(securities), list(holds.values())),
    )


def append(tx: Connection, commands: Mapping[int, list[Command]]) -> dict[int, int]:
    """Append commands to the logs of their shards.

    commands  by shard, in their order
    returns   by shard, the number of the first one; the others follow without a gap
    raises    psycopg2.errors.UniqueViolation  a command is in the log already
    """
    if not commands:
        return {}
    first = {shard: _take_numbers(tx, shard, len(commands[shard])) for shard in sorted(commands)}
    copy_rows(
        tx,
        "order_log",
        ("shard", "seq", "command_id", "command"),
        (
            (shard, seq, _number_of(command), encode_command(command))
            for shard, batch in commands.items()
            for seq, command in enumerate(batch, first[shard])
        ),
    )
    return first


def _take_numbers(tx: Connection, shard: int, count: int) -> int:
    """The next numbers of a shard's log; others wait for the end of the transaction, so that there is no gap."""
    last: int = tx.exec_driver_sql(
        "UPDATE shards SET last_seq = last_seq + %s WHERE shard = %s RETURNING last_seq", (count, shard)
    ).scalar_one()
    return last - count + 1


def _number_of(command: Command) -> int:
    return command.order_id if isinstance(command, PlaceOrder) else command.command_id
