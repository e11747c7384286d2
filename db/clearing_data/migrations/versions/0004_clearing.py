"""Fee rates, corrections, and a ledger that cannot be changed."""

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


# Holds as two-phase transfers. The register of orders is the record of them: that an order is admitted makes a transfer
# pending, of what it holds; each trade posts of it what was paid and voids what was held beyond that; a close voids the
# rest, and a replacement adds to it or voids of it. What is pending of an account is what it has held.
LEDGER_TRANSFERS = """
CREATE VIEW pending_transfers AS
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
)
SELECT transfer_id, event_id, at_us, account, CASE WHEN is_buy THEN 'USD' ELSE security_id END AS asset, phase, amount
FROM moved WHERE amount <> 0
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
        sa.Column("set_us", sa.BigInteger(), nullable=False),
        sa.Column("maker_fee_ppm", sa.Integer(), nullable=False),
        sa.Column("taker_fee_ppm", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("security_id", "from_event_id", "set_us"),
    )
    op.create_table(
        "corrections",
        sa.Column("transfer_id", _text(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", _text(), nullable=False),
        sa.PrimaryKeyConstraint("transfer_id"),
    )
    op.create_index(
        "ledger_by_time",
        "ledger",
        ["booked_us"],
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    )
    op.execute(APPEND_ONLY)
    op.execute(LEDGER_TRANSFERS)


def downgrade() -> None:
    op.execute("DROP VIEW pending_transfers")
    op.drop_index("ledger_by_time", "ledger")
    op.execute("DROP TRIGGER append_only ON ledger")
    op.drop_table("corrections")
    op.drop_table("fee_rates")
    op.execute("DROP FUNCTION refuse_change()")
    op.drop_index("executions_failed", "executions")
    op.drop_column("orders", "terms_event_id")
