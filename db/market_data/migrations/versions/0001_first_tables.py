"""The first tables, as they stood at the first release; later versions change them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "book_levels",
        sa.Column("security_id", sa.Text(collation="C"), nullable=False),
        sa.Column("side", sa.Text(collation="C"), nullable=False),
        sa.Column("price_cents", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("orders", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("security_id", "side", "price_cents"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "books",
        sa.Column("security_id", sa.Text(collation="C"), nullable=False),
        sa.Column("update_sequence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("floor_sequence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("price_sequence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bid_cents", sa.BigInteger(), nullable=True),
        sa.Column("ask_cents", sa.BigInteger(), nullable=True),
        sa.Column("last_cents", sa.BigInteger(), nullable=True),
        sa.Column("updated_us", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("security_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "candles",
        sa.Column("security_id", sa.Text(collation="C"), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("open_cents", sa.BigInteger(), nullable=False),
        sa.Column("high_cents", sa.BigInteger(), nullable=False),
        sa.Column("low_cents", sa.BigInteger(), nullable=False),
        sa.Column("close_cents", sa.BigInteger(), nullable=False),
        sa.Column("volume", sa.BigInteger(), nullable=False),
        sa.Column("first_sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("security_id", "interval_s", "start_s"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "prices",
        sa.Column("security_id", sa.Text(collation="C"), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("bid_cents", sa.BigInteger(), nullable=True),
        sa.Column("ask_cents", sa.BigInteger(), nullable=True),
        sa.Column("last_cents", sa.BigInteger(), nullable=True),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("security_id", "sequence"),
    )
    op.create_table(
        "report_heads",
        sa.Column("client_id", sa.Text(collation="C"), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "reports",
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("report_id", sa.BigInteger(), nullable=False),
        sa.Column("event_type", sa.Text(collation="C"), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("client_id", sa.Text(collation="C"), nullable=False),
        sa.Column("security_id", sa.Text(collation="C"), nullable=False),
        sa.Column("side", sa.Text(collation="C"), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("price_cents", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(collation="C"), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_us", sa.BigInteger(), nullable=False),
        sa.Column("sent_us", sa.BigInteger(), nullable=False),
        sa.Column("stored_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", "report_id"),
    )
    op.create_index("reports_by_client", "reports", ["client_id", "sequence"], unique=True)
    op.create_table(
        "trades",
        sa.Column("security_id", sa.Text(collation="C"), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("price_cents", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("aggressor_side", sa.Text(collation="C"), nullable=False),
        sa.Column("traded_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("security_id", "sequence"),
    )


def downgrade() -> None:
    op.drop_table("trades")
    op.drop_table("reports")
    op.drop_table("report_heads")
    op.drop_table("prices")
    op.drop_table("candles")
    op.drop_table("books")
    op.drop_table("book_levels")
