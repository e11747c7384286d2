"""A promise says whether several requests rely on it, so that the api can withdraw one on which none does."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("client_order_ids", sa.Column("is_shared", sa.Boolean(), nullable=False, server_default="false"))


def downgrade() -> None:
    op.drop_column("client_order_ids", "is_shared")
