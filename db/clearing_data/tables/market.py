"""The tables of securities, their prices and fees, and the trading day."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Integer, SmallInteger, Table, text

from db.clearing_data.tables.base import Text, metadata

securities = Table(
    "securities",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("shard", SmallInteger, nullable=False),
    Column("tick_cents", Integer, nullable=False),
    Column("min_price_cents", BigInteger, nullable=False),
    Column("max_price_cents", BigInteger, nullable=False),
    Column("issued_shares", BigInteger, nullable=False),
    Column("reference_price_cents", BigInteger, nullable=False),
    # The phase: order entry writes the changes that it sequences, order execution those that the engine reports, and of
    # two events the one with the higher id counts. A security whose final settlement is booked is `settled`.
    Column("phase_event_id", BigInteger, nullable=False, server_default=text("0")),
    Column("phase_ends_us", BigInteger),
    Column("delisted_us", BigInteger),
    # The final cash settlement: the value of a share, and the event after which no order of the security is open.
    Column("settlement_cents", BigInteger),
    Column("settlement_event_id", BigInteger),
    Column("competition", BigInteger),  # only accounts of the same competition trade it; None: those of no competition
    Column("band_ppm", Integer),  # largest distance from the last trade [millionths]; None: no limit
    # Hundredths of a basis point of the cash of a trade; see tasks.shared.rules.fees.
    Column("maker_fee_ppm", Integer, nullable=False, server_default=text("0")),
    Column("taker_fee_ppm", Integer, nullable=False, server_default=text("0")),
    Column("phase", Text, nullable=False, server_default=text("'continuous'")),
    Column("phase_cause", Text),  # admin, schedule, volatility
    Column("settlement_transfer_id", Text),
    CheckConstraint("maker_fee_ppm + taker_fee_ppm >= 0", name="securities_fees"),  # no trade costs the exchange
    CheckConstraint("phase IN ('closed', 'auction', 'continuous', 'halted', 'settled')", name="securities_phase"),
)

# The trading day as in the market file, and the progress of the schedule; one row. Durations are microseconds. Without
# a schedule all four are 0. `step` is the one of the day's four steps that began last; it ends at `step_ends_us`.
trading_day = Table(
    "trading_day",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=text("true")),
    Column("first_auction_us", BigInteger, nullable=False, server_default=text("0")),
    Column("opening_auction_us", BigInteger, nullable=False, server_default=text("0")),
    Column("continuous_us", BigInteger, nullable=False, server_default=text("0")),
    Column("closing_auction_us", BigInteger, nullable=False, server_default=text("0")),
    Column("closed_us", BigInteger, nullable=False, server_default=text("0")),
    Column("step_ends_us", BigInteger),
    Column("step", SmallInteger),  # None before the first one
    # Commands sequenced by the scheduler that may not be on the queues of the engines yet: the first and the last of
    # each shard, as JSON.
    Column("unsent", Text),
    CheckConstraint("one", name="trading_day_only"),
)

# The last price at which a security traded, for the collar of market orders; at first its reference price.
last_prices = Table(
    "last_prices",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("price_cents", BigInteger, nullable=False),
    Column("event_id", BigInteger, nullable=False),  # of the trade; 0 for the reference price
)

# The rates that a security's trades pay from a given event on; before the first row they are free. The audit compares
# every fee with these. Rates change only while the security has nothing left to settle, so the event id decides which
# rates apply; of two rows with the same event, the one set later.
fee_rates = Table(
    "fee_rates",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("from_event_id", BigInteger, primary_key=True),
    Column("set_us", BigInteger, primary_key=True),
    Column("maker_fee_ppm", Integer, nullable=False),
    Column("taker_fee_ppm", Integer, nullable=False),
)
