"""What clients were worth in the past."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "equity_samples",
        sa.Column("sampled_us", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("standings", JSONB, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("equity_samples")
