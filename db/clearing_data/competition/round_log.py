"""The part of the order log that is about one security of a round, read in parts without an index over the log."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from db.clearing_data.log import order_log
from tasks.messages import Command, decode_command, split_event_id

# Numbers of commands in a part; the commands of other securities among them are not read.
PART = 20_000
# Clocks of the exchange's hosts may differ by this, and a step takes a moment to begin [us].
_MARGIN_US = 60_000_000


class RoundLog(NamedTuple):
    """The place of a round in the log of a shard: its listing, the last command before it, and its last command."""

    shard: int
    listed: tuple[int, Command]
    after_seq: int
    last_seq: int


_ENDED = "SELECT shard, settlement_event_id FROM securities WHERE security_id = %s AND settlement_event_id IS NOT NULL"
_SAMPLED = "SELECT min(sampled_us), max(sampled_us) FROM competition_samples WHERE competition = %s AND round = %s"
_LISTED = """
    SELECT seq, command FROM order_log WHERE shard = %s AND seq > %s AND seq <= %s AND command LIKE %s
    ORDER BY seq LIMIT 1
"""
_ONE = "SELECT command FROM order_log WHERE shard = %s AND seq = %s"
_ABOUT = """
    SELECT string_agg('[' || seq || ',' || command || ']', E'\\n' ORDER BY seq) FROM order_log
    WHERE shard = %s AND seq > %s AND seq <= %s
        AND (command LIKE %s OR command LIKE '["mass_cancel"%%' OR command LIKE '["expire"%%')
"""
_decode_lines = msgspec.json.Decoder(tuple[int, Command]).decode_lines


def find(tx: Connection, number: int, round_: int, security_id: str, *, created_us: int) -> RoundLog | None:
    """Return the place of a settled security's round; None if the security was never listed or is not settled."""
    ended = tx.exec_driver_sql(_ENDED, (security_id,)).first()
    if ended is None:
        return None
    shard, last_seq = ended[0], split_event_id(ended[1])[1]
    before = tx.exec_driver_sql(_SAMPLED, (number, round_ - 1)).one()[1]
    listing_seq = seq_at(tx, shard, (before or created_us) - _MARGIN_US)
    named = (shard, listing_seq - 1, last_seq, f'["list",%"{security_id}"%')
    row = tx.exec_driver_sql(_LISTED, named).first()
    if row is None:
        return None
    listed = row[0], decode_command(row[1])
    # While nothing has been sampled, such as in a round that was stopped at once, the round begins with the listing.
    began_us = tx.exec_driver_sql(_SAMPLED, (number, round_)).one()[0]
    after_seq = listed[0] if began_us is None else max(seq_at(tx, shard, began_us - _MARGIN_US) - 1, listed[0])
    return RoundLog(shard, listed, after_seq, last_seq)


def seq_at(tx: Connection, shard: int, time_us: int) -> int:
    """Return the first command of a shard at or after a time; one more than the last if there is none."""
    low, high = 1, order_log.last_seq(tx, shard) + 1
    while low < high:
        middle = (low + high) // 2
        command = decode_command(tx.exec_driver_sql(_ONE, (shard, middle)).scalar_one())
        low, high = (low, middle) if command.sequenced_us >= time_us else (middle + 1, high)
    return low


def part(tx: Connection, found: RoundLog, security_id: str, *, after_seq: int) -> list[tuple[int, Command]]:
    """Return the commands about a security among the next PART numbers, and those that name no security."""
    up_to = min(after_seq + PART, found.last_seq)
    lines = tx.exec_driver_sql(_ABOUT, (found.shard, after_seq, up_to, f'%"{security_id}"%')).scalar_one()
    commands: list[tuple[int, Command]] = _decode_lines(lines) if lines else []
    return [one for one in commands if getattr(one[1], "security_id", security_id) == security_id]
