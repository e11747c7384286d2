"""Phases, bands and settlement of securities, expiry of orders, limits of accounts, and the trading day."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

LIMITS = (
    "max_order_quantity",
    "max_order_notional_cents",
    "max_open_orders",
    "max_position",
    "short_limit",
    "orders_per_s",
)
DURATIONS = ("first_auction_us", "opening_auction_us", "continuous_us", "closing_auction_us", "closed_us")


def upgrade() -> None:
    text = sa.Text(collation="C")
    # Before there was a reference price, every security began at 100.00.
    op.add_column(
        "securities",
        sa.Column("reference_price_cents", sa.BigInteger(), nullable=False, server_default=sa.text("10000")),
    )
    op.alter_column("securities", "reference_price_cents", server_default=None)
    op.add_column(
        "securities", sa.Column("phase_event_id", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column("securities", sa.Column("phase_ends_us", sa.BigInteger()))
    op.add_column("securities", sa.Column("delisted_us", sa.BigInteger()))
    op.add_column("securities", sa.Column("settlement_cents", sa.BigInteger()))
    op.add_column("securities", sa.Column("settlement_event_id", sa.BigInteger()))
    op.add_column("securities", sa.Column("band_ppm", sa.Integer()))
    op.add_column("securities", sa.Column("phase", text, nullable=False, server_default=sa.text("'continuous'")))
    op.add_column("securities", sa.Column("phase_cause", text))
    op.add_column("securities", sa.Column("settlement_transfer_id", text))
    op.create_check_constraint(
        "securities_phase", "securities", "phase IN ('closed', 'auction', 'continuous', 'halted', 'settled')"
    )
    op.execute("UPDATE securities SET phase = 'halted', phase_cause = 'admin' WHERE halted")
    op.drop_column("securities", "halted")
    op.create_table(
        "trading_day",
        sa.Column("one", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0")) for name in DURATIONS),
        sa.Column("step_ends_us", sa.BigInteger()),
        sa.Column("step", sa.SmallInteger()),
        sa.Column("unsent", text),
        sa.PrimaryKeyConstraint("one"),
        sa.CheckConstraint("one", name="trading_day_only"),
    )
    op.create_table(
        "endowments",
        sa.Column("security_id", text, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("security_id"),
    )
    op.add_column("orders", sa.Column("expires_us", sa.BigInteger()))
    op.add_column("open_orders", sa.Column("expires_us", sa.BigInteger()))
    op.create_index(
        "open_orders_by_expiry", "open_orders", ["expires_us"], postgresql_where=sa.text("expires_us IS NOT NULL")
    )
    for limit in LIMITS:
        op.add_column("accounts", sa.Column(limit, sa.BigInteger()))


def downgrade() -> None:
    for limit in LIMITS:
        op.drop_column("accounts", limit)
    op.drop_column("open_orders", "expires_us")
    op.drop_column("orders", "expires_us")
    op.drop_table("endowments")
    op.drop_table("trading_day")
    op.add_column("securities", sa.Column("halted", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.execute("UPDATE securities SET halted = phase = 'halted'")
    for column in (
        "settlement_transfer_id",
        "phase_cause",
        "phase",
        "band_ppm",
        "settlement_event_id",
        "settlement_cents",
        "delisted_us",
        "phase_ends_us",
        "phase_event_id",
        "reference_price_cents",
    ):
        op.drop_column("securities", column)
