"""Writes commands to the order log as order entry does, and sends their messages."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text

from celery_app.publisher import Publisher
from celery_app.topology import matching_queue
from db.connect import Database, copy_rows
from tasks.messages import Command, CommandBatch, PlaceOrder, encode_command


def append(clearing_data: Database, shard: int, commands: Sequence[Command]) -> int:
    """Append commands to the log of a shard, and return the number of the first one."""
    with clearing_data.transaction() as tx:
        head = text("SELECT last_seq FROM shards WHERE shard = :shard FOR UPDATE")
        last_seq: int = tx.execute(head, {"shard": shard}).scalar_one()
        rows = [
            (
                shard,
                seq,
                command.order_id if isinstance(command, PlaceOrder) else command.command_id,
                encode_command(command),
            )
            for seq, command in enumerate(commands, last_seq + 1)
        ]
        copy_rows(tx, "order_log", ("shard", "seq", "command_id", "command"), rows)
        move = text("UPDATE shards SET last_seq = last_seq + :count WHERE shard = :shard")
        tx.execute(move, {"count": len(commands), "shard": shard})
    return last_seq + 1


def ring(publisher: Publisher, shard: int, first_seq: int, commands: Sequence[Command]) -> None:
    """Send the message of commands in the log."""
    publisher.send(matching_queue(shard), CommandBatch(shard, first_seq, list(commands)), size=len(commands))
