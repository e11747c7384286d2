"""The tables of `clearing_data`: the order log, the register of orders, accounts, holdings and the ledger.

Cash is integer cents, quantities integer shares, times microseconds since 1970 in UTC (`_us`). Nothing here is ever
recomputed from a float. Names are compared byte by byte (collation C), which costs less than the rules of a language
and locks rows in the same order everywhere. Fixed columns stand before texts, so that rows need no padding.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
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

# Ids of orders and of all other commands: one series, handed out to the api processes in blocks.
ORDER_ID_BLOCK = 1_000
order_ids = Sequence("order_ids", metadata=metadata, start=1, increment=ORDER_ID_BLOCK)

# The account that is the counterparty of every trade and holds the shares that nobody has.
DTCC = "DTCC"
# The account that takes the fees, and pays the rebates out of them.
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
    # What the log says of its phase: order entry writes what it sequences, order execution what the engine reports, and
    # of two events the one with the higher id counts. A security whose final settlement is booked is `settled`.
    Column("phase_event_id", BigInteger, nullable=False, server_default=text("0")),
    Column("phase_ends_us", BigInteger),
    Column("delisted_us", BigInteger),
    # The final cash settlement: what a share is worth, and the event after which no order of it is open.
    Column("settlement_cents", BigInteger),
    Column("settlement_event_id", BigInteger),
    Column("competition", BigInteger),  # only accounts of the same competition trade it; None: those of no competition
    Column("band_ppm", Integer),  # how far an order may trade from the last trade [millionths]; None: no limit
    # Hundredths of a basis point of the cash of a trade; see tasks.shared.rules.fees.
    Column("maker_fee_ppm", Integer, nullable=False, server_default=text("0")),
    Column("taker_fee_ppm", Integer, nullable=False, server_default=text("0")),
    Column("phase", Text, nullable=False, server_default=text("'continuous'")),
    Column("phase_cause", Text),  # admin, schedule, volatility
    Column("settlement_transfer_id", Text),
    CheckConstraint("maker_fee_ppm + taker_fee_ppm >= 0", name="securities_fees"),  # no trade costs the exchange
    CheckConstraint("phase IN ('closed', 'auction', 'continuous', 'halted', 'settled')", name="securities_phase"),
)

# What the file of the market says of the day, and how far the schedule has come; one row. Durations are microseconds.
# Without a schedule all four are 0. `step` is the one of the day's four that began last, and ends at `step_ends_us`.
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
    # Commands that the scheduler had sequenced and that may not be on the queues of the engines yet: of each shard the
    # first and the last, as JSON.
    Column("unsent", Text),
    CheckConstraint("one", name="trading_day_only"),
)

# What a new account is given: cents, with an empty security_id, and shares.
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
)

# The truth. `command` is a line of JSON as tasks.messages.encode_command writes it. Of a command that is no order, the
# last two say what its report says besides: when the api took it, and which security a mass cancel named, if one.
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

# Requests that order entry refused, so that the same one coming twice is refused twice. `report` is what the feed is
# sent of it, in JSON, to be sent again should that be lost; None of a halt, and in rows from before there was this.
denials = Table(
    "denials",
    metadata,
    Column("command_id", BigInteger, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("denied_us", BigInteger),
    Column("report", Text),
    # Denials come nearly in the order of time, so a summary of each few pages finds the latest.
    Index(
        "denials_by_time",
        "denied_us",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 8, "autosummarize": "on"},
    ),
)


def fee_hold(gone: str) -> str:
    """Return SQL for what a row of `orders` holds for fees [cents]: the fee on the most that it may yet cost.

    The same as tasks.shared.rules.fees.fee_hold_cents.

    gone  SQL for the shares that are filled or closed

    It is a function of the row alone, so it does not matter in which order fills and replacements settle. After a
    replacement by a lower price the fee of the highest one stays held, as fills at that one may settle later.
    """
    open_quantity = f"greatest(orders.quantity, orders.largest_quantity) - ({gone})"
    price = "greatest(orders.hold_cents, orders.largest_hold_cents)"
    cash = f"CAST({open_quantity} AS numeric) * {price}"
    return f"CASE orders.fee_ppm WHEN 0 THEN 0 ELSE CAST(ceil({cash} * orders.fee_ppm / 1000000) AS bigint) END"


FEE_HOLD = fee_hold("orders.filled_quantity + orders.closed_quantity")

# What an order holds that sells more than its client had available, by its row alone: `owned_quantity` of its shares
# are the client's and are sold first, the rest is borrowed as it trades. As tasks.shared.rules.loans.split.
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

# One row an order that reached order entry, refused ones too. Order entry inserts, order execution updates what
# stands from `status` on. open quantity = quantity - filled_quantity - closed_quantity; hold = open quantity, times
# hold_cents for a buy order, which holds fees beside that.
#
# No index names a column that order execution updates, and a page is filled by half: so an update stays on its page
# and touches no index. That makes it cost 4 us of Postgres instead of 22.
orders = Table(
    "orders",
    metadata,
    Column("order_id", BigInteger, primary_key=True),
    Column("quantity", BigInteger, nullable=False),
    Column("price_cents", BigInteger),  # the limit; None for a market order
    Column("hold_cents", BigInteger, nullable=False),  # limit or collar; 0 for a refused order
    Column("created_us", BigInteger, nullable=False),  # when the api took it
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
    # The largest total that an admitted replacement gives it; None while there was none. Fills of a new total may
    # settle before the replacement itself does.
    Column("largest_quantity", BigInteger),
    Column("terms_event_id", BigInteger),  # of the replacement that gave it its quantity and price, if one did
    # The rate by which a buy order holds fees, beside its hold, and the highest hold that an admitted replacement gives
    # it; see fee_hold. An order from before there was a rate has the fee in its hold.
    Column("fee_ppm", Integer, nullable=False, server_default=text("0")),
    Column("largest_hold_cents", BigInteger),
    Column("expires_us", BigInteger),  # of gtd orders
    # Of an order that sells short: how many of its shares are its client's, and the highest limit or collar by which it
    # holds margin; see MARGIN_HOLD. None of every other order.
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

# The orders whose status is an open one, so that they are found among any number of closed ones. Order entry inserts,
# order execution deletes. It takes the place of an index on the status of orders. `expires_us` is that of a gtd order
# until its end is in the log.
open_orders = Table(
    "open_orders",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("order_id", BigInteger, primary_key=True),
    Column("expires_us", BigInteger),
    Index("open_orders_by_expiry", "expires_us", postgresql_where=text("expires_us IS NOT NULL")),
)

# Which orders a cancel is meant for that come to order entry after it, as they may on another worker: those of the
# client that the api took before `before_us`. A mass cancel leaves one row for each of its filters, an empty text where
# it has none, which the next one of the same filters moves. The cancel of an order that order entry has not seen leaves
# a row with its number, which is forgotten after a day; those of mass cancels have order id 0.
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

# Replacements that came to order entry before their orders, for the moment that they wait for these.
waiting_replaces = Table(
    "waiting_replaces",
    metadata,
    Column("command_id", BigInteger, primary_key=True, autoincrement=False),
    Column("client_id", Text, nullable=False, index=True),
    Column("since_us", BigInteger, nullable=False),
    Column("request", Text, nullable=False),  # JSON, as in tasks.messages
)

# Replacements that are in the log and not settled: order entry inserts, order execution deletes. What is reserved for
# them is held beside what open orders need: cents of a buyer, shares of a seller.
pending_replaces = Table(
    "pending_replaces",
    metadata,
    Column("order_id", BigInteger, primary_key=True),
    Column("command_id", BigInteger, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("quantity", BigInteger),  # the new terms; None leaves one as it is
    Column("price_cents", BigInteger),
    Column("reserved", BigInteger, nullable=False),
)

# Client order ids as the api promised them: the first comer's order id and what it asked for, as a digest.
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
    # Limits of its own; None stands for the exchange's.
    Column("max_order_quantity", BigInteger),
    Column("max_order_notional_cents", BigInteger),
    Column("max_open_orders", BigInteger),
    Column("max_position", BigInteger),
    Column("short_limit", BigInteger),
    Column("orders_per_s", BigInteger),
    # Of clients that have ever sold short: what the shares that they owe require, what the default fund has paid in the
    # buy-in under way, since when there is one, and when it was last tried.
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
    # What the client owes DTCC, what its open orders may borrow besides, and what the shares owed were sold for.
    # Nothing is owed while shares are available. DTCC's `held` is what all clients have located.
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

# Every share that a client sold since it first sold short. The collateral is for the last ones, by their events, as
# many as it owes; so it does not depend on the order in which trades settle.
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
    Column("client_id", Text, nullable=False, index=True),  # the admin's is ADMIN, which is no account
    Column("key_hash", LargeBinary, nullable=False, unique=True),  # SHA-256; the keys are random, so no salt
    Column("role", Text, nullable=False),  # admin, client
    Column("created_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger),
    Column("read_only", Boolean, nullable=False, server_default=text("false")),
    Column("name", Text),  # by which its owner tells it from the others
)

# Executions that were cleared, each once with all that its message said: the primary key is what makes the second
# delivery fall out, and a known event with another content is seen. A close names its order on the side it is of.
executions = Table(
    "executions",
    metadata,
    Column("event_id", BigInteger, primary_key=True),
    Column("executed_us", BigInteger, nullable=False),
    Column("settled_us", BigInteger, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("hold_cents", BigInteger, nullable=False),  # of a trade, that of its buy order
    Column("buy_order_id", BigInteger),
    Column("sell_order_id", BigInteger),
    Column("price_cents", BigInteger),  # this, sequence and aggressor_side of a trade alone
    Column("sequence", BigInteger),
    Column("kind", Text, nullable=False),  # trade, cancelled, rejected, replaced, replace_refused, failed
    Column("security_id", Text, nullable=False),
    Column("aggressor_side", Text),
    Column("buyer", Text),
    Column("seller", Text),
    Column("reason", Text),  # of a close
    Column("terms", Text),  # of a replacement: what no other column holds, as JSON
    Index("executions_failed", "event_id", postgresql_where=text("kind = 'failed'")),
)

# Which rates a security's trades pay from which event on; before the first row they are free. The audit holds every fee
# against these. Rates change while nothing of the security is left to settle, so an event says for sure which apply; of
# two from the same event on those that were set later.
fee_rates = Table(
    "fee_rates",
    metadata,
    Column("security_id", Text, primary_key=True),
    Column("from_event_id", BigInteger, primary_key=True),
    Column("set_us", BigInteger, primary_key=True),
    Column("maker_fee_ppm", Integer, nullable=False),
    Column("taker_fee_ppm", Integer, nullable=False),
)

# The double-entry ledger, append only, which a trigger sees to: each row moves cash and shares between an account and
# its contra account, so every asset sums to zero by construction. A trade is two rows, buyer against DTCC and seller
# against DTCC, and that it is booked once is the doing of `executions`; an index here to say so again would cost as
# much as the row. A fee is a row against EXCHANGE. A final settlement is two rows for each holder: the cash against
# EXTERNAL, as that of a deposit, and the shares against DTCC. A loan and a return are rows of shares against DTCC, and
# what the default fund pays and gets back is a row of cash against EXCHANGE. The kinds are trade, fee, deposit,
# withdrawal, issue, correction, final_settlement, loan, return, default_fund. The view `ledger_postings` shows the
# single postings.
ledger = Table(
    "ledger",
    metadata,
    Column("entry_id", BigInteger, Identity(), primary_key=True),
    Column("event_id", BigInteger),  # of the trade or the final settlement
    Column("cash_cents", BigInteger, nullable=False),  # what the account gains and the contra account loses
    Column("shares", BigInteger, nullable=False),
    Column("booked_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),  # trade, fee, deposit, loan, ...; see below
    Column("account", Text, nullable=False),
    Column("contra_account", Text, nullable=False),
    Column("security_id", Text),
    Column("transfer_id", Text),  # of a deposit or a withdrawal
    Index("ledger_by_transfer", "transfer_id", unique=True, postgresql_where=text("transfer_id IS NOT NULL")),
    # Of a unit all entries have one time, and equal keys are kept once: half the size of an index with the number.
    Index("ledger_by_account", "account", "booked_us"),
    # Entries are booked in the order of time, or nearly: so a summary of each few pages finds those of a window.
    Index(
        "ledger_by_time",
        "booked_us",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    ),
)

# What a correction, which is a transfer like any other, puts right, and why.
corrections = Table(
    "corrections",
    metadata,
    Column("transfer_id", Text, primary_key=True),
    Column("entry_id", BigInteger),  # the ledger entry that it makes up for, if it is one
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

# Up to which command a shard's events are known to be on the queues of the stages behind.
published_marks = Table(
    "published_marks",
    metadata,
    Column("shard", SmallInteger, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

# Which events order execution has: the intervals that the messages of the engines cover, see
# tasks.shared.rules.coverage. Each unit adds rows in the transaction that settles it, so no unit waits for another;
# they are merged once a second.
coverage = Table(
    "coverage",
    metadata,
    Column("shard", SmallInteger, nullable=False),
    Column("from_event", BigInteger, nullable=False),
    Column("to_event", BigInteger, nullable=False),  # not in it
    Column("stage", Text, nullable=False),  # from which the messages are
    CheckConstraint("from_event < to_event", name="coverage_interval"),
)

# What each account has gained up to its last transfer; see db.clearing_data.clients.growth.
account_growth = Table(
    "account_growth",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("factor", Numeric, nullable=False),
    Column("base_cents", BigInteger, nullable=False),  # its equity right after that
)

# What clients were worth every few seconds, for curves: by client equity [cents] and return [ppm]. Nothing depends
# on it; it has a day at most, see db.clearing_data.clients.equity_samples.
equity_samples = Table(
    "equity_samples",
    metadata,
    Column("sampled_us", BigInteger, primary_key=True, autoincrement=False),
    Column("standings", JSONB, nullable=False),
)
