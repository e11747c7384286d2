"""Returns that deposits and withdrawals do not change.

What an account has gained up to now is reckoned as before, against what was paid in on balance, shares at 100.00.
Samples of the past keep the return that they stood for.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "account_growth",
        sa.Column("client_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("factor", sa.Numeric, nullable=False),
        sa.Column("base_cents", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO account_growth SELECT account, 1, greatest(sum(cash_cents + shares * 10000), 0) FROM ledger "
        "WHERE transfer_id IS NOT NULL AND kind IN ('deposit', 'withdrawal') GROUP BY account"
    )
    op.execute(
        "UPDATE equity_samples SET standings = (SELECT coalesce(jsonb_object_agg(key, jsonb_build_array(value -> 0, "
        "CASE WHEN (value ->> 1)::bigint > 0 THEN round(((value ->> 0)::numeric / (value ->> 1)::numeric - 1) "
        "* 1000000) END)), '{}') FROM jsonb_each(standings))"
    )


def downgrade() -> None:
    op.drop_table("account_growth")
    op.execute("DELETE FROM equity_samples")
