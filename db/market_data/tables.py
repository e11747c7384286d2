"""The tables of `market_data`, in which the feed stores the reports of the other stages.

Reports are the bulk of the data, so they are stored in few and narrow rows, chosen by measurement: one row for each
event, with the numbers of both clients of a trade; clients and securities as numbers; and the times shared by all
reports of a message once for each message. The views `reports` and `trades` show them as clients read them.

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
    Sequence,
    SmallInteger,
    Table,
    event,
    text,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.dialects.postgresql import ARRAY

from db.market_data import reports_view

metadata = MetaData()

Text = AnyText(collation="C")


def _with_partitions(table: Table, *partitions: str) -> None:
    """Create partitions together with a table; rows of days without a partition go to the default one."""
    for partition in partitions:
        event.listen(table, "after_create", DDL(f"CREATE TABLE {partition}"))


# The number of each client's last report. Rows of reports have the client's number in place of its name.
report_heads = Table(
    "report_heads",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("client", Integer, Identity(always=True), nullable=False, unique=True),
    postgresql_with={"fillfactor": 50},
)

# The number of each security in rows of reports and trades.
report_securities = Table(
    "report_securities",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("security", SmallInteger, Identity(always=True), nullable=False, unique=True),
)

# The times of the reports that came in one message. The upper bits of `stamp` are the day on which the feed stored it.
report_stamps = Table(
    "report_stamps",
    metadata,
    Column("stamp", BigInteger, primary_key=True, autoincrement=False),
    Column("sent_us", BigInteger, nullable=False),  # when the stage sent the report to the feed
    Column("stored_us", BigInteger, nullable=False),  # when it was sent to Postgres
    Column("began_us", BigInteger),  # when the stage's batch that made it began
    Column("taken_us", BigInteger),  # when the feed's batch that stored it began
    postgresql_partition_by="RANGE (stamp)",
)
_with_partitions(report_stamps, "report_stamps_default PARTITION OF report_stamps DEFAULT")
report_stamp_numbers = Sequence("report_stamp_numbers", metadata=metadata, data_type=BigInteger)

# The places of the reports of a client: those of one message have the sequences from this one to that of the client's
# next run, and are in the rows with this stamp. This replaces an index of all reports by client.
report_runs = Table(
    "report_runs",
    metadata,
    Column("first_sequence", BigInteger, nullable=False),
    Column("stamp", BigInteger, nullable=False),
    Column("client", Integer, nullable=False),
    Index("report_runs_by_client", "client", "first_sequence"),
    postgresql_partition_by="RANGE (stamp)",
)
_with_partitions(report_runs, "report_runs_default PARTITION OF report_runs DEFAULT")

# Decisions on requests, and the engine's events of single orders. `sequence` counts a client's reports from 1 without
# a gap. `report_id` is the number of the request or event.
order_reports = Table(
    "order_reports",
    metadata,
    Column("order_id", BigInteger, primary_key=True),
    Column("report_id", BigInteger, primary_key=True),
    Column("event_us", BigInteger, primary_key=True),  # when the api accepted the request, or the time in the event
    Column("sequence", BigInteger, nullable=False),
    Column("stamp", BigInteger, nullable=False),
    Column("asked_us", BigInteger),  # for order entry's reports: when the api sent the request
    Column("quantity", Integer),
    Column("price_cents", Integer),  # None for a market order, too
    Column("client", Integer, nullable=False),
    Column("security", SmallInteger, nullable=False),
    Column("confirmed", Boolean, nullable=False),  # otherwise denied
    Column("side", Text),  # None in the answer to a cancel or a replacement, like terms that this does not name
    Column("reason", Text),
    Index("order_reports_by_stamp", "stamp"),
    postgresql_partition_by="RANGE (event_us)",
)
_with_partitions(order_reports, "order_reports_default PARTITION OF order_reports DEFAULT")

# Trades, each with its reports to buyer and seller. `sequence` counts the trades of a security from 1, as the engine
# does; so a trade stored twice is one row. A trade without a stamp is known from its settlement and not reported yet.
trade_reports = Table(
    "trade_reports",
    metadata,
    Column("security", SmallInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True),
    Column("traded_us", BigInteger, primary_key=True),
    Column("event_id", BigInteger, nullable=False),
    Column("buy_order_id", BigInteger, nullable=False),
    Column("sell_order_id", BigInteger, nullable=False),
    Column("buyer_sequence", BigInteger),
    Column("seller_sequence", BigInteger),
    Column("stamp", BigInteger),
    Column("quantity", Integer, nullable=False),
    Column("price_cents", Integer, nullable=False),
    Column("buyer", Integer, nullable=False),
    Column("seller", Integer, nullable=False),
    Column("aggressor_side", Text),  # None for a trade in an auction
    Index("trade_reports_by_buy_order", "buy_order_id"),
    Index("trade_reports_by_sell_order", "sell_order_id"),
    Index("trade_reports_by_stamp", "stamp"),
    postgresql_partition_by="RANGE (traded_us)",
)
_with_partitions(trade_reports, "trade_reports_default PARTITION OF trade_reports DEFAULT")

# The settlement of each trade, or why it failed, with its reports to buyer and seller.
settlement_reports = Table(
    "settlement_reports",
    metadata,
    Column("security", SmallInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True),  # of the trade
    Column("traded_us", BigInteger, primary_key=True),
    Column("buyer_sequence", BigInteger, nullable=False),
    Column("seller_sequence", BigInteger, nullable=False),
    Column("stamp", BigInteger, nullable=False),
    Column("reason", Text),  # of a failure
    Index("settlement_reports_by_stamp", "stamp"),
    postgresql_partition_by="RANGE (traded_us)",
)
_with_partitions(settlement_reports, "settlement_reports_default PARTITION OF settlement_reports DEFAULT")

for _view in (reports_view.REPORTS, reports_view.TRADES):
    event.listen(metadata, "after_create", DDL(_view.replace("%", "%%")))

# The head of each security's book; its row is locked while levels change. `price_sequence` counts the price updates
# that were sent, `update_sequence` is the engine's number of the last change of the book. Changes up to
# `floor_sequence` have no effect any more: a snapshot replaced them, or the levels they removed are deleted.
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

# The phase of each security, and the indicative outcome of its auction; `sequence` counts their changes.
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
    Column("price_cents", BigInteger),  # None while no shares would trade
    Column("volume", BigInteger, nullable=False),
    Column("surplus", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("surplus_side", Text),
    postgresql_with={"fillfactor": 50},
)

# The admin's announcements to all clients. Ids become visible in their order: each is assigned under a lock that lasts
# until the commit.
news = Table(
    "news",
    metadata,
    Column("news_id", BigInteger, Identity(always=True), primary_key=True),
    Column("published_us", BigInteger, nullable=False),
    Column("headline", AnyText, nullable=False),
    Column("body", AnyText),
    Column("security_id", Text),
)

# The dropped partitions of a table, up to a time in the unit of its partitions.
dropped = Table(
    "dropped",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("before", BigInteger, primary_key=True),
    Column("dropped_us", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    # For reports: the requests that order entry had denied, because the audit expects a report of each.
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

# The events that the feed has from each stage that reports to it: the intervals that their messages cover, see
# tasks.shared.rules.coverage. Each batch adds rows in the transaction that stores it, so no batch waits for another;
# they are merged once a second.
coverage = Table(
    "coverage",
    metadata,
    Column("shard", SmallInteger, nullable=False),
    Column("from_event", BigInteger, nullable=False),
    Column("to_event", BigInteger, nullable=False),  # exclusive
    Column("stage", Text, nullable=False),  # order_entry, matching, order_execution
    CheckConstraint("from_event < to_event", name="coverage_interval"),
)
