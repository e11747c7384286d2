"""The tables of `market_data`: what the feed has stored of all that the other stages report.

Reports are three rows an order and the bulk of all that is stored, so what is in them is measured: comparing names
byte by byte (collation C) instead of by the rules of a language saves a fifth of the cost of storing them.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, text
from sqlalchemy import Text as AnyText

metadata = MetaData()

Text = AnyText(collation="C")

# Reports as clients read them. `sequence` counts a client's reports from 1 without a gap. `report_id` is the number
# of the request or event reported, and for a settlement the event's, negative: no two reports of an order share it.
reports = Table(
    "reports",
    metadata,
    Column("order_id", BigInteger, primary_key=True),
    Column("report_id", BigInteger, primary_key=True),
    Column("event_type", Text, nullable=False),  # order, trade, settlement
    Column("confirmed", Boolean, nullable=False),  # or else denied
    Column("client_id", Text, nullable=False),
    Column("security_id", Text, nullable=False),
    Column("side", Text),  # None when the report answers a cancel or a replacement, like what it does not name
    Column("quantity", BigInteger),
    Column("price_cents", BigInteger),  # None for a market order, too
    Column("reason", Text),
    Column("sequence", BigInteger, nullable=False),
    Column("event_us", BigInteger, nullable=False),  # when the api took the request, or the time in the event
    Column("sent_us", BigInteger, nullable=False),  # when the stage sent the report to the feed
    Column("stored_us", BigInteger, nullable=False),  # when it was handed to Postgres, as the last of its unit
    Column("began_us", BigInteger),  # when the stage's unit began that made it
    Column("asked_us", BigInteger),  # of order entry's: when the api had sent the request
    Column("taken_us", BigInteger),  # when the feed's unit began that stored it
    Index("reports_by_client", "client_id", "sequence", unique=True),
)

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
    Column("aggressor_side", Text, nullable=False),
    Column("traded_us", BigInteger, nullable=False),
)

# The head of each security's book; its row is locked while levels change. `price_sequence` counts the price updates
# that were sent, `update_sequence` is the engine's number of the last change of the book. Changes up to
# `floor_sequence` are of no effect any more: a snapshot replaced them, or the levels they removed are forgotten.
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

# Absolute quantities. A level that went is kept with quantity 0 for a while, so that an older update that comes late
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
    Column("updated_us", BigInteger, nullable=False),
)

CANDLE_SECONDS = {"1s": 1, "1m": 60, "5m": 300, "1h": 3600}
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
    postgresql_with={"fillfactor": 70},
)
