"""Selling short as stock loan: what clients owe, their collateral, the sales that it is for, and buy-ins."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

NOTHING = sa.text("0")

# What orders that sell short hold now, in place of each change of it.
PENDING_TRANSFERS = """
CREATE VIEW pending_transfers AS
WITH short AS (
    SELECT *, least(owned_quantity, most - closed_quantity) - least(owned_quantity, filled_quantity) AS owned_open,
        greatest(most - closed_quantity - owned_quantity, 0) - greatest(filled_quantity - owned_quantity, 0)
            AS short_open
    FROM (
        SELECT *, greatest(quantity, largest_quantity) AS most FROM orders WHERE owned_quantity IS NOT NULL
    ) AS selling
)
SELECT * FROM pending_transfers_of_owners
WHERE NOT EXISTS (SELECT FROM short WHERE short.order_id = pending_transfers_of_owners.transfer_id)
UNION ALL
SELECT order_id, NULL, created_us, held.account, held.asset, 'pending', held.amount
FROM short CROSS JOIN LATERAL (VALUES
    (client_id, security_id, owned_open),
    (client_id, 'USD', (short_open * margin_price_cents + 1) / 2),
    ('DTCC', security_id, short_open)
) AS held (account, asset, amount)
WHERE held.amount <> 0
"""


def upgrade() -> None:
    text = sa.Text(collation="C")
    op.add_column("accounts", sa.Column("collateral_cents", sa.BigInteger(), nullable=False, server_default=NOTHING))
    op.add_column("accounts", sa.Column("fund_cents", sa.BigInteger(), nullable=False, server_default=NOTHING))
    op.add_column("accounts", sa.Column("buy_in_us", sa.BigInteger()))
    op.add_column("accounts", sa.Column("buy_in_tried_us", sa.BigInteger()))
    op.add_column("accounts", sa.Column("sells_short", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.create_check_constraint("accounts_collateral", "accounts", "collateral_cents >= 0 AND fund_cents >= 0")
    op.create_index("accounts_owing", "accounts", ["client_id"], postgresql_where=sa.text("sells_short"))
    op.add_column("holdings", sa.Column("borrowed", sa.BigInteger(), nullable=False, server_default=NOTHING))
    op.add_column("holdings", sa.Column("located", sa.BigInteger(), nullable=False, server_default=NOTHING))
    op.add_column("holdings", sa.Column("sold_cents", sa.BigInteger(), nullable=False, server_default=NOTHING))
    op.create_check_constraint(
        "holdings_borrowed",
        "holdings",
        "borrowed >= 0 AND located >= 0 AND sold_cents >= 0 AND (borrowed = 0 OR shares = held)",
    )
    op.add_column("orders", sa.Column("owned_quantity", sa.BigInteger()))
    op.add_column("orders", sa.Column("margin_price_cents", sa.BigInteger()))
    op.add_column("orders", sa.Column("buy_in", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.execute("ALTER VIEW pending_transfers RENAME TO pending_transfers_of_owners")
    op.execute(PENDING_TRANSFERS)
    op.create_table(
        "short_sales",
        sa.Column("client_id", text, nullable=False),
        sa.Column("security_id", text, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("price_cents", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "security_id", "event_id"),
    )


def downgrade() -> None:
    op.drop_table("short_sales")
    op.execute("DROP VIEW pending_transfers")
    op.execute("ALTER VIEW pending_transfers_of_owners RENAME TO pending_transfers")
    op.drop_column("orders", "buy_in")
    op.drop_column("orders", "margin_price_cents")
    op.drop_column("orders", "owned_quantity")
    op.drop_constraint("holdings_borrowed", "holdings")
    for column in ("sold_cents", "located", "borrowed"):
        op.drop_column("holdings", column)
    op.drop_index("accounts_owing", "accounts")
    op.drop_constraint("accounts_collateral", "accounts")
    for column in ("sells_short", "buy_in_tried_us", "buy_in_us", "fund_cents", "collateral_cents"):
        op.drop_column("accounts", column)
