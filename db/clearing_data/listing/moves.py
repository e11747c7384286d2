"""Moves of securities from one shard to another: the lock under which one happens, and what is recorded of it."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, text


class SecurityMove(NamedTuple):
    """A move: the last command about a security in one log, and the first in the other."""

    security_id: str
    from_shard: int
    from_seq: int
    to_shard: int
    to_seq: int


_EVER = text(
    "SELECT security_id FROM securities WHERE shard = :shard "
    "UNION SELECT security_id FROM security_moves WHERE from_shard = :shard"
)
_LOCK_SECURITY = text(
    "SELECT shard FROM securities WHERE security_id = :security_id AND delisted_us IS NULL "
    "AND settlement_transfer_id IS NULL FOR UPDATE"
)
_LOCK_SHARDS = text("SELECT shard, last_seq FROM shards WHERE shard = ANY(:shards) ORDER BY shard FOR UPDATE")
_MOVE = text("UPDATE securities SET shard = :to_shard WHERE security_id = :security_id")
# Order entry compares this count, so that no command about the security follows in the old log.
_COUNT = text("UPDATE shards SET moves = moves + 1 WHERE shard = :from_shard")
_RECORD = text(
    "INSERT INTO security_moves (security_id, from_shard, from_seq, to_shard, to_seq, moved_us) "
    "VALUES (:security_id, :from_shard, :from_seq, :to_shard, :to_seq, :moved_us)"
)
_STILL_OPEN = text("""
    SELECT order_id FROM orders
    WHERE order_id = ANY(:order_ids) AND security_id = :security_id AND (
        status IN ('new', 'partially_filled')
        OR EXISTS (SELECT FROM pending_replaces WHERE pending_replaces.order_id = orders.order_id)
    ) ORDER BY order_id
""")


def ever_on_shard(tx: Connection, shard: int) -> set[str]:
    """Return the securities that are or were on a shard."""
    return set(tx.execute(_EVER, {"shard": shard}).scalars())


def shard_of(tx: Connection, security_id: str) -> int | None:
    """Return the shard of a security, which may move at any time; None if it was never listed."""
    query = text("SELECT shard FROM securities WHERE security_id = :security_id")
    shard: int | None = tx.execute(query, {"security_id": security_id}).scalar()
    return shard


def lock_security(tx: Connection, security_id: str) -> int | None:
    """Lock a security and return its shard; None if it does not trade any more."""
    shard: int | None = tx.execute(_LOCK_SECURITY, {"security_id": security_id}).scalar()
    return shard


def lock_shards(tx: Connection, *shards: int) -> dict[int, int]:
    """Lock shards, so that their logs stay as they are, and return the last command of each."""
    return {row.shard: row.last_seq for row in tx.execute(_LOCK_SHARDS, {"shards": list(shards)})}


def still_open(tx: Connection, security_id: str, order_ids: set[int]) -> list[int]:
    """Return the orders of a security among these that the register has as open."""
    return list(tx.execute(_STILL_OPEN, {"security_id": security_id, "order_ids": list(order_ids)}).scalars())


def record(tx: Connection, move: SecurityMove, *, now_us: int) -> None:
    """Put the security on its new shard. The caller holds the locks and has appended both commands."""
    values = {**move._asdict(), "moved_us": now_us}
    for statement in (_MOVE, _COUNT, _RECORD):
        tx.execute(statement, values)
