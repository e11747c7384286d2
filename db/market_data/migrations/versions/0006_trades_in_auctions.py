"""Trades in an auction have no aggressor."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.alter_column("trades", "aggressor_side", nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM trades WHERE aggressor_side IS NULL")
    op.alter_column("trades", "aggressor_side", nullable=False)
