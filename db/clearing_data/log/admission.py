"""Reads and writes of order entry in its one transaction.

All transactions take locks in one order: accounts by name, then securities by name if any change, then shards by
number. The lock on a client's account row also permits changes to its orders and holdings. Order entry never locks
DTCC and EXCHANGE for an order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from db.clearing_data.log import waiting_replaces
from db.clearing_data.rows import Holding
from db.clearing_data.tables import DTCC, EXCHANGE, ORDER_ID_BLOCK
from db.statements import Statements
from tasks.messages import Command, PlaceOrder, ReplaceRequest, decode_command, encode_command
from tasks.order_entry.rules.rows import (
    ANY_ORDER,
    CancelMark,
    EntryAccount,
    KnownOrder,
    OrderRow,
    RegisteredOrder,
    Sequenced,
)
from tasks.order_entry.rules.terms import TERMS
from tasks.shared.rules.securities import Security


class Known(NamedTuple):
    """The data that every batch needs: its clients' accounts, locked, the holdings of sellers, the listed securities.

    It also has requests of these clients that arrived before their orders: marks of cancels, and waiting replacements;
    and how many securities have left each shard so far.
    """

    accounts: list[EntryAccount]
    holdings: list[Holding]
    securities: list[Security]
    cancel_marks: list[CancelMark]
    waiting: list[ReplaceRequest]
    moves: dict[int, int]


class SecurityMoved(Exception):
    """A security has left its shard since it was read; the transaction must be rolled back and repeated."""


_LOCK_ACCOUNTS = "SELECT FROM accounts WHERE client_id = ANY($1) ORDER BY client_id FOR UPDATE"

# All of it in one table, because a round trip has one answer. Holdings must be read after the locks were granted, in a
# separate statement, because a statement sees only what was committed before it began to wait; so accounts are read
# here, too.
_NOTHING = "NULL::bigint, NULL::bigint, NULL::bigint"
_READ = f"""
    SELECT 'account', client_id, CASE WHEN buy_in_us IS NOT NULL AND state = 'open' THEN 'buy_in' ELSE state END,
        balance_cents - held_cents - collateral_cents, open_orders, collateral_cents,
        max_order_quantity, max_order_notional_cents, max_open_orders, max_position, short_limit, competition
    FROM accounts WHERE client_id = ANY($1)
    UNION ALL
    SELECT 'holding', client_id, security_id, shares, held,
        borrowed, located, sold_cents, NULL::bigint, {_NOTHING}
    FROM holdings WHERE client_id = ANY($2)
    UNION ALL
    SELECT 'mark', client_id, security_id, order_id, before_us, shard,
        CASE side WHEN '' THEN 0 WHEN 'buy' THEN 1 ELSE 2 END, NULL::bigint, NULL::bigint, {_NOTHING}
    FROM cancel_marks WHERE client_id = ANY($1) AND order_id = 0 AND before_us > $3
    UNION ALL
    SELECT 'mark', client_id, security_id, order_id, before_us, shard, 0, NULL::bigint, NULL::bigint, {_NOTHING}
    FROM cancel_marks WHERE client_id = ANY($1) AND order_id BETWEEN $4 AND $5 AND before_us > $3
    UNION ALL
    SELECT 'waiting', client_id, request, NULL::bigint, NULL::bigint,
        NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, {_NOTHING}
    FROM waiting_replaces WHERE client_id = ANY($1)
    UNION ALL
    SELECT 'shard', NULL, NULL, shard, moves, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, {_NOTHING}
    FROM shards
    UNION ALL
    SELECT 'security', security_id, phase, shard, tick_cents, min_price_cents, max_price_cents, issued_shares,
        price_cents, maker_fee_ppm, taker_fee_ppm, competition
    FROM securities LEFT JOIN last_prices USING (security_id)
    WHERE delisted_us IS NULL
"""  # noqa: S608 - the text is ours
_READ_NAMED = f"{_READ} AND security_id = ANY($6)"


# Later than the time of any request.
NEVER_US = 2**53
_SIDES = ("", "buy", "sell")


def lock_and_read(
    statements: Statements,
    client_ids: Collection[str],
    sellers: Collection[str],
    *,
    earliest_us: int = NEVER_US,
    order_ids: tuple[int, int] = (1, 0),
    security_ids: Collection[str] | None = None,
) -> Known:
    """Lock the existing accounts of these clients until the end of the transaction, and read what a batch needs.

    statements    waiting statements run first
    sellers       the clients whose holdings are needed
    earliest_us   when the api accepted the oldest order of the batch: older marks apply to none of its orders
    order_ids     the lowest and the highest of the batch, so that invented ids in cancels cost other clients nothing
    security_ids  the securities needed, so that many listed ones cost nothing; None for all
    """
    clients = [client_id for client_id in client_ids if client_id not in (DTCC, EXCHANGE)]
    statements.add_prepared("lock_accounts", _LOCK_ACCOUNTS, (clients,))
    needed = (clients, list(sellers), earliest_us, *order_ids)
    if security_ids is None:
        statements.add_prepared("read_batch", _READ, needed)
    else:
        statements.add_prepared("read_batch_of_securities", _READ_NAMED, (*needed, list(security_ids)))
    known = Known([], [], [], [], [], {})
    for kind, name, other, *numbers in statements.run():
        if kind == "account":
            known.accounts.append(EntryAccount(name, numbers[0], numbers[1], other, *numbers[2:9]))
        elif kind == "holding":
            known.holdings.append(Holding(name, other, *numbers[:5]))
        elif kind == "waiting":
            known.waiting.append(waiting_replaces.decode(other))
        elif kind == "shard":
            known.moves[numbers[0]] = numbers[1]
        elif kind == "mark":
            order_id, before_us, shard, side = numbers[:4]
            known.cancel_marks.append(CancelMark(name, order_id, shard, other, _SIDES[side], before_us))
        else:
            known.securities.append(Security(*(name, *numbers[:8], other, None, None, None, None, numbers[8])))
    return known


def known_orders(tx: Connection, order_ids: Collection[int]) -> dict[int, KnownOrder]:
    """Return the orders among these that order entry has seen, by order id; open ones are in `open_orders`."""
    if not order_ids:
        return {}
    rows = tx.exec_driver_sql(
        "SELECT order_id, client_id, security_id, status IN ('new', 'partially_filled') "
        "OR EXISTS (SELECT 1 FROM pending_replaces WHERE pending_replaces.order_id = orders.order_id), buy_in "
        "FROM orders WHERE order_id = ANY(%s)",
        (list(order_ids),),
    )
    return {order_id: KnownOrder(*rest) for order_id, *rest in rows}


def issued_below(tx: Connection) -> int:
    """Return a number above every order id issued so far."""
    query = "SELECT CASE WHEN is_called THEN last_value + %s ELSE last_value END FROM order_ids"
    below: int = tx.exec_driver_sql(query, (ORDER_ID_BLOCK,)).scalar_one()
    return below


def taken_client_order_ids(tx: Connection, wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the pairs (client_id, client_order_id) among these that orders in the register have."""
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
    """Return the commands among these that the log contains, by command id."""
    if not command_ids:
        return {}
    rows = tx.exec_driver_sql(
        "SELECT command_id, shard, seq, command FROM order_log WHERE command_id = ANY(%s)", (list(command_ids),)
    )
    return {row.command_id: Sequenced(row.shard, row.seq, decode_command(row.command)) for row in rows}


def denied(tx: Connection, command_ids: Collection[int]) -> dict[int, str]:
    """Return the reasons of the denied requests among these, by their numbers."""
    if not command_ids:
        return {}
    rows = tx.exec_driver_sql("SELECT command_id, reason FROM denials WHERE command_id = ANY(%s)", (list(command_ids),))
    return {row.command_id: row.reason for row in rows}


def registered(tx: Connection, order_ids: Collection[int]) -> dict[int, RegisteredOrder]:
    """Return the orders among these that the register contains, by order id."""
    if not order_ids:
        return {}
    rows = tx.exec_driver_sql(
        f"SELECT order_id, client_id, created_us, {', '.join(TERMS)} FROM orders WHERE order_id = ANY(%s)",  # noqa: S608  # columns
        (list(order_ids),),
    )
    return {
        order_id: RegisteredOrder(client_id, tuple(terms), created_us)
        for order_id, client_id, created_us, *terms in rows
    }


def register(statements: Statements, orders: Sequence[OrderRow]) -> None:
    """Insert orders; raises psycopg2.errors.UniqueViolation when an order or its client order id exists already."""
    statements.insert("orders", OrderRow.__struct_fields__, orders)
    opened = [(order.client_id, order.order_id, order.expires_us) for order in orders if order.status == "new"]
    statements.insert("open_orders", ("client_id", "order_id", "expires_us"), opened)


def deny(statements: Statements, denials: Sequence[tuple[int, str, int, str | None, int | None, int | None]]) -> None:
    """Insert (command id, reason, time [us since 1970, UTC], report in JSON, needed, available); raises as `register`.

    needed, available  the shortfall [cents or shares]
    """
    statements.insert("denials", ("command_id", "reason", "denied_us", "report", "needed", "available"), denials)


def shards(tx: Connection) -> dict[int, int]:
    """Return all shards, and how many securities have left each."""
    return {row.shard: row.moves for row in tx.exec_driver_sql("SELECT shard, moves FROM shards")}


_MARK_CANCELLED = """
    INSERT INTO cancel_marks AS mark (client_id, order_id, shard, security_id, side, before_us)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::bigint[])
    ON CONFLICT (client_id, order_id, shard, security_id, side)
    DO UPDATE SET before_us = greatest(mark.before_us, excluded.before_us)
"""


def mark_cancelled(statements: Statements, marks: Collection[CancelMark]) -> None:
    """Insert marks, all with different keys, for orders that arrive after their cancels."""
    if marks:
        columns = [list(column) for column in zip(*marks, strict=True)]
        statements.add_prepared("mark_cancelled", _MARK_CANCELLED, columns)


def forget_cancel_marks(tx: Connection, *, before_us: int) -> None:
    """Delete marks of single orders whose cancels the api accepted before a time; those of mass cancels stay few."""
    tx.exec_driver_sql("DELETE FROM cancel_marks WHERE order_id <> %s AND before_us < %s", (ANY_ORDER, before_us))


_HOLD_CASH = """
    UPDATE accounts SET held_cents = held_cents + more.cents, open_orders = open_orders + more.orders
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS more (client_id, cents, orders)
    WHERE accounts.client_id = more.client_id
"""


def hold_cash(statements: Statements, holds: Mapping[str, tuple[int, int]]) -> None:
    """Hold cash and count open orders; for each client (additional cents, additional orders)."""
    if holds:
        cents, orders = zip(*holds.values(), strict=True)
        statements.add_prepared("hold_cash", _HOLD_CASH, (list(holds), list(cents), list(orders)))


_HOLD_SHARES = """
    UPDATE holdings SET held = held + more.shares
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS more (client_id, security_id, shares)
    WHERE holdings.client_id = more.client_id AND holdings.security_id = more.security_id
"""


def hold_shares(statements: Statements, holds: Mapping[tuple[str, str], int]) -> None:
    """Hold additional shares, by client and security."""
    if holds:
        clients, securities = zip(*holds, strict=True)
        statements.add_prepared("hold_shares", _HOLD_SHARES, (list(clients), list(securities), list(holds.values())))


# Other workers wait for the numbers of a shard until the end of the transaction, so that there is no gap; and all
# lock the shards in the same order.
_TAKE_NUMBERS = """
    WITH locked AS MATERIALIZED (SELECT shard FROM shards WHERE shard = ANY($1) ORDER BY shard FOR UPDATE)
    UPDATE shards SET last_seq = last_seq + more.commands
    FROM locked JOIN unnest($1::smallint[], $2::bigint[]) AS more (shard, commands) USING (shard)
    WHERE shards.shard = locked.shard RETURNING shards.shard, last_seq, moves
"""


def append(
    statements: Statements,
    commands: Mapping[int, list[Command]],
    asked: Mapping[int, tuple[int, str | None]] | None = None,
    *,
    moves: Mapping[int, int] | None = None,
) -> dict[int, int]:
    """Append commands to the logs of their shards, after running the statements that are queued.

    If the commands are few, the next statement that runs sends them along.
    commands  by shard, in their order
    asked     by number, for commands that are not orders: when the api accepted them [us since 1970, UTC], and the
              security that a mass cancel names
    moves     how many securities had left each shard when the caller read which shard has which; None if that cannot
              have changed
    returns   by shard, the number of the first command; the others follow without a gap
    raises    SecurityMoved                    another one has left since
              psycopg2.errors.UniqueViolation  here or when they run: a command is in the log already
              KeyError                         there is no such shard
    """
    if not commands:
        statements.run()
        return {}
    counts = [len(batch) for batch in commands.values()]
    statements.add_prepared("take_numbers", _TAKE_NUMBERS, (list(commands), counts))
    last = {}
    for shard, last_seq, moved in statements.run():
        if moves is not None and moved != moves[shard]:
            raise SecurityMoved
        last[shard] = last_seq
    first = {shard: last[shard] - len(batch) + 1 for shard, batch in commands.items()}
    rows = [
        (shard, seq, _number_of(command), encode_command(command))
        for shard, batch in commands.items()
        for seq, command in enumerate(batch, first[shard])
    ]
    columns: tuple[str, ...] = ("shard", "seq", "command_id", "command")
    if asked:
        nothing = (None, None)
        statements.insert(
            "order_log",
            (*columns, "received_us", "named_security"),
            [(*row, *asked.get(row[2], nothing)) for row in rows],
        )
    else:
        statements.insert("order_log", columns, rows)
    return first


def _number_of(command: Command) -> int:
    return command.order_id if isinstance(command, PlaceOrder) else command.command_id
