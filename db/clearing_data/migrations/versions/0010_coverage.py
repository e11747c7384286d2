"""Which events order execution has, and what is needed to report a request again whose report was lost.

What was published before is taken to be there, as its messages say nothing of what they cover: deploy.migrate enters it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    text = sa.Text(collation="C")
    op.create_table(
        "coverage",
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("from_event", sa.BigInteger(), nullable=False),
        sa.Column("to_event", sa.BigInteger(), nullable=False),
        sa.Column("stage", text, nullable=False),
        sa.CheckConstraint("from_event < to_event", name="coverage_interval"),
    )
    op.add_column("order_log", sa.Column("received_us", sa.BigInteger()))
    op.add_column("order_log", sa.Column("named_security", text))
    op.add_column("denials", sa.Column("denied_us", sa.BigInteger()))
    op.add_column("denials", sa.Column("report", text))
    op.create_index(
        "denials_by_time",
        "denials",
        ["denied_us"],
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 8, "autosummarize": "on"},
    )


def downgrade() -> None:
    op.drop_index("denials_by_time", "denials")
    op.drop_column("denials", "report")
    op.drop_column("denials", "denied_us")
    op.drop_column("order_log", "named_security")
    op.drop_column("order_log", "received_us")
    op.drop_table("coverage")
