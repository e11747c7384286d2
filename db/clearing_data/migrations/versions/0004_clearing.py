"""What the clearinghouse keeps beside the ledger: rates of fees, corrections, and the ledger as it may not be changed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# What is booked stays booked. A trigger of the statement costs an INSERT or a COPY nothing.
APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append only: book a correction', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fee_rates
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def _text() -> sa.Text:
    return sa.Text(collation="C")


def upgrade() -> None:
    op.add_column("orders", sa.Column("terms_event_id", sa.BigInteger(), nullable=True))
    op.create_index("executions_failed", "executions", ["event_id"], postgresql_where=sa.text("kind = 'failed'"))
    op.create_table(
        "fee_rates",
        sa.Column("security_id", _text(), nullable=False),
        sa.Column("from_event_id", sa.BigInteger(), nullable=False),
        sa.Column("maker_fee_ppm", sa.Integer(), nullable=False),
        sa.Column("taker_fee_ppm", sa.Integer(), nullable=False),
        sa.Column("set_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("security_id", "from_event_id"),
    )
    op.create_table(
        "corrections",
        sa.Column("transfer_id", _text(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", _text(), nullable=False),
        sa.PrimaryKeyConstraint("transfer_id"),
    )
    op.execute(APPEND_ONLY)


def downgrade() -> None:
    op.execute("DROP TRIGGER append_only ON ledger")
    op.drop_table("corrections")
    op.drop_table("fee_rates")
    op.execute("DROP FUNCTION refuse_change()")
    op.drop_index("executions_failed", "executions")
    op.drop_column("orders", "terms_event_id")
