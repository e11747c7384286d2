"""The index of an account's ledger entries goes by time, as statements do, and not by number.

What a unit books for an account has one time, and Postgres keeps equal keys once: so the index takes 60 bytes a trade
with the primary key instead of 110, and a statement reads the entries of its account alone.
"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.drop_index("ledger_by_account", "ledger")
    op.create_index("ledger_by_account", "ledger", ["account", "booked_us"])


def downgrade() -> None:
    op.drop_index("ledger_by_account", "ledger")
    op.create_index("ledger_by_account", "ledger", ["account", "entry_id"])
