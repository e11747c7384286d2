"""The tables of the order log, and of how far the stages behind it have come."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Sequence,
    SmallInteger,
    Table,
    text,
)

from db.clearing_data.tables.base import Text, metadata

# Ids of orders and of all other commands: one series, issued to the api processes in blocks.
ORDER_ID_BLOCK = 1_000
order_ids = Sequence("order_ids", metadata=metadata, start=1, increment=ORDER_ID_BLOCK)

# The head of each shard's log; its row lock makes the numbers contiguous.
shards = Table(
    "shards",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("last_seq", BigInteger, nullable=False, server_default=text("0")),
    # How many securities have left the shard: order entry notices one that leaves while it decides.
    Column("moves", BigInteger, nullable=False, server_default=text("0")),
)

# Securities that have moved to another shard: the last command about each in one log, and the first in the other.
security_moves = Table(
    "security_moves",
    metadata,
    Column("from_shard", SmallInteger, nullable=False),
    Column("to_shard", SmallInteger, primary_key=True),
    Column("from_seq", BigInteger, nullable=False),
    Column("to_seq", BigInteger, nullable=False),
    Column("moved_us", BigInteger, nullable=False),
    Column("security_id", Text, primary_key=True),
    CheckConstraint("from_shard < to_shard", name="security_moves_upwards"),
)

# The truth. `command` is a line of JSON as tasks.messages.encode_command writes it. For a command that is not an order,
# the last two columns have further contents of its report: when the api accepted it, and the security that a mass
# cancel named, if any.
order_log = Table(
    "order_log",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("command_id", BigInteger, nullable=False, unique=True),
    Column("command", Text, nullable=False),
    Column("received_us", BigInteger),
    Column("named_security", Text),
)

# Requests that order entry denied, so that a repeated request is denied again. `report` is the message to the feed in
# JSON, to be sent again if it is lost; None for a halt, and in rows from before this column existed. `needed` and
# `available` say what was short [cents or shares], where something was.
denials = Table(
    "denials",
    metadata,
    Column("command_id", BigInteger, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("denied_us", BigInteger),
    Column("report", Text),
    Column("needed", BigInteger),
    Column("available", BigInteger),
    # Denials are inserted nearly in the order of time, so a summary of every few pages finds the latest.
    Index(
        "denials_by_time",
        "denied_us",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 8, "autosummarize": "on"},
    ),
)

# Messages of order entry that were delivered several times and never acknowledged: `attempts` counts the workers that
# began to handle the message alone.
suspects = Table(
    "suspects",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("last_us", BigInteger, nullable=False),
)

# State of a shard's books after command `seq`, compressed; see db.clearing_data.snapshots.
snapshots = Table(
    "snapshots",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("state_hash", Text, nullable=False),
    Column("checksum", LargeBinary, nullable=False),  # SHA-256 of body
    Column("body", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

# The command up to which a shard's events are known to be on the queues of the next stages.
published_marks = Table(
    "published_marks",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

# The events that order execution has handled: the intervals that the messages of the engines cover, see
# tasks.shared.rules.coverage. Each batch adds rows in the transaction that settles it, so no batch waits for another;
# the rows are merged once a second.
coverage = Table(
    "coverage",
    metadata,
    Column("shard", SmallInteger, nullable=False),
    Column("from_event", BigInteger, nullable=False),
    Column("to_event", BigInteger, nullable=False),  # exclusive
    Column("stage", Text, nullable=False),  # the sender of the messages
    CheckConstraint("from_event < to_event", name="coverage_interval"),
)
