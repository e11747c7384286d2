"""Messages of order entry that may be ending its workers, with the number of attempts to handle each."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "suspects",
        sa.Column("message_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("suspects")
