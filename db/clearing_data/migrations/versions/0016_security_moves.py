"""Moves of securities between shards."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("shards", sa.Column("moves", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.create_table(
        "security_moves",
        sa.Column("from_shard", sa.SmallInteger(), nullable=False),
        sa.Column("to_shard", sa.SmallInteger(), nullable=False),
        sa.Column("from_seq", sa.BigInteger(), nullable=False),
        sa.Column("to_seq", sa.BigInteger(), nullable=False),
        sa.Column("moved_us", sa.BigInteger(), nullable=False),
        sa.Column("security_id", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("to_shard", "security_id"),
        sa.CheckConstraint("from_shard < to_shard", name="security_moves_upwards"),
    )


def downgrade() -> None:
    op.drop_table("security_moves")
    op.drop_column("shards", "moves")
