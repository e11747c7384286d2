"""Phases and auctions of the securities, and news."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    text = sa.Text(collation="C")
    op.create_table(
        "phases",
        sa.Column("security_id", text, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("ends_us", sa.BigInteger()),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.Column("phase", text, nullable=False),
        sa.Column("cause", text),
        sa.PrimaryKeyConstraint("security_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "auctions",
        sa.Column("security_id", text, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("price_cents", sa.BigInteger()),
        sa.Column("volume", sa.BigInteger(), nullable=False),
        sa.Column("surplus", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("surplus_side", text),
        sa.PrimaryKeyConstraint("security_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "news",
        sa.Column("news_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("published_us", sa.BigInteger(), nullable=False),
        sa.Column("headline", sa.Text(), nullable=False),
        sa.Column("body", sa.Text()),
        sa.Column("security_id", text),
        sa.PrimaryKeyConstraint("news_id"),
    )


def downgrade() -> None:
    for table in ("news", "auctions", "phases"):
        op.drop_table(table)
