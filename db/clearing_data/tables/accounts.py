"""The tables of accounts, their holdings, keys and growth."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Numeric,
    Table,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from db.clearing_data.tables.base import Text, metadata

# The account that is the counterparty of every trade and holds the shares that no client has.
DTCC = "DTCC"
# The account that receives the fees and pays the rebates from them.
EXCHANGE = "EXCHANGE"

# The endowment of a new account: cents, with an empty security_id, and shares.
endowments = Table(
    "endowments",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("amount", BigInteger, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("balance_cents", BigInteger, nullable=False),
    Column("held_cents", BigInteger, nullable=False, server_default=text("0")),
    Column("open_orders", BigInteger, nullable=False, server_default=text("0")),
    Column("opened_us", BigInteger, nullable=False),
    # The account's own limits; None means those of the exchange.
    Column("max_order_quantity", BigInteger),
    Column("max_order_notional_cents", BigInteger),
    Column("max_open_orders", BigInteger),
    Column("max_position", BigInteger),
    Column("short_limit", BigInteger),
    Column("orders_per_s", BigInteger),
    # For clients that have ever sold short: the collateral for the shares that they owe, the cash that the default fund
    # has paid in the current buy-in, when the buy-in began, and its last attempt.
    Column("collateral_cents", BigInteger, nullable=False, server_default=text("0")),
    Column("fund_cents", BigInteger, nullable=False, server_default=text("0")),
    Column("buy_in_us", BigInteger),
    Column("buy_in_tried_us", BigInteger),
    Column("sells_short", Boolean, nullable=False, server_default=text("false")),
    Column("competition", BigInteger),  # it trades only the securities of its competition
    Column("state", Text, nullable=False, server_default=text("'open'")),
    CheckConstraint("collateral_cents >= 0 AND fund_cents >= 0", name="accounts_collateral"),
    Index("accounts_owing", "client_id", postgresql_where=text("sells_short")),
    CheckConstraint("state IN ('open', 'stopped', 'closed')", name="accounts_state"),
    CheckConstraint("held_cents >= 0 AND held_cents <= balance_cents", name="accounts_covered"),
    CheckConstraint("open_orders >= 0", name="accounts_open_orders"),
    postgresql_with={"fillfactor": 50},
)

holdings = Table(
    "holdings",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("security_id", Text, primary_key=True),
    Column("shares", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False, server_default=text("0")),
    # The shares that the client owes DTCC, the additional shares that its open orders may borrow, and the proceeds of
    # the owed shares. Nothing is owed while shares are available. DTCC's `held` is the total located for all clients.
    Column("borrowed", BigInteger, nullable=False, server_default=text("0")),
    Column("located", BigInteger, nullable=False, server_default=text("0")),
    Column("sold_cents", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("held >= 0 AND held <= shares", name="holdings_covered"),
    CheckConstraint(
        "borrowed >= 0 AND located >= 0 AND sold_cents >= 0 AND (borrowed = 0 OR shares = held)",
        name="holdings_borrowed",
    ),
    postgresql_with={"fillfactor": 50},
)

# Every sale of a client since it first sold short. The collateral is for the last shares sold, by event id, as many as
# the client owes; so it does not depend on the order in which trades settle.
short_sales = Table(
    "short_sales",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("security_id", Text, primary_key=True),
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("quantity", BigInteger, nullable=False),
    Column("price_cents", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", BigInteger, Identity(), primary_key=True),
    Column("client_id", Text, nullable=False, index=True),  # ADMIN, which is not an account, for the admin
    Column("key_hash", LargeBinary, nullable=False, unique=True),  # SHA-256; the keys are random, so no salt
    Column("role", Text, nullable=False),  # admin, client
    Column("created_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger),
    Column("read_only", Boolean, nullable=False, server_default=text("false")),
    Column("name", Text),  # chosen by the owner to distinguish it
)

# The growth of each account up to its last transfer; see db.clearing_data.clients.growth.
account_growth = Table(
    "account_growth",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("factor", Numeric, nullable=False),
    Column("base_cents", BigInteger, nullable=False),  # its equity right after that
)

# The equity of clients every few seconds, for curves: by client, equity [cents] and return [ppm]. No other data depends
# on it; it spans at most a day, see db.clearing_data.clients.equity_samples.
equity_samples = Table(
    "equity_samples",
    metadata,
    Column("sampled_us", BigInteger, primary_key=True, autoincrement=False),
    Column("standings", JSONB, nullable=False),
)

# The processes that serve streams, and their promises to cancel a client's orders when its connection ends: another
# process keeps those of a lost one, see db.clearing_data.clients.disconnect_promises.
stream_processes = Table(
    "stream_processes",
    metadata,
    Column("process", Text, primary_key=True),
    Column("beat", BigInteger, nullable=False, server_default=text("0")),
)
disconnect_promises = Table(
    "disconnect_promises",
    metadata,
    Column("process", Text, ForeignKey("stream_processes.process", ondelete="CASCADE"), primary_key=True),
    Column("client_id", Text, primary_key=True),
)
