"""Cancels leave marks for orders that come to order entry after them; fees are held for a sum and not for a share.

An order that is open keeps what it holds: its `hold_cents` has the fee in it, and its `fee_ppm` is 0.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

# As in 0004, and with what orders hold for fees now in place of each change of it.
PENDING_TRANSFERS = """
CREATE OR REPLACE VIEW pending_transfers AS
WITH side AS (
    SELECT event_id, executed_us, kind, security_id, quantity, price_cents, hold_cents, terms,
        buy_order_id AS order_id, buyer AS client_id, true AS is_buy FROM executions WHERE buy_order_id IS NOT NULL
    UNION ALL
    SELECT event_id, executed_us, kind, security_id, quantity, price_cents, hold_cents, terms,
        sell_order_id, seller, false FROM executions WHERE sell_order_id IS NOT NULL
), moved AS (
    SELECT order_id AS transfer_id, CAST(NULL AS bigint) AS event_id, created_us AS at_us, client_id AS account, security_id,
        side = 'buy' AS is_buy, 'pending' AS phase, quantity * CASE side WHEN 'buy' THEN hold_cents ELSE 1 END AS amount
    FROM orders WHERE terms_event_id IS NULL AND hold_cents > 0
    UNION ALL
    SELECT order_id, NULL, created_us, orders.client_id, orders.security_id, side = 'buy', 'pending',
        CAST(placed.terms ->> 6 AS bigint) * CASE side
            WHEN 'buy' THEN COALESCE(NULLIF(CAST(placed.terms ->> 13 AS bigint), 0), CAST(placed.terms ->> 7 AS bigint))
            ELSE 1 END
    FROM orders JOIN LATERAL (
        SELECT CAST(command AS json) AS terms FROM order_log WHERE command_id = orders.order_id
    ) AS placed ON true
    WHERE terms_event_id IS NOT NULL
    UNION ALL
    SELECT command_id, NULL, NULL, pending_replaces.client_id, security_id, side = 'buy', 'pending', reserved
    FROM pending_replaces JOIN orders USING (order_id)
    UNION ALL
    SELECT order_id, event_id, executed_us, client_id, security_id, is_buy, 'pending',
        (CAST(CAST(terms AS json) ->> 'open_quantity' AS bigint) * CASE WHEN is_buy THEN hold_cents ELSE 1 END
        - CAST(CAST(terms AS json) ->> 'old_open' AS bigint)
            * CASE WHEN is_buy THEN CAST(CAST(terms AS json) ->> 'old_hold_cents' AS bigint) ELSE 1 END)
    FROM side WHERE kind = 'replaced'
    UNION ALL
    SELECT order_id, event_id, executed_us, client_id, security_id, is_buy, 'posted',
        -quantity * CASE WHEN is_buy THEN price_cents ELSE 1 END
    FROM side WHERE kind = 'trade'
    UNION ALL
    SELECT order_id, event_id, executed_us, client_id, security_id, is_buy, 'voided',
        -quantity * CASE WHEN is_buy THEN hold_cents - CASE kind WHEN 'trade' THEN price_cents ELSE 0 END ELSE 1 END
    FROM side WHERE kind IN ('cancelled', 'rejected', 'failed') OR (kind = 'trade' AND is_buy)
{fees})
SELECT transfer_id, event_id, at_us, account, CASE WHEN is_buy THEN 'USD' ELSE security_id END AS asset, phase, amount
FROM moved WHERE amount <> 0
"""
FEES = """    UNION ALL
    SELECT order_id, NULL, created_us, client_id, security_id, true, 'pending', CAST(ceil(
        CAST(greatest(quantity, largest_quantity) - filled_quantity - closed_quantity AS numeric)
        * greatest(hold_cents, largest_hold_cents) * fee_ppm / 1000000) AS bigint)
    FROM orders WHERE fee_ppm > 0
"""


def upgrade() -> None:
    text = sa.Text(collation="C")
    op.create_table(
        "cancel_marks",
        sa.Column("client_id", text, nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("security_id", text, nullable=False),
        sa.Column("side", text, nullable=False),
        sa.Column("before_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "order_id", "shard", "security_id", "side"),
    )
    op.create_table(
        "waiting_replaces",
        sa.Column("command_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("client_id", text, nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("request", text, nullable=False),
        sa.PrimaryKeyConstraint("command_id"),
    )
    op.create_index("ix_waiting_replaces_client_id", "waiting_replaces", ["client_id"])
    op.add_column("orders", sa.Column("fee_ppm", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("orders", sa.Column("largest_hold_cents", sa.BigInteger(), nullable=True))
    op.execute(PENDING_TRANSFERS.format(fees=FEES))


def downgrade() -> None:
    op.execute(PENDING_TRANSFERS.format(fees=""))
    op.drop_column("orders", "largest_hold_cents")
    op.drop_column("orders", "fee_ppm")
    op.drop_table("waiting_replaces")
    op.drop_table("cancel_marks")
