"""Promises of the streams to cancel orders with a connection: in Postgres, so that other hosts can keep them."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "stream_processes",
        sa.Column("process", TEXT, primary_key=True),
        sa.Column("beat", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
    op.create_table(
        "disconnect_promises",
        sa.Column(
            "process", TEXT, sa.ForeignKey("stream_processes.process", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("client_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("process", "client_id"),
    )


def downgrade() -> None:
    op.drop_table("disconnect_promises")
    op.drop_table("stream_processes")
