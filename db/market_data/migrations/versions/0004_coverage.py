"""Which events the feed has of each stage; deploy.migrate enters what an upgraded exchange has."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "coverage",
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("from_event", sa.BigInteger(), nullable=False),
        sa.Column("to_event", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.Text(collation="C"), nullable=False),
        sa.CheckConstraint("from_event < to_event", name="coverage_interval"),
    )


def downgrade() -> None:
    op.drop_table("coverage")
