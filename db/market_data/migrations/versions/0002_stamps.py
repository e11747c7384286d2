"""The times at which stages began the batches that they report, to measure each part of an order's life."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for stamp in ("began_us", "asked_us", "taken_us"):
        op.add_column("reports", sa.Column(stamp, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for stamp in ("began_us", "asked_us", "taken_us"):
        op.drop_column("reports", stamp)
