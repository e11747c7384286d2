"""The first tables, as they stood at the first release; later versions change them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateSequence, DropSequence, Sequence

revision = "0001"
down_revision = None

# Each row of the ledger as its single postings: account and contra account, cash and shares. They sum to zero for
# every asset, row by row.
LEDGER_POSTINGS = """
CREATE VIEW ledger_postings AS
SELECT entry_id, event_id, transfer_id, kind, posting.account, posting.asset, posting.amount, booked_us
FROM ledger
CROSS JOIN LATERAL (VALUES
    (ledger.account, 'USD', ledger.cash_cents),
    (ledger.contra_account, 'USD', -ledger.cash_cents),
    (ledger.account, ledger.security_id, ledger.shares),
    (ledger.contra_account, ledger.security_id, -ledger.shares)
) AS posting (account, asset, amount)
WHERE posting.amount <> 0
"""


def upgrade() -> None:
    op.execute(CreateSequence(Sequence("order_ids", start=1, increment=1_000)))
    op.create_table(
        "accounts",
        sa.Column("client_id", sa.Text(collation="C"), nullable=False),
        sa.Column("balance_cents", sa.BigInteger(), nullable=False),
        sa.Column("held_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("open_orders", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("opened_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("held_cents >= 0 AND held_cents <= balance_cents", name="accounts_covered"),
        sa.CheckConstraint("open_orders >= 0", name="accounts_open_orders"),
        sa.PrimaryKeyConstraint("client_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("client_id", sa.Text(collation="C"), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(collation="C"), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_id"),
        sa.UniqueConstraint("key_hash"),
    )
    op.create_index("ix_api_keys_client_id", "api_keys", ["client_id"], unique=False)
    op.create_table(
        "client_order_ids",
        sa.Column("client_id", sa.Text(collation="C"), nullable=False),
        sa.Column("client_order_id", sa.Text(collation="C"), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "client_order_id"),
    )
    op.create_table(
        "denials",
        sa.Column("command_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("command_id"),
    )
    op.create_table(
        "executions",
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("executed_us", sa.BigInteger(), nullable=False),
        sa.Column("settled_us", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("hold_cents", sa.BigInteger(), nullable=False),
        sa.Column("buy_order_id", sa.BigInteger(), nullable=True),
        sa.Column("sell_order_id", sa.BigInteger(), nullable=True),
        sa.Column("price_cents", sa.BigInteger(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("security_id", sa.Text(collation="C"), nullable=False),
        sa.Column("aggressor_side", sa.Text(collation="C"), nullable=True),
        sa.Column("buyer", sa.Text(collation="C"), nullable=True),
        sa.Column("seller", sa.Text(collation="C"), nullable=True),
        sa.Column("reason", sa.Text(collation="C"), nullable=True),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_table(
        "holdings",
        sa.Column("client_id", sa.Text(collation="C"), nullable=False),
        sa.Column("security_id", sa.Text(collation="C"), nullable=False),
        sa.Column("shares", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("held >= 0 AND held <= shares", name="holdings_covered"),
        sa.PrimaryKeyConstraint("client_id", "security_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "last_prices",
        sa.Column("security_id", sa.Text(collation="C"), nullable=False),
        sa.Column("price_cents", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("security_id"),
    )
    op.create_table(
        "ledger",
        sa.Column("entry_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("cash_cents", sa.BigInteger(), nullable=False),
        sa.Column("shares", sa.BigInteger(), nullable=False),
        sa.Column("booked_us", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("contra_account", sa.Text(collation="C"), nullable=False),
        sa.Column("security_id", sa.Text(collation="C"), nullable=True),
        sa.Column("transfer_id", sa.Text(collation="C"), nullable=True),
        sa.PrimaryKeyConstraint("entry_id"),
    )
    op.create_index("ledger_by_account", "ledger", ["account", "entry_id"], unique=False)
    op.create_index(
        "ledger_by_transfer",
        "ledger",
        ["transfer_id"],
        unique=True,
        postgresql_where=sa.text("transfer_id IS NOT NULL"),
    )
    op.create_table(
        "open_orders",
        sa.Column("client_id", sa.Text(collation="C"), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "order_id"),
    )
    op.create_table(
        "order_log",
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("command_id", sa.BigInteger(), nullable=False),
        sa.Column("command", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("shard", "seq"),
        sa.UniqueConstraint("command_id"),
    )
    op.create_table(
        "orders",
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("price_cents", sa.BigInteger(), nullable=True),
        sa.Column("hold_cents", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("post_only", sa.Boolean(), nullable=False),
        sa.Column("client_id", sa.Text(collation="C"), nullable=False),
        sa.Column("client_order_id", sa.Text(collation="C"), nullable=True),
        sa.Column("security_id", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.Column("side", sa.Text(collation="C"), nullable=False),
        sa.Column("time_in_force", sa.Text(collation="C"), nullable=False),
        sa.Column("status", sa.Text(collation="C"), nullable=False),
        sa.Column("filled_quantity", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("filled_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("closed_quantity", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(collation="C"), nullable=True),
        sa.CheckConstraint("filled_quantity + closed_quantity <= quantity", name="orders_quantity"),
        sa.CheckConstraint("filled_quantity >= 0 AND closed_quantity >= 0", name="orders_counts"),
        sa.PrimaryKeyConstraint("order_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("orders_by_client", "orders", ["client_id", "order_id"], unique=False)
    op.create_index(
        "orders_by_client_order_id",
        "orders",
        ["client_id", "client_order_id"],
        unique=True,
        postgresql_where=sa.text("client_order_id IS NOT NULL"),
    )
    op.create_table(
        "published_marks",
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shard"),
    )
    op.create_table(
        "securities",
        sa.Column("security_id", sa.Text(collation="C"), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("tick_cents", sa.Integer(), nullable=False),
        sa.Column("min_price_cents", sa.BigInteger(), nullable=False),
        sa.Column("max_price_cents", sa.BigInteger(), nullable=False),
        sa.Column("issued_shares", sa.BigInteger(), nullable=False),
        sa.Column("halted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("security_id"),
    )
    op.create_table(
        "shards",
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("shard"),
    )
    op.create_table(
        "snapshots",
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("state_hash", sa.Text(collation="C"), nullable=False),
        sa.Column("checksum", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shard", "seq"),
    )
    op.execute(LEDGER_POSTINGS)


def downgrade() -> None:
    op.execute("DROP VIEW ledger_postings")
    op.drop_table("snapshots")
    op.drop_table("shards")
    op.drop_table("securities")
    op.drop_table("published_marks")
    op.drop_table("orders")
    op.drop_table("order_log")
    op.drop_table("open_orders")
    op.drop_table("ledger")
    op.drop_table("last_prices")
    op.drop_table("holdings")
    op.drop_table("executions")
    op.drop_table("denials")
    op.drop_table("client_order_ids")
    op.drop_table("api_keys")
    op.drop_table("accounts")
    op.execute(DropSequence(Sequence("order_ids")))
