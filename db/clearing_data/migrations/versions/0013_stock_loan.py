"""Selling short as stock loan: what clients owe, their collateral, the sales that it is for, and buy-ins."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"

NOTHING = sa.text("0")


def upgrade() -> None:
    text = sa.Text(collation="C")
    op.add_column("accounts", sa.Column("collateral_cents", sa.BigInteger(), nullable=False, server_default=NOTHING))
    op.add_column("accounts", sa.Column("fund_cents", sa.BigInteger(), nullable=False, server_default=NOTHING))
    op.add_column("accounts", sa.Column("buy_in_us", sa.BigInteger()))
    op.add_column("accounts", sa.Column("buy_in_tried_us", sa.BigInteger()))
    op.add_column("accounts", sa.Column("sells_short", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.create_check_constraint("accounts_collateral", "accounts", "collateral_cents >= 0 AND fund_cents >= 0")
    op.create_index("accounts_owing", "accounts", ["client_id"], postgresql_where=sa.text("sells_short"))
    op.add_column("holdings", sa.Column("borrowed", sa.BigInteger(), nullable=False, server_default=NOTHING))
    op.add_column("holdings", sa.Column("located", sa.BigInteger(), nullable=False, server_default=NOTHING))
    op.add_column("holdings", sa.Column("sold_cents", sa.BigInteger(), nullable=False, server_default=NOTHING))
    op.create_check_constraint(
        "holdings_borrowed",
        "holdings",
        "borrowed >= 0 AND located >= 0 AND sold_cents >= 0 AND (borrowed = 0 OR shares = held)",
    )
    op.add_column("orders", sa.Column("owned_quantity", sa.BigInteger()))
    op.add_column("orders", sa.Column("margin_price_cents", sa.BigInteger()))
    op.add_column("orders", sa.Column("buy_in", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.create_table(
        "short_sales",
        sa.Column("client_id", text, nullable=False),
        sa.Column("security_id", text, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("price_cents", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "security_id", "event_id"),
    )


def downgrade() -> None:
    op.drop_table("short_sales")
    op.drop_column("orders", "buy_in")
    op.drop_column("orders", "margin_price_cents")
    op.drop_column("orders", "owned_quantity")
    op.drop_constraint("holdings_borrowed", "holdings")
    for column in ("sold_cents", "located", "borrowed"):
        op.drop_column("holdings", column)
    op.drop_index("accounts_owing", "accounts")
    op.drop_constraint("accounts_collateral", "accounts")
    for column in ("sells_short", "buy_in_tried_us", "buy_in_us", "fund_cents", "collateral_cents"):
        op.drop_column("accounts", column)
