"""Cancels leave a mark for the orders that come to order entry after them; holds of fees are a sum's and not a share's.

An order that is open keeps what it holds: its `hold_cents` has the fee in it, and its `fee_ppm` is 0.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    text = sa.Text(collation="C")
    op.create_table(
        "cancel_marks",
        sa.Column("client_id", text, nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("security_id", text, nullable=False),
        sa.Column("side", text, nullable=False),
        sa.Column("before_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "order_id", "shard", "security_id", "side"),
    )
    op.create_index("cancel_marks_by_time", "cancel_marks", ["client_id", "before_us"])


def downgrade() -> None:
    op.drop_table("cancel_marks")
