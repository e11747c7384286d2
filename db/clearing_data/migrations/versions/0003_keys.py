"""Keys with names, and keys that only read."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("read_only", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("api_keys", sa.Column("name", sa.Text(collation="C"), nullable=True))


def downgrade() -> None:
    for name in ("name", "read_only"):
        op.drop_column("api_keys", name)
