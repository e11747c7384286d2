"""Denials say what was short: what the request needed, and what was available."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("denials", sa.Column("needed", sa.BigInteger()))
    op.add_column("denials", sa.Column("available", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("denials", "available")
    op.drop_column("denials", "needed")
