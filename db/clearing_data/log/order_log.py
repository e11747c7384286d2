"""Reads the order log, the truth of a shard: its commands in the order of their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, text

from tasks.messages import Command, decode_command

# A page comes as one text of lines, which is decoded at once: row by row took twice the time.
_COMMANDS = text(
    "SELECT string_agg('[' || seq || ',' || command || ']', E'\\n') FROM "
    "(SELECT seq, command FROM order_log WHERE shard = :shard AND seq > :after_seq ORDER BY seq LIMIT :limit) AS page"
)
_DIGEST = text(
    "SELECT sha256(convert_to(string_agg(command || E'\\n', ''), 'UTF8')) FROM "
    "(SELECT command FROM order_log WHERE shard = :shard AND seq BETWEEN :first_seq AND :last_seq ORDER BY seq) AS page"
)

_decode_lines = msgspec.json.Decoder(tuple[int, Command]).decode_lines
_encode_lines = msgspec.json.Encoder().encode_lines


def read_commands(tx: Connection, shard: int, *, after_seq: int, limit: int) -> list[tuple[int, Command]]:
    """Return up to `limit` commands of a shard after `after_seq`, each with its number.

    The numbers of an intact log are contiguous: order entry appends under the lock of the shard's row.
    raises  msgspec.MsgspecError  a row is not a command
    """
    page: str | None = tx.execute(_COMMANDS, {"shard": shard, "after_seq": after_seq, "limit": limit}).scalar_one()
    return _decode_lines(page) if page else []


def commands_between(tx: Connection, shard: int, *, first_seq: int, last_seq: int) -> list[Command]:
    """Return the commands of a shard from one number to another. Raises as `read_commands`."""
    commands = read_commands(tx, shard, after_seq=first_seq - 1, limit=last_seq - first_seq + 1)
    return [command for _, command in commands]


def lines(commands: Iterable[Command]) -> bytes:
    """Return commands as the log stores them, each on a line."""
    return _encode_lines(commands)


def digest(tx: Connection, shard: int, *, first_seq: int, last_seq: int) -> bytes:
    """Return the SHA-256 of the log's lines from one number to another; b"" when there are no lines."""
    found = tx.execute(_DIGEST, {"shard": shard, "first_seq": first_seq, "last_seq": last_seq}).scalar_one()
    return bytes(found or b"")


def commands_of(tx: Connection, command_ids: Sequence[int]) -> dict[int, Command]:
    """Return the commands among these that are in a log, by their numbers. Raises as `read_commands`."""
    rows = tx.execute(
        text("SELECT command_id, command FROM order_log WHERE command_id = ANY(:ids)"), {"ids": command_ids}
    )
    return {command_id: decode_command(command) for command_id, command in rows}


def is_standby(tx: Connection) -> bool:
    """Return whether the server is a standby, which may not have the latest commits yet."""
    found: bool = tx.execute(text("SELECT pg_is_in_recovery()")).scalar_one()
    return found


def last_seq(tx: Connection, shard: int) -> int:
    """Return the number of the last command of a shard, 0 for an empty log.

    raises  sqlalchemy.exc.NoResultFound  there is no such shard
    """
    number: int = tx.execute(text("SELECT last_seq FROM shards WHERE shard = :shard"), {"shard": shard}).scalar_one()
    return number
