"""Reading the order log, the truth of a shard: its commands in the order of their numbers."""

from __future__ import annotations

from sqlalchemy import Connection, text

from tasks.messages import Command, decode_command

_COMMANDS = text(
    "SELECT seq, command FROM order_log WHERE shard = :shard AND seq > :after_seq ORDER BY seq LIMIT :limit"
)


def read_commands(tx: Connection, shard: int, *, after_seq: int, limit: int) -> list[tuple[int, Command]]:
    """Up to `limit` commands of a shard after `after_seq`, each with its number.

    The numbers are contiguous as long as the log is whole: order entry appends under the lock of the shard's row.
    raises  msgspec.ValidationError  a row is not a command
    """
    rows = tx.execute(_COMMANDS, {"shard": shard, "after_seq": after_seq, "limit": limit})
    return [(seq, decode_command(command)) for seq, command in rows]


def last_seq(tx: Connection, shard: int) -> int:
    """The number of the last command of a shard, 0 when it has none.

    raises  sqlalchemy.exc.NoResultFound  there is no such shard
    """
    number: int = tx.execute(text("SELECT last_seq FROM shards WHERE shard = :shard"), {"shard": shard}).scalar_one()
    return number
