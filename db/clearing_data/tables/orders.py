"""The tables of orders and of what waits for them, and SQL for what an order holds."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    text,
)

from db.clearing_data.tables.base import Text, metadata


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
    # Whether another request got this order id: then no single request can withdraw the promise.
    Column("is_shared", Boolean, nullable=False, server_default=text("false")),
)
