"""The tables of `market_data`: what the feed stores of the reports of the other stages.

Reports, three rows for each order, are the bulk of the data, so their columns were chosen by measurement: comparing
names byte by byte (collation C) instead of by the rules of a language saves a fifth of the cost of storing them.

Reports, trades, prices and the candles of a second are partitioned by the day on which they happened, so that old ones
can be dropped; db.market_data.partitions creates the partitions. The time is in the message and the same in every copy
of it, so duplicates meet in one partition, and the time may be part of the key.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    event,
    text,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.dialects.postgresql import ARRAY

metadata = MetaData()

Text = AnyText(collation="C")


def _with_partitions(table: Table, *partitions: str) -> None:
    """Create partitions together with a table; rows of days without a partition go to the default one."""
    for partition in partitions:
        event.listen(table, "after_create", DDL(f"CREATE TABLE {partition}"))


# Reports as clients read them. `sequence` counts a client's reports from 1 without a gap. `report_id` is the number of
# the request or event, and for a settlement the negative number of its event: no two reports of an order share it.
reports = Table(
    "reports",
    metadata,
    Column("order_id", BigInteger, primary_key=True),
    Column("report_id", BigInteger, primary_key=True),
    Column("event_type", Text, nullable=False),  # order, trade, settlement
    Column("confirmed", Boolean, nullable=False),  # or else denied
    Column("client_id", Text, nullable=False),
    Column("security_id", Text, nullable=False),
    Column("side", Text),  # None in the answer to a cancel or a replacement, like terms that this does not name
    Column("quantity", BigInteger),
    Column("price_cents", BigInteger),  # None for a market order as well
    Column("reason", Text),
    Column("sequence", BigInteger, nullable=False),
    # When the api took the request, or the time in the event.
    Column("event_us", BigInteger, primary_key=True),
    Column("sent_us", BigInteger, nullable=False),  # when the stage sent the report to the feed
    Column("stored_us", BigInteger, nullable=False),  # when it was sent to Postgres, as the last of its batch
    Column("began_us", BigInteger),  # when the stage's batch that made it began
    Column("asked_us", BigInteger),  # of order entry's: when the api had sent the request
    Column("taken_us", BigInteger),  # when the feed's batch that stored it began
    Index("reports_by_client", "client_id", "sequence"),
    postgresql_partition_by="RANGE (event_us)",
)
_with_partitions(reports, "reports_default PARTITION OF reports DEFAULT")

report_heads = Table(
    "report_heads",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 50},
)

# `sequence` counts the trades of a security from 1, as the engine does; so a trade stored twice is one row.
trades = Table(
    "trades",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("event_id", BigInteger, nullable=False),
    Column("price_cents", BigInteger, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("aggressor_side", Text),  # None of a trade in an auction
    Column("traded_us", BigInteger, primary_key=True),
    postgresql_partition_by="RANGE (traded_us)",
)
_with_partitions(trades, "trades_default PARTITION OF trades DEFAULT")

# The head of each security's book; its row is locked while levels change. `price_sequence` counts the price updates
# that were sent, `update_sequence` is the engine's number of the last change of the book. Changes up to
# `floor_sequence` have no effect any more: a snapshot replaced them, or the levels they removed are forgotten.
books = Table(
    "books",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("update_sequence", BigInteger, nullable=False, server_default=text("0")),
    Column("floor_sequence", BigInteger, nullable=False, server_default=text("0")),
    Column("price_sequence", BigInteger, nullable=False, server_default=text("0")),
    Column("bid_cents", BigInteger),
    Column("ask_cents", BigInteger),
    Column("last_cents", BigInteger),
    Column("updated_us", BigInteger, nullable=False, server_default=text("0")),
    postgresql_with={"fillfactor": 50},
)

# Absolute quantities. A removed level stays with quantity 0 for a while, so that an older update that arrives late
# does not bring it back.
book_levels = Table(
    "book_levels",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("side", Text, primary_key=True),
    Column("price_cents", BigInteger, primary_key=True),
    Column("quantity", BigInteger, nullable=False),
    Column("orders", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 70},
)

prices = Table(
    "prices",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("bid_cents", BigInteger),
    Column("ask_cents", BigInteger),
    Column("last_cents", BigInteger),
    Column("updated_us", BigInteger, primary_key=True),
    postgresql_partition_by="RANGE (updated_us)",
)
_with_partitions(prices, "prices_default PARTITION OF prices DEFAULT")

candles = Table(
    "candles",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("interval_s", Integer, primary_key=True),
    Column("start_s", BigInteger, primary_key=True),  # seconds since 1970
    Column("open_cents", BigInteger, nullable=False),
    Column("high_cents", BigInteger, nullable=False),
    Column("low_cents", BigInteger, nullable=False),
    Column("close_cents", BigInteger, nullable=False),
    Column("volume", BigInteger, nullable=False),
    Column("first_sequence", BigInteger, nullable=False),  # of the trades that open and close it
    Column("last_sequence", BigInteger, nullable=False),
    postgresql_partition_by="LIST (interval_s)",
)
_with_partitions(
    candles,
    "candles_1s PARTITION OF candles FOR VALUES IN (1) PARTITION BY RANGE (start_s)",
    "candles_1s_default PARTITION OF candles_1s DEFAULT WITH (fillfactor = 70)",
    "candles_wide PARTITION OF candles DEFAULT WITH (fillfactor = 70)",
)

# The phase of each security, and what its auction would lead to; `sequence` counts their changes.
phases = Table(
    "phases",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("event_id", BigInteger, nullable=False),  # of two phases the one with the higher id counts
    Column("ends_us", BigInteger),
    Column("changed_us", BigInteger, nullable=False),
    Column("phase", Text, nullable=False),
    Column("cause", Text),
    postgresql_with={"fillfactor": 50},
)

auctions = Table(
    "auctions",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("price_cents", BigInteger),  # None while nothing would trade
    Column("volume", BigInteger, nullable=False),
    Column("surplus", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("surplus_side", Text),
    postgresql_with={"fillfactor": 50},
)

# What the admin tells everybody. Ids become visible in their order: each is given under a lock, until its commit.
news = Table(
    "news",
    metadata,
    Column("news_id", BigInteger, Identity(always=True), primary_key=True),
    Column("published_us", BigInteger, nullable=False),
    Column("headline", AnyText, nullable=False),
    Column("body", AnyText),
    Column("security_id", Text),
)

# The partitions that were dropped of a table, up to a time in the unit of its partitions.
dropped = Table(
    "dropped",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("before", BigInteger, primary_key=True),
    Column("dropped_us", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    # Of reports: the requests that order entry had denied, as the audit expects a report of each.
    Column("denied", ARRAY(BigInteger), nullable=False),
)

# For tables numbered by client or security: the number up to which rows were dropped.
dropped_sequences = Table(
    "dropped_sequences",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("about", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)

# The events that the feed has of each stage that reports to it: the intervals that their messages cover, see
# tasks.shared.rules.coverage. Each batch adds rows in the transaction that stores it, so no batch waits for another;
# they are merged once a second.
coverage = Table(
    "coverage",
    metadata,
    Column("shard", SmallInteger, nullable=False),
    Column("from_event", BigInteger, nullable=False),
    Column("to_event", BigInteger, nullable=False),  # not in it
    Column("stage", Text, nullable=False),  # order_entry, matching, order_execution
    CheckConstraint("from_event < to_event", name="coverage_interval"),
)
