"""The tables of `clearing_data`: the order log, the register of orders, accounts, holdings and the ledger.

Cash is integer cents, quantities integer shares, times microseconds since 1970 in UTC (`_us`). No value is ever
recomputed from a float. Names are compared byte by byte (collation C), which costs less than the rules of a language
and locks rows in the same order everywhere. Fixed columns stand before texts, so that rows need no padding.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Sequence,
    SmallInteger,
    Table,
    text,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

Text = AnyText(collation="C")

# Ids of orders and of all other commands: one series, issued to the api processes in blocks.
ORDER_ID_BLOCK = 1_000
order_ids = Sequence("order_ids", metadata=metadata, start=1, increment=ORDER_ID_BLOCK)

# The account that is the counterparty of every trade and holds the shares that no client has.
DTCC = "DTCC"
# The account that receives the fees and pays the rebates from them.
EXCHANGE = "EXCHANGE"

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

# The endowment of a new account: cents, with an empty security_id, and shares.
endowments = Table(
    "endowments",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("amount", BigInteger, nullable=False),
)

# The last price at which a security traded, for the collar of market orders; at first its reference price.
last_prices = Table(
    "last_prices",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("price_cents", BigInteger, nullable=False),
    Column("event_id", BigInteger, nullable=False),  # of the trade; 0 for the reference price
)

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
# JSON, to be sent again if it is lost; None for a halt, and in rows from before this column existed.
denials = Table(
    "denials",
    metadata,
    Column("command_id", BigInteger, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("denied_us", BigInteger),
    Column("report", Text),
    # Denials are inserted nearly in the order of time, so a summary of every few pages finds the latest.
    Index(
        "denials_by_time",
        "denied_us",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 8, "autosummarize": "on"},
    ),
)


def fee_hold(gone: str) -> str:
    """Return SQL for the cash that a row of `orders` holds for fees [cents]: the fee on the most it may still cost.

    The same as tasks.shared.rules.fees.fee_hold_cents.

    gone  SQL for the shares that are filled or closed

    It depends on the row alone, so it does not matter in which order fills and replacements settle. After a replacement
    with a lower price, the fee for the highest price stays held, because fills at that price may settle later.
    """
    open_quantity = f"greatest(orders.quantity, orders.largest_quantity) - ({gone})"
    price = "greatest(orders.hold_cents, orders.largest_hold_cents)"
    cash = f"CAST({open_quantity} AS numeric) * {price}"
    return f"CASE orders.fee_ppm WHEN 0 THEN 0 ELSE CAST(ceil({cash} * orders.fee_ppm / 1000000) AS bigint) END"


FEE_HOLD = fee_hold("orders.filled_quantity + orders.closed_quantity")

# The holds of an order that sells more than its client had available, from its row alone: `owned_quantity` of its
# shares are the client's and are sold first, the rest is borrowed as it trades. See tasks.shared.rules.loans.split.
_MOST = "greatest(orders.quantity, orders.largest_quantity)"
OWNED_OPEN = (
    f"(least(orders.owned_quantity, {_MOST} - orders.closed_quantity)"
    " - least(orders.owned_quantity, orders.filled_quantity))"
)
SHORT_OPEN = (
    f"(greatest({_MOST} - orders.closed_quantity - orders.owned_quantity, 0)"
    " - greatest(orders.filled_quantity - orders.owned_quantity, 0))"
)
MARGIN_HOLD = f"(({SHORT_OPEN} * orders.margin_price_cents + 1) / 2)"

# One row for each order that reached order entry, including denied ones. Order entry inserts; order execution updates
# the columns from `status` on. open quantity = quantity - filled_quantity - closed_quantity; hold = open quantity,
# times hold_cents for a buy order, which holds fees in addition.
#
# No index contains a column that order execution updates, and pages are half filled: so an update stays on its page and
# touches no index. It costs Postgres 4 us instead of 22.
orders = Table(
    "orders",
    metadata,
    Column("order_id", BigInteger, primary_key=True),
    Column("quantity", BigInteger, nullable=False),
    Column("price_cents", BigInteger),  # the limit; None for a market order
    Column("hold_cents", BigInteger, nullable=False),  # limit or collar; 0 for a denied order
    Column("created_us", BigInteger, nullable=False),  # when the api accepted it
    Column("post_only", Boolean, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("client_order_id", Text),
    Column("security_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("time_in_force", Text, nullable=False),
    Column("status", Text, nullable=False),  # new, partially_filled, filled, cancelled, rejected
    Column("filled_quantity", BigInteger, nullable=False, server_default=text("0")),
    Column("filled_cents", BigInteger, nullable=False, server_default=text("0")),  # sum of quantity x price
    Column("closed_quantity", BigInteger, nullable=False, server_default=text("0")),  # cancelled or rejected
    Column("updated_us", BigInteger, nullable=False),
    Column("reason", Text),
    Column("stop_price_cents", BigInteger),  # of stop and stop-limit orders
    Column("display_quantity", BigInteger),  # of icebergs
    # The largest total that an admitted replacement gives the order; None without one. Fills of a new total may settle
    # before the replacement itself does.
    Column("largest_quantity", BigInteger),
    Column("terms_event_id", BigInteger),  # of the replacement that set its quantity and price, if any
    # The rate at which a buy order holds fees in addition to its hold, and the highest hold that an admitted
    # replacement gives it; see fee_hold. An order from before this rate existed has the fee in its hold.
    Column("fee_ppm", Integer, nullable=False, server_default=text("0")),
    Column("largest_hold_cents", BigInteger),
    Column("expires_us", BigInteger),  # of gtd orders
    # For an order that sells short: how many of its shares are its client's, and the highest limit or collar at which
    # it holds margin; see MARGIN_HOLD. None for every other order.
    Column("owned_quantity", BigInteger),
    Column("margin_price_cents", BigInteger),
    Column("buy_in", Boolean, nullable=False, server_default=text("false")),  # placed by the clearinghouse
    CheckConstraint("filled_quantity >= 0 AND closed_quantity >= 0", name="orders_counts"),
    CheckConstraint(
        "filled_quantity + closed_quantity <= greatest(quantity, largest_quantity)", name="orders_quantity"
    ),
    Index("orders_by_client", "client_id", "order_id"),
    Index(
        "orders_by_client_order_id",
        "client_id",
        "client_order_id",
        unique=True,
        postgresql_where=text("client_order_id IS NOT NULL"),
    ),
    postgresql_with={"fillfactor": 50},
)

# The open orders, so that they are found among any number of closed ones. Order entry inserts, order execution deletes.
# This replaces an index on the status of orders. `expires_us` is the end of a gtd order until that end is in the log.
open_orders = Table(
    "open_orders",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("order_id", BigInteger, primary_key=True),
    Column("expires_us", BigInteger),
    Index("open_orders_by_expiry", "expires_us", postgresql_where=text("expires_us IS NOT NULL")),
)

# Marks of cancels for orders that reach order entry after them, possibly on another worker: orders of the client that
# the api accepted before `before_us`. A mass cancel leaves one row for its combination of filters (an empty text is no
# filter), which the next mass cancel with the same filters moves. The cancel of an order that order entry has not seen
# leaves a row with the order's number, which is deleted after a day; rows of mass cancels have order id 0.
cancel_marks = Table(
    "cancel_marks",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("order_id", BigInteger, primary_key=True, autoincrement=False),
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("security_id", Text, primary_key=True),
    Column("side", Text, primary_key=True),
    Column("before_us", BigInteger, nullable=False),
)

# Replacements that reached order entry before their orders, while they wait for them.
waiting_replaces = Table(
    "waiting_replaces",
    metadata,
    Column("command_id", BigInteger, primary_key=True, autoincrement=False),
    Column("client_id", Text, nullable=False, index=True),
    Column("since_us", BigInteger, nullable=False),
    Column("request", Text, nullable=False),  # JSON, as in tasks.messages
)

# Replacements that are in the log but not settled: order entry inserts, order execution deletes. Their reservations are
# held in addition to the needs of open orders: cents of a buyer, shares of a seller.
pending_replaces = Table(
    "pending_replaces",
    metadata,
    Column("order_id", BigInteger, primary_key=True),
    Column("command_id", BigInteger, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("quantity", BigInteger),  # the new terms; None leaves a term unchanged
    Column("price_cents", BigInteger),
    Column("reserved", BigInteger, nullable=False),
)

# Client order ids as the api promised them: the order id of the first request, and a digest of its terms.
client_order_ids = Table(
    "client_order_ids",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("client_order_id", Text, primary_key=True),
    Column("order_id", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
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

# Cleared executions, each once with the whole content of its message: the primary key rejects a second delivery, and a
# known event with a different content is noticed. A close names its order on the order's side.
executions = Table(
    "executions",
    metadata,
    Column("event_id", BigInteger, primary_key=True),
    Column("executed_us", BigInteger, nullable=False),
    Column("settled_us", BigInteger, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("hold_cents", BigInteger, nullable=False),  # for a trade, that of its buy order
    Column("buy_order_id", BigInteger),
    Column("sell_order_id", BigInteger),
    Column("price_cents", BigInteger),  # only trades have this, sequence and aggressor_side
    Column("sequence", BigInteger),
    Column("kind", Text, nullable=False),  # trade, cancelled, rejected, replaced, replace_refused, failed
    Column("security_id", Text, nullable=False),
    Column("aggressor_side", Text),
    Column("buyer", Text),
    Column("seller", Text),
    Column("reason", Text),  # of a close
    Column("terms", Text),  # for a replacement: terms without a column of their own, as JSON
    Index("executions_failed", "event_id", postgresql_where=text("kind = 'failed'")),
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

# The double-entry ledger, append only (a trigger enforces this): each row moves cash and shares between an account and
# its contra account, so every asset sums to zero by construction. A trade is two rows, buyer against DTCC and seller
# against DTCC; `executions` ensures that it is booked once, and an index here to ensure it again would cost as much as
# the row. A fee is a row against EXCHANGE. A final settlement is two rows for each holder: the cash against EXTERNAL,
# like that of a deposit, and the shares against DTCC. A loan and a return are rows of shares against DTCC, and payments
# of the default fund and to it are rows of cash against EXCHANGE. The kinds are trade, fee, deposit, withdrawal, issue,
# correction, final_settlement, loan, return, default_fund. The view `ledger_postings` shows the single postings.
ledger = Table(
    "ledger",
    metadata,
    Column("entry_id", BigInteger, Identity(), primary_key=True),
    Column("event_id", BigInteger),  # of the trade or the final settlement
    Column("cash_cents", BigInteger, nullable=False),  # gain of the account, loss of the contra account
    Column("shares", BigInteger, nullable=False),
    Column("booked_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),  # trade, fee, deposit, loan, ...; see below
    Column("account", Text, nullable=False),
    Column("contra_account", Text, nullable=False),
    Column("security_id", Text),
    Column("transfer_id", Text),  # of a deposit or a withdrawal
    Index("ledger_by_transfer", "transfer_id", unique=True, postgresql_where=text("transfer_id IS NOT NULL")),
    # All entries of a batch have one time, and equal keys are stored once: half the size of an index with the number.
    Index("ledger_by_account", "account", "booked_us"),
    # Entries are booked nearly in the order of time, so a summary of every few pages finds those of a window.
    Index(
        "ledger_by_time",
        "booked_us",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    ),
)

# What a correction, which is a transfer like any other, corrects, and why.
corrections = Table(
    "corrections",
    metadata,
    Column("transfer_id", Text, primary_key=True),
    Column("entry_id", BigInteger),  # the ledger entry that it corrects, if there is one
    Column("reason", Text, nullable=False),
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
