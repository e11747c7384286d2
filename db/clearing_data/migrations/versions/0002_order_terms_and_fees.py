"""Replacements, stop and iceberg orders, fees, and accounts that are stopped or closed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _text() -> sa.Text:
    return sa.Text(collation="C")


def upgrade() -> None:
    for side in ("maker", "taker"):
        fee = sa.Column(f"{side}_fee_ppm", sa.Integer(), nullable=False, server_default=sa.text("0"))
        op.add_column("securities", fee)
    op.create_check_constraint("securities_fees", "securities", "maker_fee_ppm + taker_fee_ppm >= 0")
    op.add_column("accounts", sa.Column("state", _text(), nullable=False, server_default=sa.text("'open'")))
    op.create_check_constraint("accounts_state", "accounts", "state IN ('open', 'stopped', 'closed')")
    for name in ("stop_price_cents", "display_quantity", "largest_quantity"):
        op.add_column("orders", sa.Column(name, sa.BigInteger(), nullable=True))
    op.drop_constraint("orders_quantity", "orders")
    op.create_check_constraint(
        "orders_quantity", "orders", "filled_quantity + closed_quantity <= greatest(quantity, largest_quantity)"
    )
    op.add_column("executions", sa.Column("terms", _text(), nullable=True))
    op.create_table(
        "pending_replaces",
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("command_id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", _text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("price_cents", sa.BigInteger(), nullable=True),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", "command_id"),
    )


def downgrade() -> None:
    op.drop_table("pending_replaces")
    op.drop_column("executions", "terms")
    op.drop_constraint("orders_quantity", "orders")
    op.create_check_constraint("orders_quantity", "orders", "filled_quantity + closed_quantity <= quantity")
    for name in ("largest_quantity", "display_quantity", "stop_price_cents"):
        op.drop_column("orders", name)
    op.drop_constraint("accounts_state", "accounts")
    op.drop_column("accounts", "state")
    op.drop_constraint("securities_fees", "securities")
    for side in ("taker", "maker"):
        op.drop_column("securities", f"{side}_fee_ppm")
